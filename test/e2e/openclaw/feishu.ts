/** A stand-in for Feishu's open platform. */
import { createHash } from 'node:crypto';
import { freePort } from '../../support/engine.ts';
import {
  buttonsIn,
  ChatService,
  editIn,
  formOf,
  postTo,
  textsIn,
  type Answer,
  type Asked,
  type Pressed,
  type Said,
  type Shown,
  type WithButtons,
} from './chat-service.ts';

const KEY = 'feishu-encrypt-key';
const BOT = 'ou_bot';

interface Message {
  chat: string;
  text: string;
  type?: string;
  thread?: string;
  /** The first message of the quotations that lead to it. */
  root?: string;
}

/** A message of the bot. */
interface Sent {
  receive_id?: string;
  msg_type: string;
  content: string;
  reply_in_thread?: boolean;
}

export class Feishu extends ChatService implements WithButtons {
  readonly channel = 'feishu';
  readonly owner = 'ou_owner';
  readonly direct = 'oc_owner';
  readonly group = 'oc_team';
  readonly mention = '@_user_1 ';
  override readonly hosts = ['open.feishu.cn'];
  private readonly messages = new Map<string, Message>();
  private readonly files = new Map<string, { name: string; content: string }>();
  /** Those of users, by key. */
  private readonly shared = new Map<string, Buffer>();

  private readonly cards = new Map<string, Shown>();
  /** Where the gateway receives events. */
  private webhookPort = 0;

  override async open(): Promise<this> {
    this.webhookPort = await freePort();
    return await super.open();
  }

  settings(): object {
    return {
      enabled: true,
      appId: 'cli_stub',
      appSecret: 'feishu-secret',
      encryptKey: KEY,
      verificationToken: 'feishu-token',
      connectionMode: 'webhook',
      webhookPort: this.webhookPort,
      dmPolicy: 'allowlist',
      allowFrom: [this.owner],
      groupPolicy: 'open',
      requireMention: false,
      groups: { [this.group]: { requireMention: false, topicSessionMode: 'enabled' } },
      typingIndicator: false,
    };
  }

  env(): Record<string, string> {
    return {};
  }

  earlier(text: string, type = 'text'): string {
    const id = `om_${this.id()}`;
    this.messages.set(id, { chat: this.group, text, type });
    return id;
  }

  protected async pass(_gateway: string, { from, text, group, thread, quotes, file }: Said): Promise<string> {
    const chat = group ?? this.direct;
    const parent = quotes ?? thread;
    const id = `om_${this.id()}`;
    const root = thread ?? this.rootOf(parent);
    this.messages.set(id, { chat, text, ...(thread !== undefined && { thread }), ...(root !== undefined && { root }) });
    const mentions = text.includes('@_user_1') ? [{ key: '@_user_1', id: { open_id: BOT }, name: 'Javis' }] : [];
    await this.event('im.message.receive_v1', {
      sender: { sender_id: { open_id: from }, sender_type: 'user', tenant_key: 'tenant' },
      message: {
        message_id: id,
        ...(parent !== undefined && { root_id: root, parent_id: parent }),
        ...(thread !== undefined && { thread_id: `omt_${thread}` }),
        create_time: String(Date.now()),
        chat_id: chat,
        chat_type: group === undefined ? 'p2p' : 'group',
        message_type: file ? 'post' : 'text',
        content: JSON.stringify(file ? this.post(text, file) : { text }),
        mentions,
      },
    });
    return id;
  }

  /** A text with a picture: a message with any other file has no text. */
  private post(text: string, { content }: NonNullable<Said['file']>): object {
    const image_key = `img_${this.id()}`;
    this.shared.set(image_key, content);
    return { title: '', content: [[{ tag: 'text', text }], [{ tag: 'img', image_key }]] };
  }

  async press(_gateway: string, { from, shown, chat = shown.chat }: Pressed): Promise<void> {
    const { behaviors: [{ value }] = [{}] } = (shown.buttons?.[0] ?? {}) as { behaviors?: [{ value?: unknown }] };
    await this.event('card.action.trigger', {
      operator: { open_id: from },
      token: `c-${this.id()}`,
      action: { tag: 'button', value },
      context: { open_message_id: shown.id, open_chat_id: chat },
    });
  }

  private async event(event_type: string, event: object): Promise<void> {
    const nonce = `event-${this.id()}`;
    const create_time = String(Date.now());
    const header = { event_id: nonce, event_type, create_time, token: 'feishu-token', app_id: 'cli_stub' };
    const body = JSON.stringify({ schema: '2.0', header: { ...header, tenant_key: 'tenant' }, event });
    const at = String(Math.floor(Date.now() / 1_000));
    const signature = createHash('sha256').update(`${at}${nonce}${KEY}${body}`).digest('hex');
    await postTo(`http://127.0.0.1:${this.webhookPort}/feishu/events`, body, {
      'x-lark-request-timestamp': at,
      'x-lark-request-nonce': nonce,
      'x-lark-signature': signature,
    });
  }

  private rootOf(message: string | undefined): string | undefined {
    return message === undefined ? undefined : (this.messages.get(message)?.root ?? message);
  }

  protected async answer(asked: Asked): Promise<Answer> {
    const { method, path } = asked;
    const [, of] = /^\/open-apis\/im\/v1\/messages(?:\/(om_\w+)(?:\/reply)?)?$/.exec(path) ?? [];
    const [, card] = /^\/open-apis\/cardkit\/v1\/cards\/(card_\d+)\//.exec(path) ?? [];
    if (card !== undefined) return this.editCard(card, asked);
    if (path === '/open-apis/auth/v3/tenant_access_token/internal')
      return { json: { code: 0, tenant_access_token: 't-stub', expire: 7_200 } };
    if (path === '/open-apis/bot/v3/info') return { json: { code: 0, bot: { open_id: BOT, app_name: 'Javis' } } };
    if (path.startsWith('/open-apis/contact/v3/users/'))
      return data({ user: { name: 'User', open_id: path.split('/').at(-1) } });
    const resource = this.shared.get(path.split('/').at(-1) ?? '');
    if (resource && /^\/open-apis\/im\/v1\/messages\/om_\w+\/resources\//.test(path)) return { bytes: resource };
    if (path === '/open-apis/im/v1/files') return data({ file_key: await this.saveFile(asked) });
    if (path === '/open-apis/cardkit/v1/cards') return data({ card_id: `card_${this.id()}` });
    if (method === 'GET' && of !== undefined) return data({ items: [this.item(of)] });
    if (method === 'PUT' && of !== undefined) return this.edit(of, asked);
    if (path.startsWith('/open-apis/im/v1/chats/'))
      return data(path.endsWith(this.group) ? { chat_mode: 'group' } : { chat_mode: 'p2p' });
    if (method === 'POST' && path.startsWith('/open-apis/im/v1/messages')) return this.send(asked, of);
    this.unknown.push(`${method} ${path}`);
    return { status: 404, json: { code: 99_992_402, msg: 'not found' } };
  }

  private send({ body }: Asked, of: string | undefined): Answer {
    const sent = JSON.parse(body.toString()) as Sent;
    const source = of === undefined ? undefined : this.messages.get(of);
    const to = source?.chat ?? sent.receive_id ?? '';
    const chat = to === this.owner ? this.direct : to;
    const content = JSON.parse(sent.content) as { file_key?: string; data?: { card_id?: string } };
    const file = this.files.get(content.file_key ?? '');
    const thread = source?.thread ?? (sent.reply_in_thread === true ? of : undefined);
    const id = `om_${this.id()}`;
    const shown: Shown = {
      chat,
      id,
      text: textsIn(content).join('\n'),
      buttons: buttonsIn(content),
      ...(file && { file }),
      ...(thread !== undefined && { thread }),
      ...(of !== undefined && { quotes: of }),
    };
    // https://open.feishu.cn/document/server-docs/im-v1/message/create
    if (!this.take(shown))
      return { status: 400, json: { code: 230_013, msg: 'Bot has NO availability to this user.' } };
    if (content.data?.card_id !== undefined) this.cards.set(content.data.card_id, shown);
    const root = this.rootOf(of);
    this.messages.set(id, {
      chat,
      text: shown.text,
      type: sent.msg_type,
      ...(thread !== undefined && { thread }),
      ...(root !== undefined && { root }),
    });
    return data({ message_id: id, chat_id: chat });
  }

  private edit(id: string, { body }: Asked): Answer {
    const { content } = JSON.parse(body.toString()) as { content: string };
    // https://open.feishu.cn/document/server-docs/im-v1/message/update: texts and posts only.
    if (!['text', 'post'].includes(this.messages.get(id)?.type ?? ''))
      return { status: 400, json: { code: 230_054, msg: 'This operation is not supported for this message type.' } };
    editIn(this.shown, id, textsIn(JSON.parse(content)).join('\n'));
    return data({});
  }

  /** The gateway fills a card after it has sent it. */
  private editCard(card: string, { path, body }: Asked): Answer {
    const { content } = JSON.parse(body.toString()) as { content?: string };
    const shown = this.cards.get(card);
    if (shown && content !== undefined && path.endsWith('/elements/content/content')) shown.text = content;
    return data({});
  }

  private async saveFile(asked: Asked): Promise<string> {
    const form = await formOf(asked);
    const file = form.get('file');
    const key = `file_${this.id()}`;
    this.files.set(key, {
      name: form.get('file_name') as string,
      content: file instanceof Blob ? await file.text() : '',
    });
    return key;
  }

  private item(id: string): object {
    const { chat = '', text = '', type = 'text' } = this.messages.get(id) ?? {};
    return {
      message_id: id,
      chat_id: chat,
      msg_type: type === 'file' ? type : 'text',
      body: { content: JSON.stringify(type === 'file' ? { file_key: 'file_1', file_name: 'report.docx' } : { text }) },
      sender: { id: 'ou_friend', id_type: 'open_id', sender_type: 'user' },
      create_time: String(Date.now()),
    };
  }
}

function data(json: object): Answer {
  return { json: { code: 0, msg: 'success', data: json } };
}

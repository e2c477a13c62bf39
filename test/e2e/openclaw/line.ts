/** A stand-in for LINE's Messaging API. */
import { createHmac } from 'node:crypto';
import {
  ChatService,
  postTo,
  textsIn,
  type Answer,
  type Asked,
  type Pressed,
  type Said,
  type WithButtons,
} from './chat-service.ts';

const SECRET = 'line-secret';

interface Messages {
  to?: string;
  replyToken?: string;
  messages: { type: string; text?: string; quickReply?: { items: { action: Record<string, unknown> }[] } }[];
}

export class Line extends ChatService implements WithButtons {
  readonly channel = 'line';
  readonly owner = idOf('U', 'owner');
  /** A user of whom the gateway takes no commands. */
  readonly friend = idOf('U', 'friend');
  readonly direct = this.owner;
  readonly group = idOf('C', 'team');
  /** LINE writes the name that is shown, and where it stands. */
  readonly mention = '@Javis of the Team ';
  override readonly hosts = ['api.line.me'];
  /** Pushes that were accepted: each costs one of the month's quota. */
  pushes = 0;
  private readonly chats = new Map<string, string>();
  private readonly keys = new Set<string>();

  settings(): object {
    return {
      enabled: true,
      channelAccessToken: 'line-token',
      channelSecret: SECRET,
      dmPolicy: 'allowlist',
      allowFrom: [this.owner],
      groupPolicy: 'open',
      // Those who may use commands.
      groupAllowFrom: [this.owner],
      groups: { '*': { requireMention: false } },
    };
  }

  env(): Record<string, string> {
    return {};
  }

  earlier(): string {
    return String(this.id());
  }

  protected async pass(gateway: string, { from, text, group, quotes }: Said): Promise<string> {
    const id = String(this.id());
    const replyToken = `reply-${id}`;
    this.chats.set(replyToken, group ?? from);
    const event = {
      type: 'message',
      mode: 'active',
      timestamp: Date.now(),
      webhookEventId: `event-${id}`,
      deliveryContext: { isRedelivery: false },
      replyToken,
      source: group === undefined ? { type: 'user', userId: from } : { type: 'group', groupId: group, userId: from },
      message: {
        id,
        type: 'text',
        text,
        quoteToken: `quote-${id}`,
        ...(text.startsWith(this.mention) && { mention: { mentionees: [this.mentionee] } }),
        ...(quotes !== undefined && { quotedMessageId: quotes }),
      },
    };
    const body = JSON.stringify({ destination: idOf('U', 'bot'), events: [event] });
    const signature = createHmac('sha256', SECRET).update(body).digest('base64');
    await postTo(`${gateway}/line/webhook`, body, { 'x-line-signature': signature });
    return id;
  }

  private get mentionee(): object {
    return { index: 0, length: this.mention.trim().length, type: 'user', userId: idOf('U', 'bot'), isSelf: true };
  }

  /** A quick reply is said by the user. */
  async press(gateway: string, { from, shown, chat = shown.chat }: Pressed): Promise<void> {
    const text = shown.buttons?.[0]?.['text'] as string;
    await this.pass(gateway, { from, text, ...(chat === this.direct ? {} : { group: chat }) });
  }

  protected answer({ path, headers, body }: Asked): Answer {
    if (path === '/v2/bot/info') return { json: { userId: idOf('U', 'bot'), basicId: '@bot', displayName: 'Javis' } };
    if (/\/(?:profile|member)\//.test(path)) return { json: { displayName: 'User', userId: path.split('/').at(-1) } };
    if (path.endsWith('/summary')) return { json: { groupId: this.group, groupName: 'Team' } };
    if (path === '/v2/bot/message/push' || path === '/v2/bot/message/reply') {
      const { to, replyToken = '', messages } = JSON.parse(body.toString()) as Messages;
      const chat = to ?? this.chats.get(replyToken) ?? '';
      const key = headers['x-line-retry-key'];
      if (typeof key === 'string' && this.keys.has(key)) return { status: 409, json: { message: 'accepted before' } };
      // https://developers.line.biz/en/reference/messaging-api/#send-push-message
      if (messages.length > 5 || messages.some(({ text = '' }) => text.length > 5_000))
        return { status: 400, json: { message: 'The request body has 1 error(s)' } };
      const isTaken = messages
        .map(({ quickReply: { items } = { items: [] }, ...message }) =>
          this.take({ chat, text: textsIn(message).join('\n'), buttons: items.map(({ action }) => action) }),
        )
        .every(Boolean);
      if (!isTaken) return { status: 429, json: { message: 'You have reached your monthly limit.' } };
      if (typeof key === 'string') this.keys.add(key);
      if (to !== undefined) this.pushes++;
      return { json: { sentMessages: messages.map(() => ({ id: String(this.id()) })) } };
    }
    if (path === '/v2/bot/chat/loading/start') return { status: 202 };
    this.unknown.push(path);
    return { status: 404, json: { message: 'Not found' } };
  }
}

/** An id of LINE: a letter and 32 hexadecimal digits. */
function idOf(kind: 'U' | 'C', name: string): string {
  return `${kind}${Buffer.from(name).toString('hex').padEnd(32, '0')}`;
}

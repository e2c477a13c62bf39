/** A stand-in for Discord's gateway and REST API. */
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { until } from '../../support/until.ts';
import {
  buttonsIn,
  ChatService,
  editIn,
  formOf,
  textsIn,
  type Answer,
  type Asked,
  type Pressed,
  type Said,
  type Shown,
  type WithButtons,
} from './chat-service.ts';
import { installOpenClaw } from './gateway.ts';

const BOT = '900000000000000001';
const APPLICATION = '900000000000000002';
const GUILD = '900000000000000003';
/** Flag of an application that may read messages. */
const MESSAGE_CONTENT = 1 << 18;
/** The API needs snowflakes: ids that contain a time. */
const EPOCH = 1_420_070_400_000n;

/** The part of the package `ws` that is used here; the gateway's own copy of it. */
interface WebSocketServers {
  WebSocketServer: new (options: { server: unknown }) => {
    on(event: 'connection', accepted: (socket: Socket) => void): void;
  };
}
interface Socket {
  send(text: string): void;
  on(event: 'message', received: (text: Buffer) => void): void;
  on(event: 'close', closed: () => void): void;
}

export class Discord extends ChatService implements WithButtons {
  readonly channel = 'discord';
  readonly owner = '900000000000000011';
  readonly direct = '900000000000000021';
  readonly group = '900000000000000031';
  readonly mention = `<@${BOT}> `;
  private readonly threads = new Set<string>();
  /** The channels of interactions, by their tokens. */
  private readonly interactions = new Map<string, string>();
  private socket: Socket | undefined;
  private sequence = 0;
  private readonly messages = new Map<string, object>();
  /** Files by the path from which they are downloaded. */
  private readonly files = new Map<string, Buffer>();

  override async open(): Promise<this> {
    await super.open();
    const load = createRequire(join(await installOpenClaw(), 'node_modules/openclaw/package.json'));
    const { WebSocketServer } = load('ws') as WebSocketServers;
    new WebSocketServer({ server: this.server }).on('connection', (socket) => {
      socket.send(JSON.stringify({ op: 10, d: { heartbeat_interval: 41_250 } }));
      socket.on('close', () => (this.socket = undefined));
      socket.on('message', (text) => {
        const { op } = JSON.parse(text.toString()) as { op: number };
        if (op === 1) socket.send(JSON.stringify({ op: 11 }));
        if (op === 2) this.identify(socket);
      });
    });
    return this;
  }

  settings(): object {
    return {
      enabled: true,
      // On a busy machine it would restart a channel that has not started yet, and look again after five minutes.
      healthMonitor: { enabled: false },
      token: 'discord.stub.token',
      applicationId: APPLICATION,
      dmPolicy: 'allowlist',
      allowFrom: [this.owner],
      groupPolicy: 'allowlist',
      guilds: { [GUILD]: { requireMention: false } },
      voice: { enabled: false },
    };
  }

  env(): Record<string, string> {
    return { DISCORD_API_URL: `${this.url}/api/v10` };
  }

  earlier(): string {
    const thread = this.snowflake();
    this.threads.add(thread);
    return thread;
  }

  protected async pass(_gateway: string, { from, text, group, thread, quotes, file }: Said): Promise<string> {
    const socket = await until(() => this.socket);
    const id = this.snowflake();
    const channel_id = thread ?? group ?? this.direct;
    const said = {
      ...message(id, channel_id, text),
      ...(file && { attachments: [this.attachment(id, file)] }),
      author: { id: from, username: 'owner', discriminator: '0', global_name: 'Owner' },
      mentions: text.includes(this.mention) ? [{ id: BOT, username: 'javis', discriminator: '0', bot: true }] : [],
      ...(group !== undefined && { guild_id: GUILD, member: { roles: [], joined_at: new Date().toISOString() } }),
      ...(quotes !== undefined && {
        type: 19,
        message_reference: { type: 0, message_id: quotes, channel_id },
        referenced_message: this.messages.get(quotes),
      }),
    };
    this.messages.set(id, said);
    this.dispatch(socket, 'MESSAGE_CREATE', said);
    return id;
  }

  async press(_gateway: string, { from, shown, chat = shown.chat }: Pressed): Promise<void> {
    const { custom_id } = shown.buttons?.[0] ?? {};
    const { id = '', thread, text } = shown;
    const channel = chat === shown.chat ? (thread ?? chat) : chat;
    await this.interact(from, channel, {
      type: 3,
      data: { component_type: 2, custom_id },
      message: { ...message(id, channel, text), author: user() },
    });
  }

  /** Uses the slash command `/kimi`. */
  async command(from: string, input: string, channel = this.direct): Promise<void> {
    const options = [{ name: 'input', type: 3, value: input }];
    await this.interact(from, channel, { type: 2, data: { id: this.snowflake(), name: 'kimi', type: 1, options } });
  }

  private async interact(from: string, channel_id: string, more: object): Promise<void> {
    const socket = await until(() => this.socket);
    const token = `interaction-${this.id()}`;
    this.interactions.set(token, channel_id);
    const person = { id: from, username: 'owner', discriminator: '0', global_name: 'Owner' };
    this.dispatch(socket, 'INTERACTION_CREATE', {
      id: this.snowflake(),
      application_id: APPLICATION,
      token,
      version: 1,
      locale: 'zh-TW',
      entitlements: [],
      channel_id,
      channel: this.channelOf(channel_id),
      ...(channel_id === this.direct
        ? { user: person }
        : {
            guild_id: GUILD,
            guild: { id: GUILD },
            member: { user: person, roles: [], joined_at: new Date().toISOString(), permissions: '0' },
          }),
      ...more,
    });
  }

  private attachment(id: string, { name: filename, type: content_type, content }: NonNullable<Said['file']>): object {
    const path = `/attachments/${id}/${filename}`;
    this.files.set(path, content);
    // With another API than Discord's own, the gateway downloads from nowhere else.
    const url = `${this.url}${path}`;
    return { id, filename, content_type, size: content.length, url, proxy_url: url };
  }

  private identify(socket: Socket): void {
    const guild = { id: GUILD, name: 'Team', owner_id: this.owner, roles: [], members: [], threads: [] };
    const rest = { voice_states: [], presences: [], emojis: [], stickers: [], stage_instances: [] };
    this.dispatch(socket, 'READY', {
      v: 10,
      user: user(),
      guilds: [{ id: GUILD, unavailable: true }],
      session_id: 'session',
      resume_gateway_url: this.url.replace('http', 'ws'),
      application: { id: APPLICATION, flags: MESSAGE_CONTENT },
    });
    this.dispatch(socket, 'GUILD_CREATE', { ...guild, ...rest, channels: [this.channelOf(this.group)] });
    this.socket = socket;
  }

  private dispatch(socket: Socket, t: string, d: object): void {
    socket.send(JSON.stringify({ op: 0, t, s: ++this.sequence, d }));
  }

  private snowflake(): string {
    return String(((BigInt(Date.now()) - EPOCH) << 22n) + BigInt(this.id()));
  }

  private channelOf(id: string): object {
    if (id === this.direct) return { id, type: 1, recipients: [{ id: this.owner, username: 'owner' }] };
    const isThread = this.threads.has(id);
    const parent_id = isThread ? this.group : null;
    return {
      id,
      type: isThread ? 11 : 0,
      guild_id: GUILD,
      name: isThread ? 'topic' : 'team',
      parent_id,
      permission_overwrites: [],
    };
  }

  protected async answer(asked: Asked): Promise<Answer> {
    const { method } = asked;
    const path = decodeURIComponent(asked.path).replace('/api/v10', '');
    const file = this.files.get(path);
    if (file) return { bytes: file };
    const [, channel = '', messages] = /^\/channels\/(\d+)(\/messages)?$/.exec(path) ?? [];
    if (path === '/gateway/bot') {
      const session_start_limit = { total: 1_000, remaining: 999, reset_after: 0, max_concurrency: 1 };
      return { json: { url: this.url.replace('http', 'ws'), shards: 1, session_start_limit } };
    }
    if (path === '/users/@me') return { json: user() };
    if (path === '/users/@me/channels') return { json: this.channelOf(this.direct) };
    if (path.endsWith('/applications/@me'))
      return { json: { id: APPLICATION, name: 'javis', flags: MESSAGE_CONTENT, bot: user() } };
    if (path.startsWith(`/applications/${APPLICATION}/commands`)) return { json: [] };
    if (path.endsWith('/typing')) return { json: {} };
    if (channel !== '' && messages === undefined) return { json: this.channelOf(channel) };
    if (method === 'GET' && messages !== undefined) return { json: [] };
    const [, place = '', id = ''] = /^\/channels\/(\d+)\/messages\/(\d+)$/.exec(path) ?? [];
    if (id !== '') {
      if (method === 'PATCH') editIn(this.shown, id, textOf(JSON.parse(asked.body.toString()) as Content));
      return { json: { ...message(id, place, ''), author: user() } };
    }
    const [, token = ''] = /\/(interaction-\d+)(?:\/|$)/.exec(path) ?? [];
    const replied = this.interactions.get(token);
    if (replied !== undefined) return await this.reply(replied, asked);
    if (method === 'POST' && messages !== undefined) return await this.send(channel, asked);
    this.unknown.push(`${method} ${path}`);
    return { status: 404, json: { code: 0, message: '404: Not Found' } };
  }

  private async send(channel: string, asked: Asked): Promise<Answer> {
    const isForm = asked.headers['content-type']?.startsWith('multipart/') === true;
    const form = isForm ? await formOf(asked) : undefined;
    const json = form ? (form.get('payload_json') as string) : asked.body.toString();
    const content = JSON.parse(json) as Content;
    const upload = form?.get('files[0]');
    const id = this.snowflake();
    const shown: Shown = {
      chat: this.threads.has(channel) ? this.group : channel,
      id,
      text: textOf(content),
      buttons: buttonsIn(content),
      ...(this.threads.has(channel) && { thread: channel }),
      ...(upload instanceof File && { file: { name: upload.name, content: await upload.text() } }),
    };
    // https://docs.discord.com/developers/topics/opcodes-and-status-codes
    if (!this.take(shown)) return { status: 403, json: { code: 50_007, message: 'Cannot send messages to this user' } };
    this.messages.set(id, { ...message(id, channel, shown.text), author: user() });
    return { json: this.messages.get(id) };
  }

  /** An interaction is answered by its callback, then by a webhook of its own. */
  private async reply(channel: string, asked: Asked): Promise<Answer> {
    const { method, body } = asked;
    if (method === 'GET' || method === 'DELETE') return { json: message(this.snowflake(), channel, '') };
    const { data, ...content } = JSON.parse(body.toString()) as Content & { data?: Content };
    const said = { ...asked, body: Buffer.from(JSON.stringify(data ?? content)) };
    return textOf(data ?? content) === '' ? { json: {} } : await this.send(channel, said);
  }
}

interface Content {
  content?: string;
  components?: unknown;
}

function textOf({ content, components }: Content): string {
  return [content, ...textsIn(components)].filter(Boolean).join('\n');
}

function user(): object {
  return { id: BOT, username: 'javis', discriminator: '0', bot: true };
}

function message(id: string, channel_id: string, content: string): object {
  const timestamp = new Date().toISOString();
  const none = { mentions: [], mention_roles: [], attachments: [], embeds: [] };
  return {
    id,
    channel_id,
    content,
    timestamp,
    edited_timestamp: null,
    tts: false,
    mention_everyone: false,
    pinned: false,
    type: 0,
    ...none,
  };
}

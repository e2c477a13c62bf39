/** What stand-ins of chat services have in common. */
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { until } from '../../support/until.ts';

/** A message of a user. */
export interface Said {
  from: string;
  text: string;
  /** A group, or a channel of a team. Without one it is a private chat. */
  group?: string;
  /** The first message of a thread or topic. */
  thread?: string;
  /** Id of the message that it replies to. */
  quotes?: string;
  file?: { name: string; type: string; content: Buffer };
}

/** What the bot has shown. */
export interface Shown {
  chat: string;
  text: string;
  file?: { name: string; content: string };
  thread?: string;
  /** Id of the message that it replies to. */
  quotes?: string;
  /** Id of the message, where it can be edited or quoted. */
  id?: string;
  /** The texts that replaced the first one. */
  edits?: string[];
  /** Data of its buttons. */
  buttons?: Record<string, unknown>[];
}

/** A press of the first button of a message. */
export interface Pressed {
  from: string;
  shown: Shown;
  /** The chat that it comes from, where that is not the message's. */
  chat?: string;
}

/** A stand-in of a service with buttons. */
export interface WithButtons extends ChatService {
  press(gateway: string, pressed: Pressed): Promise<void>;
}

export interface Asked {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

export interface Answer {
  status?: number;
  json?: unknown;
  /** In place of `json`. */
  bytes?: Buffer;
}

/**
 * Finds what was shown after what was found before the newest message of a user; each once, in any order: on a slow machine one message
 * overtakes another.
 */
export class Found<T extends object> {
  private readonly found = new Set<T>();
  private start = 0;
  private end = 0;

  constructor(private readonly shown: readonly T[]) {}

  /** A user says something. */
  said(): void {
    this.start = this.end;
  }

  async next(fits: (shown: T) => boolean): Promise<T> {
    const shown = await until(() => this.shown.slice(this.start).find((one) => !this.found.has(one) && fits(one)));
    this.found.add(shown);
    this.end = Math.max(this.end, this.shown.indexOf(shown) + 1);
    return shown;
  }
}

/** Records what the bot shows, and refuses it as the service does. */
export abstract class ChatService {
  readonly shown: Shown[] = [];
  readonly refused: Shown[] = [];
  /** Requests that this stand-in does not know. */
  readonly unknown: string[] = [];
  /** Texts that are refused. */
  refuses: RegExp | undefined;
  url = '';
  protected server: Server | undefined;
  private ids = 0;
  private readonly found = new Found(this.shown);

  /** Name of the channel in the gateway. */
  abstract readonly channel: string;
  /** The only user whom the gateway accepts in private. */
  abstract readonly owner: string;
  /** The private chat with the owner. */
  abstract readonly direct: string;
  abstract readonly group: string;
  /** A mention of the bot. */
  abstract readonly mention: string;
  /** The gateway's settings of this channel. */
  abstract settings(): object;
  /** Environment of the gateway. */
  abstract env(): Record<string, string>;
  /** Hosts in whose place it stands, where the gateway has no setting for that. */
  readonly hosts: readonly string[] = [];
  /** A message in the group that the gateway is not told of: the first one of a thread, or one to reply to. @returns its id */
  abstract earlier(text: string): string;
  /** Passes a message to the gateway. @returns its id */
  protected abstract pass(gateway: string, said: Said): Promise<string>;
  protected abstract answer(asked: Asked): Answer | Promise<Answer>;

  /** Says it to the gateway. @returns the id of the message */
  async say(gateway: string, said: Said): Promise<string> {
    this.found.said();
    return await this.pass(gateway, said);
  }

  async open(): Promise<this> {
    const server = createServer((request, response) => void this.respond(request, response));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return this;
  }

  private async respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname: path, searchParams: query } = new URL(request.url ?? '/', 'http://x');
    const { method = '', headers } = request;
    const {
      status = 200,
      json = {},
      bytes,
    } = await this.answer({ method, path, query, headers, body: await buffer(request) });
    const type = bytes ? 'application/octet-stream' : 'application/json';
    response.writeHead(status, { 'content-type': type }).end(bytes ?? JSON.stringify(json));
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }

  /** The next matching message that a chat is shown, see {@link Found}. */
  async next(chat: string, fits: RegExp): Promise<Shown> {
    return await this.found.next((shown) => shown.chat === chat && fits.test(shown.text));
  }

  protected id(): number {
    return ++this.ids;
  }

  /** @returns whether it is accepted. */
  protected take(shown: Shown): boolean {
    const isRefused = this.refuses?.test(shown.text) === true;
    (isRefused ? this.refused : this.shown).push(shown);
    return !isRefused;
  }
}

/** Replaces the text of a message. @returns whether it was shown. */
export function editIn(shown: Shown[], id: string, text: string): boolean {
  const found = shown.find((one) => one.id === id);
  if (found) found.edits = [...(found.edits ?? []), text];
  return found !== undefined;
}

export async function postTo(url: string, body: string, headers: Record<string, string>): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
}

/** @returns the fields and files of a form. */
export async function formOf({ headers, body }: Asked): Promise<FormData> {
  return await new Response(new Uint8Array(body), {
    headers: { 'content-type': headers['content-type'] ?? '' },
  }).formData();
}

/** The texts of a message, a post or a card, in order. */
export function textsIn(content: unknown): string[] {
  if (Array.isArray(content)) return content.flatMap(textsIn);
  if (typeof content !== 'object' || content === null || isButton(content)) return [];
  return Object.entries(content).flatMap(([key, value]) => {
    if (typeof value !== 'string') return textsIn(value);
    return ['text', 'content'].includes(key) ? [value] : [];
  });
}

/** The buttons of a message, by their own data. */
export function buttonsIn(content: unknown): Record<string, unknown>[] {
  if (typeof content !== 'object' || content === null) return [];
  return isButton(content) ? [content as Record<string, unknown>] : Object.values(content).flatMap(buttonsIn);
}

/** In Slack, Feishu and Discord. */
function isButton(content: object): boolean {
  const { type, tag } = content as { type?: unknown; tag?: unknown };
  return type === 'button' || tag === 'button' || type === 2;
}

/** A page of the gateway's own chat (WebChat), by its WebSocket protocol (OpenClaw's docs/gateway/protocol). */
import { randomUUID } from 'node:crypto';
import { WebSocket } from 'undici';
import { until } from '../../support/until.ts';
import type { Said } from './chat-service.ts';

interface Frame {
  type: string;
  id?: string;
  ok?: boolean;
  payload?: unknown;
  error?: unknown;
  event?: string;
}

interface Message {
  role: string;
  content: string | { type: string; text?: string }[];
  __openclaw?: { id: string };
}

export class Page {
  private readonly pending = new Map<string, (frame: Frame) => void>();
  private ids = 0;
  /** Texts that arrived as they were said. */
  private readonly arrived: string[] = [];

  private constructor(
    private readonly socket: WebSocket,
    readonly session: string,
  ) {}

  /** Opens a page that shows one session. */
  static async open(gateway: string, token: string, session: string): Promise<Page> {
    const socket = new WebSocket(gateway.replace(/^http/, 'ws'));
    const page = new Page(socket, session);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener('error', ({ error }) => reject(error));
      socket.addEventListener('message', ({ data }) => {
        const frame = JSON.parse(String(data)) as Frame;
        if (frame.event === 'connect.challenge') resolve();
        const { message } = (frame.event === 'chat' ? frame.payload : {}) as { message?: Message };
        if (message) page.arrived.push(textOf(message));
        if (frame.type === 'res') page.pending.get(frame.id ?? '')?.(frame);
      });
    });
    await page.call('connect', {
      minProtocol: 4,
      maxProtocol: 4,
      // This client needs no key of a device.
      client: { id: 'gateway-client', version: '1.0.0', platform: process.platform, mode: 'backend' },
      role: 'operator',
      scopes: ['operator.read', 'operator.write', 'operator.admin'],
      auth: { token },
    });
    return page;
  }

  async call<T>(method: string, params: object): Promise<T> {
    const id = String(++this.ids);
    const answered = new Promise<Frame>((resolve) => this.pending.set(id, resolve));
    this.socket.send(JSON.stringify({ type: 'req', id, method, params }));
    const { ok, payload, error } = await answered;
    if (ok !== true) throw new Error(`${method}: ${JSON.stringify(error)}`);
    return payload as T;
  }

  async say(message: string, files: NonNullable<Said['file']>[] = []): Promise<void> {
    const attachments = files.map(({ name, type, content }) => ({
      fileName: name,
      mimeType: type,
      content: content.toString('base64'),
    }));
    await this.call('chat.send', { sessionKey: this.session, message, attachments, idempotencyKey: randomUUID() });
  }

  /** The messages that the page shows, except the user's own; long ones whole, as a page loads them. */
  async shown(): Promise<string[]> {
    const { session: sessionKey } = this;
    const { messages } = await this.call<{ messages: Message[] }>('chat.history', { sessionKey });
    const kept = messages
      .filter(({ role }) => role === 'assistant')
      .map(async ({ __openclaw: { id: messageId } = { id: '' } }) => {
        const { message } = await this.call<{ message: Message }>('chat.message.get', { sessionKey, messageId });
        return textOf(message);
      });
    return [...this.arrived, ...(await Promise.all(kept))];
  }

  async next(fits: RegExp): Promise<string> {
    return await until(async () => (await this.shown()).find((text) => fits.test(text)));
  }

  close(): void {
    this.socket.close();
  }
}

function textOf({ content }: Message): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text ?? '').join('');
}

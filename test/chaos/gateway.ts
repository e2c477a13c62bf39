import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

/** How the gateway behaves. `hanging`: it accepts the wake and never responds. */
export type Behaviour = 'up' | '503' | 'hanging' | 'refusing';

/** A wake that reached the agent's gateway. */
export interface Wake {
  /** Milliseconds. */
  at: number;
  /** `Idempotency-Key`. */
  key: string;
  text: string;
  /** Whether it was shown: only the first with its key is. */
  shown: boolean;
}

/** The agent's gateway: honours `Idempotency-Key`; faults can be injected. */
export class GatewayStub {
  readonly wakes: Wake[] = [];
  /** Called with each wake that is shown. */
  onShown: (wake: Wake) => void = () => {};
  private behaviour: Behaviour = 'up';
  private server: Server | undefined;
  private port = 0;

  constructor(private readonly clock: () => number) {}

  get url(): string {
    return `http://127.0.0.1:${this.port}/hooks/wake`;
  }

  async start(): Promise<void> {
    const server = createServer((request, response) => void this.answer(request, response));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(this.port, '127.0.0.1', resolve);
    });
    this.port = (server.address() as AddressInfo).port;
    this.server = server;
  }

  async behave(behaviour: Behaviour): Promise<void> {
    this.behaviour = behaviour;
    if (behaviour === 'refusing') await this.stop();
    else if (!this.server) await this.start();
    // Requests that hang get no response any more.
    else if (behaviour === 'up') this.server.closeAllConnections();
  }

  async stop(): Promise<void> {
    const { server } = this;
    this.server = undefined;
    if (!server) return;
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request).catch(() => undefined);
    if (body === undefined) return;
    if (this.behaviour === '503') {
      response.writeHead(503).end();
      return;
    }
    const key = String(request.headers['idempotency-key']);
    const shown = this.wakes.every((wake) => wake.key !== key);
    const wake = { at: this.clock(), key, text: (JSON.parse(body) as { text: string }).text, shown };
    this.wakes.push(wake);
    if (shown) this.onShown(wake);
    if (this.behaviour !== 'hanging')
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}');
  }
}

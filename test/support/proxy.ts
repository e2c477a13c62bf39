/** A TCP proxy in front of the engine that can be cut, stalled and restored. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

export interface Proxy {
  address: string;
  /** Closes the listener and resets open connections. */
  cut(): Promise<void>;
  /** Accepts connections and drops all data. */
  stall(): void;
  restore(): Promise<void>;
}

export async function openProxy(target: string): Promise<Proxy> {
  const [host = '', targetPort] = target.split(':');
  const sockets = new Set<Socket>();
  let stalled = false;
  let port = 0;
  let server: Server | undefined;

  const join = (client: Socket): void => {
    const engine = connect(Number(targetPort), host);
    for (const [from, to] of [
      [client, engine],
      [engine, client],
    ] as const) {
      sockets.add(from);
      from.setNoDelay(true);
      from.on('error', () => to.destroy()).on('close', () => (sockets.delete(from), to.destroy()));
      from.on('data', (bytes) => void (stalled || to.write(bytes)));
    }
  };
  const restore = async (): Promise<void> => {
    // Data was dropped while stalled: those connections must be opened again.
    if (stalled) for (const socket of sockets) socket.destroy();
    stalled = false;
    if (server) return;
    server = createServer(join).listen(port, '127.0.0.1');
    await once(server, 'listening');
    ({ port } = server.address() as AddressInfo);
  };
  const cut = async (): Promise<void> => {
    const closed = server && once(server.close(), 'close');
    server = undefined;
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await restore();
  onTestFinished(cut);
  return { address: `127.0.0.1:${port}`, cut, stall: () => void (stalled = true), restore };
}

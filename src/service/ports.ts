/** Listening on ports, and errors that name the variable of a port. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { ServiceError } from './exit.ts';

/** Where every process of a stack listens, unless it is configured. */
export const LOOPBACK = '127.0.0.1';

/** Address of a server. */
export interface ListenAddress {
  host: string;
  /** 0 is any free port. */
  port: number;
  /** The variable that sets the port. */
  variable: string;
}

/** An address that no server can listen on. */
export interface UnusablePort extends ListenAddress {
  /** Code of the operating system: `EADDRINUSE`, `EACCES`. */
  code: string;
}

/** Ports that cannot be listened on. The command line has a longer sentence. */
export class PortsUnusable extends ServiceError<'ports'> {
  constructor(readonly ports: UnusablePort[]) {
    super('ports', { ports });
  }
}

/**
 * Listens on a port.
 *
 * @returns the port it listens on.
 * @throws {PortsUnusable} if it cannot.
 */
export async function listen(
  server: Server,
  { host, port }: Omit<ListenAddress, 'variable'>,
  variable: string,
): Promise<number> {
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen({ host, port }, () => resolve());
    });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    throw new PortsUnusable([{ host, port, variable, code }]);
  }
  return (server.address() as AddressInfo).port;
}

/**
 * Checks that servers can listen on all addresses at the same time: two cannot share a port.
 *
 * @returns the ports, in the order of the addresses; for 0, one that was free.
 * @throws {PortsUnusable} naming each that cannot be used.
 */
export async function checkPorts(addresses: ListenAddress[]): Promise<number[]> {
  const probes = addresses.map((address) => ({ address, server: createServer() }));
  const ports: number[] = [];
  const unusable: UnusablePort[] = [];
  for (const { address, server } of probes) {
    try {
      ports.push(await listen(server, address, address.variable));
    } catch (error) {
      if (!(error instanceof PortsUnusable)) throw error;
      unusable.push(...error.ports);
    }
  }
  const open = probes.filter(({ server }) => server.listening);
  await Promise.all(open.map(async ({ server }) => await new Promise((resolve) => server.close(resolve))));
  if (unusable.length > 0) throw new PortsUnusable(unusable);
  return ports;
}

/** Why a Temporal server elsewhere does not let us in: its clients say the same of a wrong certificate as of nobody being there. */
import { once } from 'node:events';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import type { ConnectionOptions } from '@temporalio/client';

export type EngineConnection = Pick<ConnectionOptions, 'address' | 'tls'>;

/** How long a server may take to show its certificate, and then to say that it does not like ours. Milliseconds. */
const PATIENCE_MS = { certificate: 5_000, secondThought: 1_000 };

/** gRPC's numbers for those who are not let in. */
const REFUSED = { permissionDenied: 7, unauthenticated: 16 };
/** The worker's connection says it in words alone. */
const REFUSED_WORDS = /does not have (?:valid authentication credentials|permission)/;

/** @returns what is wrong with certificates or key, and which variables to look at; nothing where that is not it. */
export async function connectionProblem(connection: EngineConnection, cause: unknown): Promise<string | undefined> {
  return isRefused(cause)
    ? 'it refuses our key or certificate; look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE'
    : await tlsProblem(connection);
}

function isRefused(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code, message } = each as Error & { code?: unknown };
    if (Object.values<unknown>(REFUSED).includes(code) || REFUSED_WORDS.test(message)) return true;
  }
  return false;
}

/** @returns what a handshake of its own finds wrong. */
async function tlsProblem({ address = 'localhost:7233', tls }: EngineConnection): Promise<string | undefined> {
  if (!tls) return undefined;
  const { serverNameOverride, serverRootCACertificate, clientCertPair } = tls === true ? {} : tls;
  const { hostname, port } = new URL(`tcp://${address}`);
  const host = hostname.replace(/^\[|\]$/g, '');
  const servername = serverNameOverride ?? (isIP(host) ? undefined : host);
  try {
    const socket = connect({
      host,
      port: Number(port || 7233),
      ALPNProtocols: ['h2'],
      ...(servername !== undefined && { servername }),
      ...(serverRootCACertificate && { ca: Buffer.from(serverRootCACertificate) }),
      ...(clientCertPair && { cert: Buffer.from(clientCertPair.crt), key: Buffer.from(clientCertPair.key) }),
    });
    try {
      await once(socket, 'secureConnect', { signal: AbortSignal.timeout(PATIENCE_MS.certificate) });
      // With TLS 1.3 a client's certificate is looked at after that; the server's first word says that it is taken.
      await once(socket, 'data', { signal: AbortSignal.timeout(PATIENCE_MS.secondThought) });
    } finally {
      socket.destroy();
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (typeof code === 'string') return problemBehind(code);
  }
  return undefined;
}

/** @param code Node's, or OpenSSL's, e.g. `SELF_SIGNED_CERT_IN_CHAIN`. */
function problemBehind(code: string): string | undefined {
  if (code.includes('ALERT')) {
    return `it does not take our certificate (${code}); look at TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH`;
  }
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(code)) return 'it does not speak TLS; look at TEMPORAL_TLS';
  if (/CERT|SIGNATURE|ISSUER|TLS|SSL|KEY/.test(code)) {
    return `its certificate is not trusted (${code}); look at TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME`;
  }
  return undefined;
}

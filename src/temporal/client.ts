import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { Client, Connection, isGrpcServiceError, type ConnectionOptions } from '@temporalio/client';
import { SearchAttributeType, type DataConverter } from '@temporalio/common';
import { loadClientConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { isLoopback } from '../service/http.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../shared/names.ts';
import { connect as connectTls } from 'node:tls';

/** Where a Temporal server listens unless it is told otherwise. */
const DEFAULT_ADDRESS = 'localhost:7233';

/** How an engine is reached. */
export interface EngineOptions {
  connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  namespace: string;
}

/** How long a server may take to take a connection, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Left alone, gRPC waits up to two minutes before it looks whether a server is back. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000 };

/**
 * Where the engine is. A server elsewhere counts where `TEMPORAL_ADDRESS` names it, with the other `TEMPORAL_*` variables, or
 * where `KIMI_TEMPORAL_PROFILE` names a profile of `temporal.toml`. What else is set for other tools on Temporal is not looked
 * at: their `TEMPORAL_API_KEY` or default profile says nothing about our engine.
 *
 * @returns options without an address where neither names one.
 * @throws {ConfigError} where the profile cannot be read.
 */
export function engineOptions(env: NodeJS.ProcessEnv = process.env): EngineOptions {
  const named = (name: string): string | undefined => env[name]?.trim() || undefined;
  const profile = named('KIMI_TEMPORAL_PROFILE');
  if (profile === undefined && named('TEMPORAL_ADDRESS') === undefined) {
    return { connectionOptions: {}, namespace: NAMESPACE };
  }
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter(([name, value]) => value !== undefined && value !== '' && name !== 'TEMPORAL_PROFILE'),
  ) as Record<string, string>;
  try {
    const options = profile === undefined ? { disableFile: true } : { profile };
    const { connectionOptions, namespace = NAMESPACE } = loadClientConnectConfig({ overrideEnvVars, ...options });
    return { connectionOptions, namespace };
  } catch (error) {
    if (profile === undefined) throw error;
    throw new ConfigError([profileProblem(profile, overrideEnvVars, error as NodeJS.ErrnoException)]);
  }
}

function profileProblem(
  profile: string,
  overrideEnvVars: Record<string, string>,
  error: NodeJS.ErrnoException & { line?: number },
): ConfigProblem {
  const subject = 'KIMI_TEMPORAL_PROFILE';
  if (error.code !== undefined) return { subject, code: 'profile_unreadable', params: { cause: error.code } };
  if (error.line !== undefined) return { subject, code: 'profile_syntax', params: { line: error.line } };
  return isMissing(profile, overrideEnvVars)
    ? { subject, code: 'profile_missing', params: {} }
    : { subject, code: 'profile_invalid', params: { detail: error.message } };
}

function isMissing(profile: string, overrideEnvVars: Record<string, string>): boolean {
  try {
    return !(profile in loadClientConfig({ overrideEnvVars }).profiles);
  } catch {
    return false;
  }
}

/** What belongs to an engine of this machine alone: no proxy is between us. */
export function channelArgs(address = DEFAULT_ADDRESS): Record<string, number> {
  return { ...RECONNECT, ...(isLoopback(hostAndPort(address).host) && { 'grpc.enable_http_proxy': 0 }) };
}

function hostAndPort(address: string): { host: string; port: number } {
  const { hostname, port } = new URL(`tcp://${address}`);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 7233) };
}

/**
 * Connects a client to the engine.
 *
 * @param dataConverter what payloads go through on their way to the engine and back (payloads/converter.ts)
 * @throws {EngineUnreachable}
 */
export async function connectClient(
  dataConverter: DataConverter,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Client> {
  const { connectionOptions, namespace } = engineOptions(env);
  try {
    await failIfRefused(connectionOptions.address);
    const connection = await Connection.connect({
      ...connectionOptions,
      channelArgs: channelArgs(connectionOptions.address),
      connectTimeout: CONNECT_TIMEOUT_MS,
    });
    return new Client({ connection, namespace, dataConverter });
  } catch (error) {
    throw await unreachable(connectionOptions, error);
  }
}

/**
 * A client that connects when it is first used, and again whenever the engine has been away: for a process that has work
 * to do without it.
 */
export function lazyClient(dataConverter: DataConverter, env: NodeJS.ProcessEnv = process.env): Client {
  const { connectionOptions, namespace } = engineOptions(env);
  const connection = Connection.lazy({ ...connectionOptions, channelArgs: channelArgs(connectionOptions.address) });
  return new Client({ connection, namespace, dataConverter });
}

/** A refused connection is known at once; the gRPC client would try again until its time is up. */
async function failIfRefused(address = DEFAULT_ADDRESS): Promise<void> {
  const socket = connect({ ...hostAndPort(address), timeout: CONNECT_TIMEOUT_MS });
  try {
    await once(socket, 'connect');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') throw error;
  } finally {
    socket.destroy();
  }
}

/** No Temporal server at the configured address, or one that does not let us in. */
export class EngineUnreachable extends Error {
  override readonly name = 'EngineUnreachable';

  /** @param why what is wrong with certificates or key, and which variables to look at; absent where nobody answers. */
  constructor(
    readonly address: string,
    readonly why?: string,
    options?: ErrorOptions,
  ) {
    super(
      why === undefined
        ? `no Temporal server answers at ${address}`
        : `the Temporal server at ${address} cannot be used: ${why}`,
      options,
    );
  }
}

/** gRPC's number for a server that cannot be reached. */
const UNAVAILABLE = 14;

/** @returns the gRPC error that a call failed with: the client wraps some of them. */
export function grpcErrorIn(error: unknown): { code: number } | undefined {
  for (let each = error; each instanceof Error; each = each.cause) if (isGrpcServiceError(each)) return each;
  return undefined;
}

/** @returns whether the engine went away during a call. */
export function isEngineGone(error: unknown): boolean {
  return grpcErrorIn(error)?.code === UNAVAILABLE;
}

/**
 * How long ago a worker that is online may have polled, in milliseconds: each poll lasts up to a minute. The engine lists pollers
 * for five minutes, those that were killed too.
 */
const POLLED_WITHIN_MS = 120_000;

/** gRPC's number for the kind of task queue that holds workflow tasks. */
const WORKFLOW_TASKS = 1;

/** @returns how many workers of a task queue are online. */
export async function workersOn(client: Client, taskQueue: string): Promise<number> {
  const { pollers } = await client.workflowService.describeTaskQueue({
    namespace: client.options.namespace,
    taskQueue: { name: taskQueue },
    taskQueueType: WORKFLOW_TASKS,
  });
  const since = Date.now() - POLLED_WITHIN_MS;
  return pollers.filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) * 1_000 >= since).length;
}

/** What a connection that failed is told as. */
export async function unreachable(connection: EngineConnection, cause: unknown): Promise<EngineUnreachable> {
  const why = await connectionProblem(connection, cause);
  return new EngineUnreachable(connection.address ?? DEFAULT_ADDRESS, why, { cause });
}

/** The engine's numbers for the types of search attributes (temporal.api.enums.v1.IndexedValueType). */
const INDEXED_VALUE_TYPE = { [SearchAttributeType.KEYWORD]: 2, [SearchAttributeType.INT]: 3 } as const;

/** Registers our search attributes where they are missing: a workflow that uses an unknown one cannot start. */
export async function ensureSearchAttributes(
  { operatorService }: Pick<Connection, 'operatorService'>,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(SEARCH_ATTRIBUTES).filter(({ name }) => !(name in customAttributes));
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, INDEXED_VALUE_TYPE[type]]));
  await operatorService.addSearchAttributes({ namespace, searchAttributes });
}

/** Why a Temporal server elsewhere does not let us in: its clients say the same of a wrong certificate as of nobody being there. */

export type EngineConnection = Pick<ConnectionOptions, 'address' | 'tls'>;

/** How long a server may take to show its certificate, and then to say that it does not like ours. Milliseconds. */
const PATIENCE_MS = { certificate: 5_000, secondThought: 1_000 };

/** gRPC's numbers for those who are not let in. */
const REFUSED = { permissionDenied: 7, unauthenticated: 16 };
/** The worker's connection says it in words alone. */
const REFUSED_WORDS = /does not have (?:valid authentication credentials|permission)/;

/** @returns what is wrong with certificates or key, and which variables to look at; nothing where that is not it. */
async function connectionProblem(connection: EngineConnection, cause: unknown): Promise<string | undefined> {
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
    const socket = connectTls({
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

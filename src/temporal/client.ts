import { once } from 'node:events';
import { connect, isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  Client,
  Connection,
  isGrpcServiceError,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
  type ConnectionOptions,
} from '@temporalio/client';
import { ApplicationFailure, type DataConverter } from '@temporalio/common';
import { SearchAttributeType } from '@temporalio/common/lib/search-attributes.js';
import { loadClientConfig, loadClientConnectConfig } from '@temporalio/envconfig';
import { isLoopback } from '../service/http.ts';
import { ConfigError, type ConfigProblem } from '../config/problems.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from '../shared/names.ts';
import { EngineUnreachable, type CredentialsProblem } from './engine-unreachable.ts';
import { returnCommitted } from './group-commit.ts';
import { connect as connectTls } from 'node:tls';

/** Default address of a Temporal server. */
const DEFAULT_ADDRESS = 'localhost:7233';

/** Address, credentials and namespace of an engine. */
export interface EngineOptions {
  connectionOptions: ReturnType<typeof loadClientConnectConfig>['connectionOptions'];
  namespace: string;
}

/** Time limit of a connection attempt, in milliseconds. */
const CONNECT_TIMEOUT_MS = 5_000;

/** By default gRPC waits up to two minutes before it reconnects. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000 };

/**
 * Reads where the engine is: `TEMPORAL_ADDRESS` with the other `TEMPORAL_*` variables, or the profile of `temporal.toml` that
 * `KIMI_TEMPORAL_PROFILE` names. Without either, settings of other Temporal tools (`TEMPORAL_API_KEY`, the default profile) are
 * ignored.
 *
 * @returns options without an address if neither is set.
 * @throws {ConfigError} if the profile cannot be used.
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

/** @returns an environment without the variables that name an engine. */
export function withoutEngine(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => name !== 'KIMI_TEMPORAL_PROFILE' && !name.startsWith('TEMPORAL_')),
  );
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

/** Channel arguments of an engine; on this machine it is reached without a proxy. */
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
 * @param dataConverter converts payloads (payloads/converter.ts)
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
    returnCommitted(connection);
    return new Client({ connection, namespace, dataConverter });
  } catch (error) {
    throw await unreachable(connectionOptions, error);
  }
}

/**
 * A client that connects at its first call and reconnects by itself: for a process that also works without the engine.
 */
export function lazyClient(dataConverter: DataConverter, env: NodeJS.ProcessEnv = process.env): Client {
  const { connectionOptions, namespace } = engineOptions(env);
  const connection = Connection.lazy({ ...connectionOptions, channelArgs: channelArgs(connectionOptions.address) });
  returnCommitted(connection);
  return new Client({ connection, namespace, dataConverter });
}

/** Reports a refused connection immediately; the gRPC client would retry until its deadline. */
export async function failIfRefused(address = DEFAULT_ADDRESS): Promise<void> {
  const socket = connect({ ...hostAndPort(address), timeout: CONNECT_TIMEOUT_MS });
  try {
    await once(socket, 'connect');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ECONNREFUSED') throw error;
  } finally {
    socket.destroy();
  }
}

/** Codes of gRPC's errors. */
export const GRPC = { DEADLINE_EXCEEDED: 4, NOT_FOUND: 5, FAILED_PRECONDITION: 9, UNAVAILABLE: 14 } as const;

/** @returns the gRPC error that a call failed with, or its cause: the client wraps some errors. */
export function grpcErrorIn(error: unknown): { code: number } | undefined {
  for (let each = error; each instanceof Error; each = each.cause) if (isGrpcServiceError(each)) return each;
  return undefined;
}

/** @returns the failure with which a workflow rejected an update; `undefined` for any other error of the call. */
export function rejectionIn(error: unknown): ApplicationFailure | undefined {
  const cause = error instanceof WorkflowUpdateFailedError ? error.cause : undefined;
  return cause instanceof ApplicationFailure ? cause : undefined;
}

/** @returns what a call about a workflow returns; `undefined` if the engine does not know the workflow, or it has ended. */
export async function unlessUnknown<T>(call: Promise<T>): Promise<T | undefined> {
  try {
    return await call;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** @returns whether the connection to the engine was lost during a call. */
export function isEngineGone(error: unknown): boolean {
  return grpcErrorIn(error)?.code === GRPC.UNAVAILABLE;
}

/**
 * A worker that polled within this time is online, in milliseconds: a poll lasts up to a minute. The engine lists pollers for five
 * minutes, killed ones too.
 */
const POLLED_WITHIN_MS = 120_000;

/** `TASK_QUEUE_TYPE_WORKFLOW` of Temporal's API. */
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

/** @returns the error of a failed connection, with its reason. */
export async function unreachable(connection: EngineConnection, cause: unknown): Promise<EngineUnreachable> {
  const why = await connectionProblem(connection, cause);
  return new EngineUnreachable(connection.address ?? DEFAULT_ADDRESS, why, { cause });
}

/** The engine's numbers for the types of search attributes (temporal.api.enums.v1.IndexedValueType). */
const INDEXED_VALUE_TYPE = { [SearchAttributeType.KEYWORD]: 2, [SearchAttributeType.INT]: 3 } as const;

/** Status of gRPC. The server refuses a query with a search attribute that it does not know. */
const INVALID_ARGUMENT = 3;

/** Longest wait for new search attributes; servers read them once a minute (a second in the dev server). */
const ATTRIBUTES_KNOWN_MS = 70_000;
const ATTRIBUTES_POLL_MS = 100;

/** Registers missing search attributes, and waits until the server knows them: a workflow that uses an unknown one cannot start. */
export async function ensureSearchAttributes(
  { operatorService, workflowService }: Pick<Connection, 'operatorService' | 'workflowService'>,
  namespace: string,
): Promise<void> {
  const { customAttributes } = await operatorService.listSearchAttributes({ namespace });
  const missing = Object.values(SEARCH_ATTRIBUTES).filter(({ name }) => !(name in customAttributes));
  if (missing.length === 0) return;
  const searchAttributes = Object.fromEntries(missing.map(({ name, type }) => [name, INDEXED_VALUE_TYPE[type]]));
  await operatorService.addSearchAttributes({ namespace, searchAttributes });
  const query = missing.map(({ name }) => `${name} IS NULL`).join(' AND ');
  for (let waited = 0; waited < ATTRIBUTES_KNOWN_MS; waited += ATTRIBUTES_POLL_MS) {
    try {
      await workflowService.countWorkflowExecutions({ namespace, query });
      return;
    } catch (error) {
      const code: number | undefined = isGrpcServiceError(error) ? error.code : undefined;
      if (code !== INVALID_ARGUMENT) throw error;
      await pause(ATTRIBUTES_POLL_MS);
    }
  }
}

export type EngineConnection = Pick<ConnectionOptions, 'address' | 'tls'>;

/** How long a server may take to send its certificate, and then to reject ours. Milliseconds. */
const PATIENCE_MS = { certificate: 5_000, secondThought: 1_000 };

/** gRPC's codes of rejected credentials. */
const REFUSED = { permissionDenied: 7, unauthenticated: 16 };
/** The worker's connection reports rejected credentials only in its message. */
const REFUSED_WORDS = /does not have (?:valid authentication credentials|permission)/;

/**
 * Finds out whether certificates or the key are the reason: clients report a wrong certificate like a missing server.
 *
 * @returns what is wrong; `undefined` if they are not the reason.
 */
async function connectionProblem(
  connection: EngineConnection,
  cause: unknown,
): Promise<CredentialsProblem | undefined> {
  return isRefused(cause) ? { code: 'key_refused' } : await tlsProblem(connection);
}

function isRefused(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code, message } = each as Error & { code?: unknown };
    if (Object.values<unknown>(REFUSED).includes(code) || REFUSED_WORDS.test(message)) return true;
  }
  return false;
}

/** Makes a TLS handshake. @returns what is wrong with it, or `undefined`. */
async function tlsProblem({
  address = 'localhost:7233',
  tls,
}: EngineConnection): Promise<CredentialsProblem | undefined> {
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
      // With TLS 1.3 the server checks a client's certificate after that; its first bytes show that it accepts it.
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

/** @param tls Node's code, or OpenSSL's, e.g. `SELF_SIGNED_CERT_IN_CHAIN`. */
function problemBehind(tls: string): CredentialsProblem | undefined {
  if (tls.includes('ALERT')) return { code: 'certificate_refused', tls };
  if (/WRONG_VERSION_NUMBER|PACKET_LENGTH/.test(tls)) return { code: 'no_tls' };
  if (/CERT|SIGNATURE|ISSUER|TLS|SSL|KEY/.test(tls)) return { code: 'certificate_untrusted', tls };
  return undefined;
}

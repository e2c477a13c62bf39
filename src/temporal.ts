import { once } from 'node:events';
import { connect } from 'node:net';
import { Client, Connection } from '@temporalio/client';
import { SearchAttributeType, type DataConverter } from '@temporalio/common';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { connectionProblem, type EngineConnection } from './connection-problem.ts';
import { NAMESPACE, SEARCH_ATTRIBUTES } from './contract.ts';

/** How long a server may take to take a connection, in milliseconds. */
export const CONNECT_TIMEOUT_MS = 5_000;

/** Left alone, gRPC waits up to two minutes before it looks whether a server is back. */
const RECONNECT = { 'grpc.initial_reconnect_backoff_ms': 100, 'grpc.max_reconnect_backoff_ms': 2_000 };

/** Where the engine is: `TEMPORAL_*` variables and profiles, as every Temporal tool reads them. */
export function engineOptions(env: NodeJS.ProcessEnv = process.env) {
  const overrideEnvVars = Object.fromEntries(
    Object.entries(env).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  const { connectionOptions, namespace } = loadClientConnectConfig({ overrideEnvVars });
  return { connectionOptions, namespace: namespace ?? NAMESPACE };
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
      channelArgs: RECONNECT,
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
  const connection = Connection.lazy({ ...connectionOptions, channelArgs: RECONNECT });
  return new Client({ connection, namespace, dataConverter });
}

/** A refused connection is known at once; the gRPC client would try again until its time is up. */
async function failIfRefused(address = 'localhost:7233'): Promise<void> {
  const { hostname: host, port } = new URL(`tcp://${address}`);
  const socket = connect({
    host: host.replace(/^\[|\]$/g, ''),
    port: Number(port || 7233),
    timeout: CONNECT_TIMEOUT_MS,
  });
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

/** What a connection that failed is told as. */
export async function unreachable(connection: EngineConnection, cause: unknown): Promise<EngineUnreachable> {
  const why = await connectionProblem(connection, cause);
  return new EngineUnreachable(connection.address ?? 'localhost:7233', why, { cause });
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

/** Starts one real Temporal server for the whole run, with time skipping. */
import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { Connection } from '@temporalio/client';
import type { TestProject } from 'vitest/node';
import { readConfig } from '../../src/config/index.ts';
import { engineSettings } from '../../src/stack/engine-settings.ts';
import { findTemporalCli } from '../../src/stack/temporal-cli.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Address of the server. */
    engine: string;
    /** Path of the `temporal` binary. */
    temporalCli: string;
  }
}

export default async function startEngine(project: TestProject): Promise<() => Promise<void>> {
  const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
  const temporalCli = await findTemporalCli({
    path,
    cache,
    onStep: (step) => console.error(`getting a Temporal server (${step})`),
  });
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const flags = [
    ['--headless'],
    ['--port', String(port)],
    ['--dynamic-config-value', 'frontend.WorkflowTimeSkippingEnabled=true'],
    ...productSettings(),
  ];
  const server = spawn(temporalCli, ['server', 'start-dev', ...flags.flat()], { stdio: 'ignore' });
  const connection = await connectWhenReady(address);
  await connection.close();
  project.provide('engine', address);
  project.provide('temporalCli', temporalCli);
  return async () => {
    server.kill('SIGTERM');
    await once(server, 'exit');
  };
}

/** The settings of the product's engine, but with its database in memory. */
function productSettings(): string[][] {
  const [, , ...settings] = engineSettings('in memory');
  const pairs = settings.flatMap((name, index) => (index % 2 === 0 ? [[name, settings[index + 1] ?? '']] : []));
  const ofDatabase = ['--db-filename', '--sqlite-pragma'];
  return pairs.filter(([name = '']) => !ofDatabase.includes(name));
}

/** Waits until a server has its default namespace. */
export async function connectWhenReady(address: string): Promise<Connection> {
  for (;;) {
    try {
      const connection = await Connection.connect({ address, connectTimeout: 1_000 });
      await connection.workflowService.describeNamespace({ namespace: 'default' });
      return connection;
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Outside the ephemeral port range, so that no connection takes one meanwhile. */
const QUIET_PORTS = { from: 20_000, count: 10_000 };

/** @returns a port that was free a moment ago: the first of `inARow` consecutive ones. */
export async function freePort(inARow = 1): Promise<number> {
  for (;;) {
    const first = QUIET_PORTS.from + randomInt(QUIET_PORTS.count);
    const free = await Promise.all(Array.from({ length: inARow }, async (_, n) => await isFree(first + n)));
    if (free.every(Boolean)) return first;
  }
}

/** @returns whether no server listens on a port. */
export async function isFree(port: number): Promise<boolean> {
  const probe = createServer();
  try {
    probe.listen(port, '127.0.0.1');
    await once(probe, 'listening');
    return true;
  } catch {
    return false;
  } finally {
    probe.close();
  }
}

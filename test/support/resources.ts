/** What tests of every room need: secrets, servers and folders that are released when the test has finished. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { onTestFinished } from 'vitest';
import type { ResultStore } from '../../src/results/store.ts';

export { until } from './until.ts';

export const SECRET = 'a-secret-of-at-least-16-characters';
/** Also accepted, as during the rotation of the secret. */
export const NEXT_SECRET = 'the-secret-that-comes-after-it';
/** Token of the worker at the relay. */
export const RELAY_TOKEN = 'a-token-of-at-least-16-characters';
export const silent = pino({ level: 'silent' });

/** Serves over real HTTP until the test has finished, on a free port unless one is given. @returns its address. */
export async function serve(listener: RequestListener | Server, port = 0): Promise<string> {
  const server = typeof listener === 'function' ? createServer(listener) : listener;
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @returns a folder that is removed when the test has finished. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kimi-test-'));
  onTestFinished(async () => await rm(folder, { recursive: true, force: true }));
  return folder;
}

/** Names of the files in a results folder, without internal ones. */
export async function resultFiles({ folder }: ResultStore): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
}

/** Helpers for all tests: secrets, and servers and folders that are released when the test, or the last one that shares them, has finished. */
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pino } from 'pino';
import { beforeAll, onTestFinished } from 'vitest';
import type { ResultStore } from '../../src/results/store.ts';

export { until } from './until.ts';

export const SECRET = 'a-secret-of-at-least-16-characters';
/** Also accepted, during the rotation of the secret. */
export const NEXT_SECRET = 'the-secret-that-comes-after-it';
/** Token of the worker at the relay. */
export const RELAY_TOKEN = 'a-token-of-at-least-16-characters';
export const silent = pino({ level: 'silent' });

type Release = () => unknown;

/** Collects the releases of {@link shared} while it opens something. */
let releases: Release[] | undefined;

/** @returns a function that registers a release: when the test has finished, or for {@link shared} after the last test */
export function lifetime(): (release: Release) => void {
  const collected = releases;
  return collected
    ? (release) => void collected.push(release)
    : (release) => {
        onTestFinished(async () => void (await release()));
      };
}

/** Opens something once for all tests of the file, or of the describe block. @returns a function that returns it. */
export function shared<T>(open: () => Promise<T>): () => T {
  let opened: T;
  beforeAll(async () => {
    const collected: Release[] = [];
    releases = collected;
    try {
      opened = await open();
    } finally {
      releases = undefined;
    }
    return async () => {
      for (const release of collected.toReversed()) await release();
    };
  });
  return () => opened;
}

/** Serves over real HTTP until the end of its {@link lifetime}, on a free port unless one is given. @returns its address. */
export async function serve(listener: RequestListener | Server, port = 0): Promise<string> {
  const server = typeof listener === 'function' ? createServer(listener) : listener;
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  lifetime()(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** @returns a folder that is removed at the end of its {@link lifetime}. */
export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kimi-test-'));
  // What a server does after its answer may still write into it.
  lifetime()(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  return folder;
}

/** Names of the files in a results folder, without internal ones. */
export async function resultFiles({ folder }: ResultStore): Promise<string[]> {
  return (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
}

/** Contents for tasks without files. */
export const NO_FILES = {
  get: async (claim: string): Promise<Buffer> => {
    throw new Error(`there is no ${claim}`);
  },
};

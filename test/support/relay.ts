/** The relay as a process, in front of the simulated Kimi or of a stub. */
import { once } from 'node:events';
import { request } from 'undici';
import { beforeEach, inject } from 'vitest';
import { freePort } from './engine.ts';
import { launch } from './service.ts';
import { DIST } from '../../src/service/files.ts';
import { noCounts } from '../../src/simulator/events.ts';
import { RELAY_TOKEN, SECRET, lifetime, temporaryFolder } from './resources.ts';
import { openWorld, type World, type WorldOptions } from './world.ts';

export interface RelayedWorld extends World {
  relay: {
    url: string;
    /** Folder of its recordings. */
    home: string;
    /** Kills it with kill -9. */
    kill(): Promise<void>;
    /** Stops it with SIGTERM, and waits for its end. */
    stop(): Promise<void>;
    /** Restarts it at the same address. */
    start(env?: Record<string, string>): Promise<void>;
    /** Posts to it as the worker does. @returns status and body. */
    post(path: string, body: unknown, token?: string): Promise<{ status: number; json: unknown }>;
  };
}

/** The whole product with a relay. @param env changes the relay's environment */
export async function openRelayedWorld(
  env: Record<string, string> = {},
  options: WorldOptions = {},
): Promise<RelayedWorld> {
  const release = lifetime();
  const home = await temporaryFolder();
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  let common: Record<string, string> = {};
  let running: Awaited<ReturnType<typeof launch>> | undefined;
  const start = async (changes: Record<string, string> = {}): Promise<void> => {
    running = await launch('relay', { ...common, ...changes }, DIST, release);
    await running.says('ready');
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = running && once(running.child, 'exit');
    running?.child.kill(signal);
    await ended;
  };
  const world = await openWorld({
    ...options,
    relay: async ({ taskQueue, simulatorUrl, webhookUrl }) => {
      common = {
        TEMPORAL_ADDRESS: inject('engine'),
        KIMI_TASK_QUEUE: taskQueue,
        KIMI_HOME: home,
        KIMI_API_URL: `${simulatorUrl}/v1`,
        KIMI_API_KEY: 'sk-test',
        KIMI_RELAY_TOKEN: RELAY_TOKEN,
        KIMI_RELAY_PORT: String(port),
        KIMI_CALLBACK_BASE_URL: webhookUrl,
        WEBHOOK_SECRET: SECRET,
        ...env,
      };
      await start();
      return url;
    },
  });
  return {
    ...world,
    relay: {
      url,
      home,
      start,
      kill: async () => await end('SIGKILL'),
      stop: async () => await end('SIGTERM'),
      post: async (path, body, token = RELAY_TOKEN) => {
        const { statusCode, body: answer } = await request(`${url}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
          body: typeof body === 'string' ? body : JSON.stringify(body),
          // The relay closes idle connections, and tests kill it: one that is kept could be dead.
          reset: true,
        });
        return { status: statusCode, json: await answer.json() };
      },
    },
  };
}

/** Sets the counts of a world that tests share to zero before each of them. */
export function countsFromZero(world: () => World): void {
  beforeEach(() => void Object.assign(world().counts, noCounts()));
}

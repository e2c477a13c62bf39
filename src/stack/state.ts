import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { takeLock } from '../service/files.ts';
import { isAlive, type ProcessId } from './process-id.ts';

const processId = z.object({ pid: z.int(), start: z.string() });

const stackState = z.object({
  ...processId.shape,
  /** Its child processes. */
  children: z.array(processId).default([]),
  started_at: z.string(),
  /** Id of the build that its services run. */
  build: z.string().default(''),
  /** The folder that they were started from. */
  dist: z.string().default(''),
  /** Whether tasks go to the simulated Kimi. */
  simulated: z.boolean(),
  /** Whether there is an API key, real or simulated. */
  has_key: z.boolean(),
  temporal_address: z.string(),
  namespace: z.string(),
  task_queue: z.string(),
  /** Whether the Temporal server is the embedded one. */
  embedded: z.boolean(),
  ui_url: z.string().optional(),
  /** Base URL of callbacks. */
  callback_base_url: z.string().optional(),
  webhook_url: z.string(),
  /** Whether the webhook serves the dashboard, at `/`. */
  dashboard: z.boolean().default(false),
  worker_health_url: z.string(),
  /** URL of each service's metrics; empty if metrics are off. */
  metrics_urls: z.record(z.string(), z.string()).default({}),
  /** Absent without a relay. */
  relay_url: z.string().optional(),
  simulator_url: z.string().optional(),
  /** Where the worker sends requests. */
  api_url: z.string().optional(),
  wake_url: z.string(),
  /** Ids of the payload keys; the first encrypts. Every client of the engine needs the same keys. */
  payload_keys: z.array(z.string()).default([]),
  /** Workflow id of the limiter; absent without limits. */
  limiter: z.string().optional(),
  results_dir: z.string(),
  logs_dir: z.string(),
});

/** `stack.json` in `KIMI_HOME`: describes a running stack to other processes. Holds no secret. */
export type StackState = z.infer<typeof stackState>;

/** How long the lock of a stack that was killed with kill -9 delays the next one, in milliseconds. */
const LOCK_STALE_MS = 3_000;

const statePath = (home: string): string => join(home, 'stack.json');
const lockfilePath = (home: string): string => join(home, 'stack.lock');

/** @returns the stack that runs from this home, or `undefined`. It may be paused. */
export async function runningStack(home: string): Promise<StackState | undefined> {
  const state = await readState(home);
  return state && isAlive(state) ? state : undefined;
}

/** @returns the remaining processes of a killed stack. They end by themselves within seconds. */
export async function remainsOf(home: string): Promise<ProcessId[]> {
  const state = await readState(home);
  return state && !isAlive(state) ? state.children.filter(isAlive) : [];
}

/** A home that is locked by one stack. */
export interface ClaimedHome {
  /** Resolves when the home was removed, or another stack uses it. */
  lost: Promise<void>;
  writeState(state: StackState): Promise<void>;
  release(): Promise<void>;
}

/**
 * Locks a home for one stack.
 *
 * @returns `undefined` if another stack holds it.
 */
export async function claimHome(home: string): Promise<ClaimedHome | undefined> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await keepPrivate(home);
  let unlock: (() => Promise<void>) | undefined;
  let isWritten = false;
  let reportLost: (() => void) | undefined;
  const lost = new Promise<void>((resolve) => (reportLost = resolve));
  const isOurs = async (): Promise<boolean> => (await readState(home))?.pid === process.pid;
  // After sleep or a pause, the lock is acquired again. A stack whose state was removed must end: a second one may start here.
  const takeAgain = async (): Promise<void> => {
    if (isWritten && !(await isOurs())) reportLost?.();
    else await take().catch(() => reportLost?.());
  };
  const take = async (): Promise<void> => {
    unlock = await takeLock(home, {
      lockfilePath: lockfilePath(home),
      stale: LOCK_STALE_MS,
      retries: { retries: 5, factor: 1, minTimeout: LOCK_STALE_MS / 4, maxTimeout: LOCK_STALE_MS / 4 },
      onCompromised: () => void takeAgain(),
    });
  };
  try {
    await take();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ELOCKED') return undefined;
    throw error;
  }
  return {
    lost,
    async writeState(state) {
      await writeFileAtomic(statePath(home), `${JSON.stringify(state, null, 2)}\n`);
      isWritten = true;
    },
    async release() {
      if (await isOurs()) await rm(statePath(home), { force: true });
      await unlock?.().catch(() => {});
    },
  };
}

/** Restricts a home that was made by hand, and every file written from now on, to this user. */
async function keepPrivate(home: string): Promise<void> {
  process.umask(0o077);
  const { mode } = await stat(home);
  if ((mode & 0o077) !== 0) await chmod(home, 0o700);
  for (const name of await readdir(home)) {
    if (name.startsWith('temporal.db')) await chmod(join(home, name), 0o600);
  }
}

async function readState(home: string): Promise<StackState | undefined> {
  try {
    return stackState.safeParse(JSON.parse(await readFile(statePath(home), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

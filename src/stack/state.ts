import { chmod, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import { takeLock } from '../service/files.ts';
import { isAlive, type ProcessId } from './process-id.ts';

const processId = z.object({ pid: z.int(), start: z.string() });

const stackState = z.object({
  ...processId.shape,
  /** What it started, and has started again since. */
  children: z.array(processId).default([]),
  started_at: z.string(),
  /** Id of the build that its services run. */
  build: z.string().default(''),
  /** The folder that they were started from. */
  dist: z.string().default(''),
  /** Whether tasks go to the simulated Kimi. */
  simulated: z.boolean(),
  /** Whether there is a key to pay with, real or simulated. */
  has_key: z.boolean(),
  temporal_address: z.string(),
  namespace: z.string(),
  task_queue: z.string(),
  /** Whether the Temporal server is the embedded one. */
  embedded: z.boolean(),
  ui_url: z.string().optional(),
  /** Where callbacks are sent to. */
  callback_base_url: z.string().optional(),
  webhook_url: z.string(),
  /** Whether the webhook serves the dashboard, at `/`. */
  dashboard: z.boolean().default(false),
  worker_health_url: z.string(),
  /** Where each service serves its metrics; nowhere unless they are on. */
  metrics_urls: z.record(z.string(), z.string()).default({}),
  /** Absent where the API calls back by itself. */
  relay_url: z.string().optional(),
  simulator_url: z.string().optional(),
  /** Where the worker sends tasks. */
  api_url: z.string().optional(),
  wake_url: z.string(),
  /** Ids of the keys that what the engine stores is encrypted with, the first for what is new: who talks to it needs them. */
  payload_keys: z.array(z.string()).default([]),
  /** Workflow id of the limiter; absent where nothing is limited. */
  limiter: z.string().optional(),
  results_dir: z.string(),
  logs_dir: z.string(),
});

/** What a running stack tells other processes: `stack.json` in `KIMI_HOME`. Holds no secret. */
export type StackState = z.infer<typeof stackState>;

/** How long the lock of a stack that was killed with kill -9 keeps the next one waiting, in milliseconds. */
const LOCK_STALE_MS = 3_000;

const statePath = (home: string): string => join(home, 'stack.json');
const lockfilePath = (home: string): string => join(home, 'stack.lock');

/** @returns the stack that runs from this home, paused or not, or `undefined`. */
export async function runningStack(home: string): Promise<StackState | undefined> {
  const state = await readState(home);
  return state && isAlive(state) ? state : undefined;
}

/** @returns what is left of a stack that was killed: its processes end by themselves, and take seconds to. */
export async function remainsOf(home: string): Promise<ProcessId[]> {
  const state = await readState(home);
  return state && !isAlive(state) ? state.children.filter(isAlive) : [];
}

/** A home that one stack holds. */
export interface ClaimedHome {
  /** Resolves when the home was removed, or another stack uses it. */
  lost: Promise<void>;
  writeState(state: StackState): Promise<void>;
  giveBack(): Promise<void>;
}

/**
 * Takes a home for one stack.
 *
 * @returns `undefined` where another stack has it.
 */
export async function claimHome(home: string): Promise<ClaimedHome | undefined> {
  await mkdir(home, { recursive: true, mode: 0o700 });
  await keepPrivate(home);
  let release: (() => Promise<void>) | undefined;
  let isWritten = false;
  let reportLost: (() => void) | undefined;
  const lost = new Promise<void>((resolve) => (reportLost = resolve));
  const isOurs = async (): Promise<boolean> => (await readState(home))?.pid === process.pid;
  // A machine that slept, or a process that was paused, takes its lock again. One whose state was removed must end: a second
  // stack may start here.
  const takeAgain = async (): Promise<void> => {
    if (isWritten && !(await isOurs())) reportLost?.();
    else await take().catch(() => reportLost?.());
  };
  const take = async (): Promise<void> => {
    release = await takeLock(home, {
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
    async giveBack() {
      if (await isOurs()) await rm(statePath(home), { force: true });
      await release?.().catch(() => {});
    },
  };
}

/** A home that was made by hand is closed to other users, and so is all that is written from now on. */
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

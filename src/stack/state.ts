import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { STATE } from './home.ts';
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
  /** Path of the API's socket; absent if the API is off. */
  api_socket: z.string().optional(),
  /** Address of the API over TCP; absent if it is off. */
  http_api_url: z.string().optional(),
  /** Digest of its settings: config/settings.ts. */
  settings: z.string().default(''),
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

async function readState(home: string): Promise<StackState | undefined> {
  try {
    return stackState.safeParse(JSON.parse(await readFile(join(home, STATE), 'utf8'))).data;
  } catch {
    return undefined;
  }
}

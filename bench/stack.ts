/** A stack of its own with the simulated Kimi, and without limits. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DIST } from '../src/service/files.ts';
import type { StackState } from '../src/stack/state.ts';
import { nameOf, processesWith } from './processes.ts';

export interface Stack {
  /** For commands that use it. */
  env: NodeJS.ProcessEnv;
  socket: string;
  results: string;
  state: StackState;
  /** Its processes without the simulated Kimi: services, engine, supervisor. */
  pids: number[];
  stop(): Promise<void>;
}

/** @param changes of the environment */
export async function startStack(changes: NodeJS.ProcessEnv = {}): Promise<Stack> {
  const home = await mkdtemp(join(tmpdir(), 'kimi-bench-'));
  const names = ['WEBHOOK', 'KIMI_WORKER', 'KIMI_TEMPORAL', 'KIMI_UI', 'KIMI_RELAY'];
  const ports = Object.fromEntries(names.map((name) => [`${name}_PORT`, '0']));
  const results = join(home, 'results');
  const limits = { KIMI_MAX_TASKS_PER_MINUTE: '0', KIMI_MAX_CONCURRENT_TASKS: '0' };
  const env = { ...process.env, ...ports, ...limits, KIMI_HOME: home, KIMI_RESULTS_DIR: results, ...changes };
  const up = spawn(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'up', '--simulate'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(up.stdout, 'data');
  up.stdout.resume();
  const state = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
  return {
    env,
    socket: state.api_socket ?? '',
    results,
    state,
    pids: processesWith(`KIMI_HOME=${home}`).filter((pid) => !nameOf(pid).startsWith('simulator')),
    async stop() {
      up.kill('SIGTERM');
      await once(up, 'exit');
      await rm(home, { recursive: true, force: true });
    },
  };
}

/** @returns the number of results in a folder. */
export async function resultsIn(folder: string): Promise<number> {
  return (await readdir(folder)).filter((name) => /^kimi-.*\.json$/.test(name)).length;
}

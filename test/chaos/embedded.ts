/** The stack as its users run it: `up`, its services in one process, and its engine. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DIST } from '../../src/service/files.ts';
import { runningStack } from '../../src/stack/state.ts';
import { signal, type Breakable, type RestartedProcess } from './process.ts';

/** Arguments of Node for `up` in the foreground. */
export const UP = [join(DIST, 'kimi-dispatch.cjs'), 'up'];

/** @returns the processes of a stack, by the names of the plan. */
export function processesOf(home: string, up: RestartedProcess): Map<string, Breakable> {
  const children = async (): Promise<number[]> => ((await runningStack(home))?.children ?? []).map(({ pid }) => pid);
  const everything: Breakable = {
    async break(how, for_ms) {
      const pids = await children();
      const back = up.break(how, for_ms);
      for (const pid of pids) signal(pid, how);
      return await back;
    },
  };
  return new Map([
    ['up', up],
    ['engine', supervised(async () => (await children()).find((pid) => !isServices(pid)))],
    ['services', supervised(async () => (await children()).find(isServices))],
    ['everything', everything],
  ]);
}

function isServices(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('services.js');
  } catch {
    return false;
  }
}

/** A process that `up` starts, and starts again if it ends. */
function supervised(find: () => Promise<number | undefined>): Breakable {
  return {
    async break(how, for_ms) {
      const pid = await find();
      if (pid === undefined || !signal(pid, how)) return false;
      await pause(for_ms);
      if (how === 'SIGSTOP') signal(pid, 'SIGCONT');
      return true;
    },
  };
}

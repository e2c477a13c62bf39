import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { platform } from 'node:process';

/** A process, told from those that had its number before it and will have it after it. */
export interface ProcessId {
  pid: number;
  /** When the system started it, in the system's own words. */
  start: string;
}

/** @returns who has this number now; `undefined` where nobody does, or one who has ended and was not yet buried. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const [state = '', start = ''] = platform === 'linux' ? fromProc(pid) : fromPs(pid);
    return /^[ZX]/.test(state) ? undefined : { pid, start };
  } catch {
    return undefined;
  }
}

/** @returns whether it is this very process that lives, be it paused. */
export function isAlive({ pid, start }: ProcessId): boolean {
  const now = identify(pid);
  return now?.start === start;
}

/** State and start, in ticks since the system's own (proc(5), fields 3 and 22). A program's name may hold anything. */
function fromProc(pid: number): (string | undefined)[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return [fields[0], fields[19]];
}

function fromPs(pid: number): string[] {
  const options = { encoding: 'utf8', env: { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC' } } as const;
  const [state = '', ...start] = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], options)
    .trim()
    .split(/\s+/);
  return [state, start.join(' ')];
}

import { execFileSync } from 'node:child_process';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { platform } from 'node:process';

/** A process, distinguished from others that have had its number. */
export interface ProcessId {
  pid: number;
  /** Start time, in the format of the operating system. */
  start: string;
}

/** @returns the process that has this number, or `undefined` if there is none or it is a zombie. */
export function identify(pid: number): ProcessId | undefined {
  try {
    const [state = '', start = ''] = platform === 'linux' ? fromProc(pid) : fromPs(pid);
    return /^[ZX]/.test(state) ? undefined : { pid, start };
  } catch {
    return undefined;
  }
}

/** @returns whether this process is alive; it may be paused. */
export function isAlive({ pid, start }: ProcessId): boolean {
  const now = identify(pid);
  return now?.start === start;
}

/** @returns what distinguishes this process's {@link ProcessId}s from those of another machine, boot or container. */
export function processSpace(): string {
  try {
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return hostname();
  }
}

/** State and start, in ticks since boot (proc(5), fields 3 and 22). The program's name before them may contain any character. */
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

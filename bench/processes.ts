/** Starting, measuring and stopping processes. */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { atTheEnd } from './clean-ups.ts';

/** Clock ticks per second: `getconf CLK_TCK`. */
const TICKS_PER_S = 100;

interface Listed {
  pid: number;
  parent: number;
  memory: number;
  args: string;
}

/** @returns a process and its descendants, with resident memory in MB. */
export function treeOf(root: number): Listed[] {
  const lines = execFileSync('ps', ['-A', '-ww', '-o', 'pid=,ppid=,rss=,args='], { encoding: 'utf8' }).split('\n');
  const all = lines.flatMap((line): Listed[] => {
    const [, pid, parent, kilobytes, args = ''] = /^\s*(\d+)\s+(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return pid ? [{ pid: Number(pid), parent: Number(parent), memory: Number(kilobytes) / 1024, args }] : [];
  });
  const below = new Set([root]);
  // Process ids wrap around, so a child may be listed before its parent: repeat until nothing is added.
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const { pid, parent } of all) if (below.has(parent)) below.add(pid);
  }
  return all.filter(({ pid }) => below.has(pid));
}

/** @returns resident memory of processes and their descendants, in MB. */
export function memoryOf(roots: number[]): number {
  return sum(roots.flatMap(treeOf).map(({ memory }) => memory));
}

/** @returns CPU time of processes and their descendants, ended ones included; milliseconds. Linux only. */
export function cpuOf(roots: number[]): number {
  return sum(roots.flatMap(treeOf).map(({ pid }) => cpuOfOne(pid)));
}

/** @returns CPU time of one process and its ended children; milliseconds. Linux only. */
export function cpuOfOne(pid: number): number {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    // The process has ended meanwhile.
    return 0;
  }
  // Fields 14 to 17 of proc(5), after the name, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (sum(fields.slice(11, 15).map(Number)) / TICKS_PER_S) * 1_000;
}

function sum(numbers: number[]): number {
  return numbers.reduce((sum, number) => sum + number, 0);
}

/** Starts a process that ends with the bench. Its standard error is passed through. */
export function start(command: string, args: string[], options: SpawnOptions): ChildProcess {
  const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'inherit'], ...options });
  atTheEnd(async () => await end(child, 'SIGTERM'));
  return child;
}

/** Starts a Node process, and waits for its IPC message that it is ready. */
export async function startNode(args: string[], env: NodeJS.ProcessEnv, cwd?: string): Promise<ChildProcess> {
  const child = start(process.execPath, args, { env, cwd, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  const ended = once(child, 'exit').then(([code]) => ({ failed: `it ended with ${code}` }));
  const [said] = (await Promise.race([once(child, 'message'), ended.then((word) => [word])])) as [{ failed?: string }];
  if (said.failed !== undefined) throw new Error(`${args.join(' ')} did not start: ${said.failed}`);
  return child;
}

/** Timeout of a graceful stop, in milliseconds. */
const PATIENCE_MS = 5_000;

export async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await Promise.race([ended, pause(PATIENCE_MS, undefined, { ref: false })]);
  child.kill('SIGKILL');
}

/** Polls a condition. */
export async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  const giveUpAt = Date.now() + 60_000;
  while (!(await isSo())) {
    if (Date.now() > giveUpAt) throw new Error(`waited 60 s in vain for: ${isSo.toString()}`);
    await pause(50);
  }
}

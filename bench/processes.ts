/** Starting, measuring and stopping processes. */
import { execFileSync, spawn, type ChildProcess, type SpawnOptions } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { atTheEnd } from './clean-ups.ts';

/** Clock ticks per second: `getconf CLK_TCK`. */
const TICKS_PER_S = 100;

/** Idle time before memory is measured, in milliseconds. */
export const IDLE_MS = 5_000;

/** @returns a process and its descendants. */
export function treeOf(root: number): number[] {
  const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' }).trim().split('\n');
  const all = lines.map((line) => line.trim().split(/\s+/).map(Number) as [pid: number, parent: number]);
  const below = new Set([root]);
  // Process ids wrap around, so a child may be listed before its parent: repeat until nothing is added.
  for (let size = 0; size !== below.size;) {
    size = below.size;
    for (const [pid, parent] of all) if (below.has(parent)) below.add(pid);
  }
  return [...below];
}

/** @returns every process that was started with this environment variable, whatever its parent. Linux only. */
export function processesWith(variable: string): number[] {
  return readdirSync('/proc').flatMap((pid) => {
    const hasIt = /^\d+$/.test(pid) && procFile(pid, 'environ').split('\0').includes(variable);
    return hasIt ? [Number(pid)] : [];
  });
}

/** @returns resident memory by process: its script, or its program; MB. */
export function memoryByName(pids: number[]): Map<string, number> {
  const memory = new Map<string, number>();
  for (const pid of pids) memory.set(nameOf(pid), (memory.get(nameOf(pid)) ?? 0) + memoryOf([pid]).rss);
  return memory;
}

/** @returns a short name for a process: its script, or its program. */
export function nameOf(pid: number): string {
  const words = procFile(pid, 'cmdline').split('\0');
  return basename(words.find((word) => /\.[jt]s$/.test(word)) ?? words[0] ?? '');
}

/** @returns resident memory, and the same with shared pages divided among the processes that share them; MB. Linux only. */
export function memoryOf(pids: number[]): { rss: number; pss: number } {
  const texts = pids.map((pid) => procFile(pid, 'smaps_rollup'));
  const mb = (field: RegExp): number => sum(texts.map((text) => Number(field.exec(text)?.[1] ?? 0) / 1_024));
  return { rss: mb(/^Rss:\s+(\d+)/m), pss: mb(/^Pss:\s+(\d+)/m) };
}

/** @returns CPU time of processes and their ended children; milliseconds. Linux only. */
export function cpuOf(pids: number[]): number {
  return sum(pids.map(cpuOfOne));
}

/** @returns CPU time of one process and its ended children; milliseconds. Linux only. */
export function cpuOfOne(pid: number): number {
  const stat = procFile(pid, 'stat');
  if (stat === '') return 0;
  // Fields 14 to 17 of proc(5), after the name, which may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (sum(fields.slice(11, 15).map(Number)) / TICKS_PER_S) * 1_000;
}

/** @returns a file of proc(5), empty if the process has ended meanwhile. */
function procFile(pid: number | string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return '';
  }
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

/** Kills processes with kill -9; one that has ended meanwhile counts as killed. */
export function kill(pids: number[]): void {
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }
}

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

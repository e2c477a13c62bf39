/**
 * `npm run bench:cluster [-- --tasks N]`: what a task costs on the cluster of docker-compose.yml, run natively: CPU of each
 * process, connections, disk of the database. The figures of docs/benchmarks.md. And what a long queue costs the limiter.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { InvalidArgumentError, program } from 'commander';
import pLimit from 'p-limit';
import { AdmissionQueue } from '../src/limiter/admission.ts';
import { emptyState } from '../src/limiter/state.ts';
import { startTask } from '../src/tasks/start.ts';
import { tasksOn } from '../src/temporal/task-list.ts';
import { median } from './stats.ts';
import { setClusterStage, type ClusterStage } from '../test/e2e/cluster/stage.ts';

const run = promisify(execFile);

/** Concurrent tasks. */
const CONCURRENT = 20;

/** How long the idle cluster is measured, in milliseconds. */
const IDLE_MS = 20_000;

/** Clock ticks per second in /proc on Linux. */
const TICKS = 100;

/** Characters of an answer: 1500 tokens, as in the example of docs/http-api.md. */
const ANSWER = 3_000;

interface Usage {
  /** Seconds of CPU since its start, by service. */
  cpu: Record<string, number>;
  /** Megabytes, by service. Shared memory of PostgreSQL is counted for each of its processes. */
  memory: Record<string, number>;
}

/** Usage of every process of the cluster, children included. */
async function usage({ cluster }: ClusterStage): Promise<Usage> {
  const stats = await Promise.all(
    (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(async (pid) => await statOf(pid)),
  );
  const known = stats.filter((stat) => stat !== undefined);
  const cpu: Usage['cpu'] = {};
  const memory: Usage['memory'] = {};
  for (const [name, { pid }] of cluster.processes) {
    const its = known.filter((stat) => stat.pid === pid || stat.parent === pid);
    const own = known.find((stat) => stat.pid === pid);
    cpu[name] = its.reduce((sum, { ticks }) => sum + ticks, own?.endedTicks ?? 0) / TICKS;
    memory[name] = Math.round(its.reduce((sum, { rss }) => sum + rss, 0));
  }
  return { cpu, memory };
}

/** @returns usage from /proc; `undefined` if the process has ended */
async function statOf(pid: string) {
  try {
    const [stat, status] = await Promise.all([
      readFile(`/proc/${pid}/stat`, 'utf8'),
      readFile(`/proc/${pid}/status`, 'utf8'),
    ]);
    // The name in parentheses may contain spaces.
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number);
    const [, parent = 0] = fields;
    const [user = 0, system = 0, endedUser = 0, endedSystem = 0] = fields.slice(11, 15);
    const rss = Number(/RssAnon:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024;
    return { pid: Number(pid), parent, ticks: user + system, endedTicks: endedUser + endedSystem, rss };
  } catch {
    return undefined;
  }
}

/** Size of tables and indexes in bytes, without the write-ahead log. */
async function databaseSize({ cluster }: ClusterStage): Promise<number> {
  const [folder = ''] = cluster.service('postgres').folders;
  const { stdout } = await run('du', ['--summarize', '--bytes', join(folder, 'base')]);
  return Number.parseInt(stdout, 10);
}

/** Runs {@link CONCURRENT} tasks concurrently to their end. @returns seconds. */
async function runTasks({ scene }: ClusterStage, count: number): Promise<number> {
  const started = performance.now();
  const notified = new Map<string, () => void>();
  scene.gateway.onShown = ({ key }) => notified.get(key)?.();
  await pLimit(CONCURRENT).map(Array(count).keys(), async (n) => {
    const request = {
      task_name: `bench-${n}`,
      prompt: `bench-${n}: write a calculator [[simulate: delay=0 size=${ANSWER}]]`,
      model: 'moonshot-v1-128k',
      lang: 'en' as const,
      timeout_ms: 120_000,
      grace_ms: 1_000,
    };
    const { task_id } = await startTask(scene.client, scene.taskQueue, request, 10_000);
    if (scene.gateway.wakes.some(({ key }) => key === task_id)) return;
    await new Promise<void>((resolve) => notified.set(task_id, resolve));
  });
  const query = `${tasksOn(scene.taskQueue)} AND ExecutionStatus = "Running"`;
  while ((await scene.client.workflow.count(query)).count > 0) await pause(100);
  return (performance.now() - started) / 1_000;
}

/** Microseconds that one more task costs the limiter at a given queue length. */
function queueCost(waiting: number): number {
  const state = emptyState({ per_minute: 1, concurrent: 1, queued: 0 });
  state.queue = Array.from({ length: waiting }, (_, n) => ({ task_id: `kimi-1-${n}`, priority: 3 as const, round: 1 }));
  const queue = new AdmissionQueue(state);
  const samples = Array.from({ length: 200 }, (_, n) => {
    const from = performance.now();
    queue.request({ task_id: `kimi-2-${n}`, priority: 3, round: 1 }, 0);
    return (performance.now() - from) * 1_000;
  });
  return median(samples);
}

function wholeNumber(value: string): number {
  if (!/^\d{1,7}$/.test(value)) throw new InvalidArgumentError('It needs a whole number.');
  return Number(value);
}

const { tasks } = program
  .option('--tasks <N>', 'how many are measured', wholeNumber, 400)
  .parse()
  .opts<{ tasks: number }>();
const folder = await mkdtemp(join(tmpdir(), 'kimi-cluster-bench-'));
const stage = await setClusterStage(folder, { per_minute: 0, concurrent: 0, queued: 0 });
await runTasks(stage, 50);
const idleFrom = await usage(stage);
await pause(IDLE_MS);
const idleTo = await usage(stage);
const size = await databaseSize(stage);
const took = await runTasks(stage, tasks);
const busy = await usage(stage);
const grown = (await databaseSize(stage)) - size;
await stage.close();
await rm(folder, { recursive: true, force: true });

console.log(
  `${tasks} tasks, ${CONCURRENT} concurrent, answers of ${ANSWER} characters: ${(tasks / took).toFixed(1)} tasks/s`,
);
console.log(`database: ${(grown / tasks / 1024).toFixed(1)} KiB a task\n`);
console.log('process            CPU ms a task   CPU when idle   memory (anonymous)');
let total = 0;
for (const [name, to] of Object.entries(busy.cpu)) {
  const idle = ((idleTo.cpu[name] ?? 0) - (idleFrom.cpu[name] ?? 0)) / (IDLE_MS / 1_000);
  const each = ((to - (idleTo.cpu[name] ?? 0) - idle * took) / tasks) * 1_000;
  total += each;
  console.log(
    `${name.padEnd(18)} ${each.toFixed(1).padStart(13)} ${`${(idle * 100).toFixed(1)} %`.padStart(15)} ${`${busy.memory[name]} MB`.padStart(20)}`,
  );
}
console.log(`${'together'.padEnd(18)} ${total.toFixed(1).padStart(13)}\n`);
for (const waiting of [1_000, 10_000, 100_000, 1_000_000]) {
  console.log(
    `limiter, ${String(waiting).padStart(7)} waiting: ${queueCost(waiting).toFixed(0).padStart(6)} µs for one more`,
  );
}
process.exit();

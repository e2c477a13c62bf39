/**
 * `npm run bench -- peers [--rounds 40] [--tasks 300] [--callbacks 1000] [--repeats 3] [--only ours,dbos] [--json FILE]
 * [--chart FILE]`: the same job done by Kimi Dispatch, by Temporal alone (the floor), by the original's design and by
 * durable peers from their own packages, interleaved in the same run, all with real processes over real HTTP. The bench
 * acts as Kimi and the gateway.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { drawComparison } from './chart.ts';
import { atTheEnd } from './clean-ups.ts';
import { describeMachine, machineLines } from './machine.ts';
import { cpuOf } from './processes.ts';
import { comparison, summarise, type Compared } from './stats.ts';
import { installPeers, startSystems, type System } from './systems.ts';

/** Discarded first rounds: the first tasks of a process include compilation. */
export const WARM_UP = { rounds: 5, tasks: 40 };

/** Pause before a callback, and between two systems, in milliseconds. */
const SETTLE_MS = 250;

/** Concurrent tasks. */
const AT_ONCE = 20;

/** Concurrent starts when only callbacks are measured. */
export const STARTED_AT_ONCE = 50;

/** Concurrent callbacks. */
const CONNECTIONS = 100;

/** Pause of a sender before a retry, in milliseconds. */
const RETRY_MS = 50;

export async function benchPeers(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '40' },
      tasks: { type: 'string', default: '300' },
      callbacks: { type: 'string', default: '1000' },
      repeats: { type: 'string', default: '3' },
      only: { type: 'string', default: '' },
      json: { type: 'string' },
      chart: { type: 'string' },
    },
  });
  const machine = await describeMachine();
  await installPeers();
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-peers-'));
  atTheEnd(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const systems = await startSystems(folder, values.only.split(',').filter(Boolean));
  const figures = new Figures();

  await measure(systems, figures, values);

  const names = systems.map(({ name }) => name);
  console.log(machineLines(machine));
  console.log(`\n${comparison(names, figures.compared)}\n`);
  for (const { name, promise, version } of systems) {
    console.log(`${name}: a callback that was answered 200 is ${promise}${version ? `; ${version}` : ''}`);
  }
  const report = {
    at: new Date().toISOString(),
    machine,
    systems: systems.map(({ name, promise, version }) => ({ name, promise, version })),
    figures: figures.compared,
  };
  if (values.json) await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  if (values.chart) await writeFile(values.chart, drawComparison(report));
}

async function measure(
  systems: System[],
  figures: Figures,
  values: { rounds: string; tasks: string; callbacks: string; repeats: string },
): Promise<void> {
  await inTurns(systems, async (system) => await wholeTasks(system, WARM_UP.tasks));
  for (let round = -WARM_UP.rounds; round < Number(values.rounds); round += 1) {
    for (const system of systems) {
      const { saved, woken } = await one(system);
      if (round < 0) continue;
      figures.add('callback sent → result on disk', 'ms', system, saved);
      figures.add('result on disk → wake received', 'ms', system, woken);
    }
  }
  for (let repeat = 0; repeat < Number(values.repeats); repeat += 1) {
    await inTurns(systems, async (system) => {
      const { rate, cpu, times } = await wholeTasks(system, Number(values.tasks));
      figures.add(`${values.tasks} tasks, ${AT_ONCE} in flight: whole tasks`, '/s', system, rate);
      figures.add('one of them: dispatched → woken', 'ms', system, ...times);
      figures.add('CPU a task', 'ms', system, cpu);
    });
    await inTurns(systems, async (system) => {
      const { rate, cpu, all, times, lost } = await flood(system, Number(values.callbacks));
      figures.add(`${values.callbacks} callbacks, ${CONNECTIONS} connections: accepted`, '/s', system, rate);
      figures.add('one of them: sent → accepted', 'ms', system, ...times);
      figures.add('first sent → every result on disk', 's', system, all / 1_000);
      figures.add('CPU from a callback to its wake', 'ms', system, cpu);
      figures.add('accepted, but lost', '', system, lost);
    });
    await inTurns(systems, async (system) => {
      const { all, lost, twice, never } = await floodAndKill(system, Number(values.callbacks));
      figures.add('kill -9 midway: restart → every result on disk', 's', system, all / 1_000);
      figures.add('kill -9 midway: accepted, but lost', '', system, lost);
      figures.add('kill -9 midway: woken twice', '', system, twice);
      figures.add('kill -9 midway: never woken', '', system, never);
    });
  }
}

/** Collects samples by figure and system. */
class Figures {
  private readonly samples = new Map<string, { unit: Compared['unit']; by: Map<string, number[]> }>();

  add(figure: string, unit: Compared['unit'], { name }: System, ...samples: number[]): void {
    const { by } = this.samples.get(figure) ?? { by: new Map<string, number[]>() };
    this.samples.set(figure, { unit, by });
    by.set(name, [...(by.get(name) ?? []), ...samples]);
  }

  get compared(): Compared[] {
    return [...this.samples].map(([name, { unit, by }]) => ({
      name,
      unit,
      systems: Object.fromEntries(
        [...by].map(([system, samples]) => {
          const { n, median, p95, max } = summarise({ name, unit, samples });
          return [system, { n, median, p95, max }];
        }),
      ),
    }));
  }
}

async function inTurns(systems: System[], measure: (system: System) => Promise<void | object>): Promise<void> {
  for (const system of systems) {
    const started = performance.now();
    await measure(system);
    console.error(`${system.name}: ${((performance.now() - started) / 1_000).toFixed(1)} s`);
    await pause(4 * SETTLE_MS);
  }
}

/** One task on an idle system. Milliseconds. */
export async function one(system: System): Promise<{ saved: number; woken: number }> {
  const task_id = await system.dispatch();
  await system.moments.of(`dispatch of ${task_id}`);
  return await callBackAndWait(system, task_id);
}

/** The callback of a waiting task, and the steps after it. Milliseconds. */
export async function callBackAndWait(system: System, task_id: string): Promise<{ saved: number; woken: number }> {
  await pause(SETTLE_MS);
  const sent = performance.now();
  if (!(await system.callBack(task_id))) throw new Error(`${system.name} did not accept a callback`);
  const saved = await system.saved(task_id);
  const woken = await system.woken(task_id);
  return { saved: saved - sent, woken: woken - saved };
}

/** Concurrent tasks from dispatch to wake; Kimi answers immediately. */
export async function wholeTasks(
  system: System,
  tasks: number,
): Promise<{ rate: number; cpu: number; times: number[] }> {
  system.answersAtOnce = true;
  const [started, cpu] = [performance.now(), cpuOf(system.pids)];
  const times = await pLimit(AT_ONCE).map(Array(tasks).keys(), async () => {
    const asked = performance.now();
    const task_id = await system.dispatch();
    return (await system.woken(task_id)) - asked;
  });
  const seconds = (performance.now() - started) / 1_000;
  // The steps after the wake are part of the task.
  await pause(4 * SETTLE_MS);
  system.answersAtOnce = false;
  return { rate: tasks / seconds, cpu: (cpuOf(system.pids) - cpu) / tasks, times };
}

async function waitingTasks(system: System, count: number): Promise<string[]> {
  const tasks = await pLimit(STARTED_AT_ONCE).map(Array(count).keys(), async () => await system.dispatch());
  for (const task_id of tasks) await system.moments.of(`dispatch of ${task_id}`);
  await pause(4 * SETTLE_MS);
  return tasks;
}

/** All callbacks of waiting tasks. */
async function flood(system: System, count: number) {
  const tasks = await waitingTasks(system, count);
  const [sent, cpu] = [performance.now(), cpuOf(system.pids)];
  const times = await pLimit(CONNECTIONS).map(tasks, async (task_id) => {
    const asked = performance.now();
    await sendUntilAccepted(system, task_id);
    return performance.now() - asked;
  });
  const accepted = performance.now();
  const { last, lost } = await results(system, tasks);
  await settled(system, tasks);
  const used = (cpuOf(system.pids) - cpu) / count;
  return { rate: (count / (accepted - sent)) * 1_000, cpu: used, all: last - sent, times, lost };
}

/** The same; once half of them are accepted, the process that holds them is killed and restarted. */
async function floodAndKill(system: System, count: number) {
  const tasks = await waitingTasks(system, count);
  let accepted = 0;
  let restarting: Promise<number> | undefined;
  await pLimit(CONNECTIONS).map(tasks, async (task_id) => {
    await sendUntilAccepted(system, task_id);
    accepted += 1;
    if (accepted >= count / 2) restarting ??= system.killAndRestart();
  });
  const restarted = (await restarting) ?? NaN;
  const { last, lost } = await results(system, tasks);
  const never = await settled(system, tasks);
  const twice = tasks.filter((task_id) => (system.wakes.get(task_id) ?? 0) > 1).length;
  return { all: last - restarted, lost, twice, never };
}

/** Sends a callback until it is accepted, as a provider does. */
async function sendUntilAccepted(system: System, task_id: string): Promise<void> {
  for (;;) {
    const isAccepted = await system.callBack(task_id).catch(() => false);
    if (isAccepted) return;
    await pause(RETRY_MS);
  }
}

/** @returns the time of the last result, and the number of missing ones. */
async function results(system: System, tasks: string[]): Promise<{ last: number; lost: number }> {
  const times = await Promise.all(tasks.map(async (task_id) => await system.saved(task_id).catch(() => NaN)));
  const lost = tasks.filter((task_id) => !system.hasResult(task_id)).length;
  return { last: Math.max(...times.filter((time) => !Number.isNaN(time))), lost };
}

/** Waits for the wakes. @returns the number of missing ones. */
async function settled(system: System, tasks: string[]): Promise<number> {
  const woken = await Promise.all(tasks.map(async (task_id) => await system.woken(task_id).then(Boolean, () => false)));
  // Duplicate wakes have arrived by now.
  await pause(4 * SETTLE_MS);
  return woken.filter((isWoken) => !isWoken).length;
}

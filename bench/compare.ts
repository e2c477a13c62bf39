/**
 * `npm run bench -- compare [--against DIR] [--only ours,old] [--repeats 3] [--tasks 120] [--callbacks 300] [--rounds 8] [--json FILE]
 * [--chart FILE]`: the same job done by this build, by another build of ours (a folder with its sources, packages and `dist`), both
 * without and with the relay, by Temporal alone and by durable peers from their own packages. All with real processes over real
 * HTTP; the bench acts as Kimi and the gateway. The systems take turns, each alone on the machine, in one order and then in the other.
 * After each turn its figures are printed on standard error, and the files are written: nothing is lost if a later turn fails.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import pLimit from 'p-limit';
import { drawComparison } from './chart.ts';
import { SETTLE_MS } from './callback.ts';
import { atTheEnd } from './clean-ups.ts';
import { describeMachine, machineLines, type Machine } from './machine.ts';
import { planOf } from './plans.ts';
import { cpuOf, IDLE_MS, memoryOf } from './processes.ts';
import { comparison, inShort, summarise, type Compared } from './stats.ts';
import { System } from './systems.ts';

/** Discarded first tasks of a process, which include compilation. */
export const WARM_UP_TASKS = 40;

/** Concurrent tasks. */
const AT_ONCE = 20;

/** Concurrent starts when only callbacks are measured. */
export const STARTED_AT_ONCE = 50;

/** Concurrent callbacks. */
const CONNECTIONS = 100;

/** Pause of a sender before a retry, in milliseconds. */
const RETRY_MS = 50;

/** Without `--only`; those of another build with `--against` only. */
const USUAL = ['old', 'ours', 'old-relay', 'ours-relay', 'plain', 'least', 'dbos'];

interface Sizes {
  tasks: number;
  callbacks: number;
  rounds: number;
}

export async function benchCompare(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      against: { type: 'string' },
      only: { type: 'string' },
      repeats: { type: 'string', default: '3' },
      tasks: { type: 'string', default: '120' },
      callbacks: { type: 'string', default: '300' },
      rounds: { type: 'string', default: '8' },
      json: { type: 'string' },
      chart: { type: 'string' },
    },
  });
  const { against } = values;
  const names = values.only?.split(',') ?? USUAL.filter((name) => against !== undefined || !name.startsWith('old'));
  const sizes = { tasks: Number(values.tasks), callbacks: Number(values.callbacks), rounds: Number(values.rounds) };
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-compare-'));
  atTheEnd(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const figures = new Figures();
  const systems = new Map<string, string>();
  for (let repeat = 1; repeat <= Number(values.repeats); repeat += 1) {
    for (const name of repeat % 2 === 1 ? names : names.toReversed()) {
      const own = join(folder, `${name}-${repeat}`);
      const plan = await planOf(name, own, against);
      systems.set(plan.name, plan.guarantee);
      const [started, system] = [performance.now(), await System.start(plan, own)];
      await turn(system, figures, sizes);
      await system.stop();
      console.error(`${plan.name}, ${repeat}: ${((performance.now() - started) / 1_000).toFixed(0)} s`);
      for (const line of figures.linesOfTurn()) console.error(`  ${line}`);
      await writeReports(values, machine, systems, figures.compared);
    }
  }
  // In the order of the first repeat.
  const columns = [...systems.keys()];
  console.log(`${machineLines(machine)}\n\n${comparison(columns, figures.compared)}\n`);
  for (const [name, guarantee] of systems) console.log(`${name}: a callback that was answered 200 is ${guarantee}`);
}

async function writeReports(
  files: { json?: string; chart?: string },
  machine: Machine,
  systems: Map<string, string>,
  figures: Compared[],
): Promise<void> {
  const report = {
    at: new Date().toISOString(),
    machine,
    systems: [...systems].map(([name, guarantee]) => ({ name, guarantee })),
    figures,
  };
  if (files.json) await writeFile(files.json, `${JSON.stringify(report, null, 2)}\n`);
  if (files.chart) await writeFile(files.chart, drawComparison(report));
}

/** Everything that is measured of one system. */
async function turn(system: System, figures: Figures, { tasks, callbacks, rounds }: Sizes): Promise<void> {
  const add = (figure: string, unit: Compared['unit'], ...samples: number[]): void =>
    figures.add(figure, unit, system.name, samples);
  if (system.cli) add('up: started → ready', 'ms', system.readyMs);
  await pause(IDLE_MS);
  const { rss, pss } = memoryOf(system.ownPids);
  add('idle: resident memory', 'MB', rss);
  add('idle: resident memory, shared pages divided (PSS)', 'MB', pss);
  add('idle: processes', '', system.ownPids.length);
  if (system.cli && !system.isRelayed) await commands(system, add, rounds);

  await wholeTasks(system, WARM_UP_TASKS);
  for (let round = 0; round < rounds; round += 1) {
    const { saved, woken } = await one(system);
    add('callback sent → result on disk', 'ms', saved);
    add('result on disk → wake received', 'ms', woken);
  }
  const whole = await wholeTasks(system, tasks);
  add(`${tasks} tasks, ${AT_ONCE} in flight: whole tasks`, '/s', whole.rate);
  add('one of them: dispatched → woken', 'ms', ...whole.times);
  add('CPU a task', 'ms', whole.cpu);
  // Behind the relay no callback comes from outside.
  if (system.isRelayed) return;

  const flooded = await flood(system, callbacks);
  add(`${callbacks} callbacks, ${CONNECTIONS} connections: accepted`, '/s', flooded.rate);
  add('one of them: sent → accepted', 'ms', ...flooded.times);
  add('first sent → every result on disk', 's', flooded.all / 1_000);
  add('CPU from a callback to its wake', 'ms', flooded.cpu);
  add('accepted, but lost', '', flooded.lost);
  const killed = await floodAndKill(system, callbacks);
  add('kill -9 midway: restart → every result on disk', 's', killed.all / 1_000);
  add('kill -9 midway: accepted, but lost', '', killed.lost);
  add('kill -9 midway: woken twice', '', killed.twice);
  add('kill -9 midway: never woken', '', killed.never);
}

/** Whole processes of the command line, from start to exit, beside `node -e 0`. */
async function commands(
  system: System,
  add: (figure: string, unit: Compared['unit'], ...samples: number[]) => void,
  rounds: number,
): Promise<void> {
  const { script, env } = system.cli as NonNullable<System['cli']>;
  const time = async (...args: string[]): Promise<{ ms: number; stdout: string }> => {
    const started = performance.now();
    const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: env['HOME'] });
    return { ms: performance.now() - started, stdout };
  };
  for (let round = -1; round < rounds; round += 1) {
    const node = (await time('-e', '0')).ms;
    const version = (await time(script, '--version')).ms;
    const help = (await time(script, '--help')).ms;
    const dispatch = await time(script, 'dispatch', '-p', 'x', '-n', 'bench', '--json');
    const { task_id } = JSON.parse(dispatch.stdout) as { task_id: string };
    await callBackAndWait(system, task_id);
    // The first one reads the files from the disk.
    if (round < 0) continue;
    add('node -e 0', 'ms', node);
    for (const [name, ms] of Object.entries({ dispatch: dispatch.ms, '--version': version, '--help': help })) {
      add(name, 'ms', ms);
      add(`${name} ÷ node -e 0`, '', ms / node);
    }
  }
}

/** Collects samples by figure and system. */
class Figures {
  private readonly samples = new Map<string, { unit: Compared['unit']; by: Map<string, number[]> }>();
  private turn = new Map<string, { unit: Compared['unit']; samples: number[] }>();

  add(figure: string, unit: Compared['unit'], system: string, samples: number[]): void {
    const { by } = this.samples.get(figure) ?? { by: new Map<string, number[]>() };
    this.samples.set(figure, { unit, by });
    by.set(system, [...(by.get(system) ?? []), ...samples]);
    this.turn.set(figure, { unit, samples: [...(this.turn.get(figure)?.samples ?? []), ...samples] });
  }

  /** @returns a line for each figure since the last call. */
  linesOfTurn(): string[] {
    const turn = [...this.turn];
    this.turn = new Map();
    return turn.map(([name, { unit, samples }]) => {
      const { n, median } = summarise({ name, unit, samples });
      return `${name}: ${inShort(median)} ${unit} (${n > 1 ? 'median, ' : ''}n ${n})`.replace('  ', ' ');
    });
  }

  get compared(): Compared[] {
    return [...this.samples].map(([name, { unit, by }]) => ({
      name,
      unit,
      systems: Object.fromEntries(
        [...by].map(([system, samples]) => {
          const { n, median, p95, max } = summarise({ name, unit, samples });
          return [system, { n, median, p95, min: Math.min(...samples), max }];
        }),
      ),
    }));
  }
}

/** One task on an idle system. Milliseconds. */
export async function one(system: System): Promise<{ saved: number; woken: number }> {
  const task_id = await system.dispatch();
  await system.dispatched(task_id);
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

/** The same; once half of them are accepted, the processes that hold them are killed and restarted: all of a build of ours. */
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

/**
 * `npm run bench -- waiting [--tasks 10000] [--rounds 40] [--only ours] [--json FILE]`: the cost of many waiting tasks,
 * beside the minimal workflow on Temporal. The callback of one task is measured first with no other task waiting, then with all of them waiting;
 * each round uses another task.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { atTheEnd } from './clean-ups.ts';
import { describeMachine, machineLines } from './machine.ts';
import { callBackAndWait, one, STARTED_AT_ONCE, WARM_UP_TASKS, wholeTasks } from './compare.ts';
import { planOf } from './plans.ts';
import { memoryByName } from './processes.ts';
import { summarise, table, type Figure } from './stats.ts';
import { System } from './systems.ts';

/** Idle time before memory is measured, in milliseconds. */
const REST_MS = 10_000;

export async function benchWaiting(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      tasks: { type: 'string', default: '10000' },
      rounds: { type: 'string', default: '40' },
      only: { type: 'string', default: 'ours,least' },
      json: { type: 'string' },
    },
  });
  const machine = await describeMachine();
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-waiting-'));
  atTheEnd(async () => await rm(folder, { recursive: true, force: true, maxRetries: 5 }));
  const summaries = [];
  for (const name of values.only.split(',')) {
    const own = join(folder, name);
    const system = await System.start(await planOf(name, own), own);
    const figures = await whileTheyWait(system, Number(values.tasks), Number(values.rounds));
    summaries.push(...figures.map(summarise));
    await system.stop();
  }
  console.log(`${machineLines(machine)}\n\n${table(summaries)}`);
  console.log('\nFloor: the same system before they came.');
  if (values.json) {
    await writeFile(values.json, `${JSON.stringify({ at: new Date().toISOString(), machine, figures: summaries })}\n`);
  }
}

async function whileTheyWait(system: System, count: number, rounds: number): Promise<Figure[]> {
  await wholeTasks(system, WARM_UP_TASKS);
  const idle: number[] = [];
  for (let round = 0; round < rounds; round += 1) idle.push((await one(system)).saved);
  await pause(REST_MS);
  const before = memoryByName(system.pids);

  const started = performance.now();
  const tasks = await pLimit(STARTED_AT_ONCE).map(Array(count).keys(), async () => await system.dispatch());
  // Temporal alone reports a task as started before its request is at Kimi.
  for (const task_id of tasks) await system.moments.of(`dispatch of ${task_id}`);
  const rate = tasks.length / ((performance.now() - started) / 1_000);
  await pause(REST_MS);
  const after = memoryByName(system.pids);
  // In the order of their start: the oldest are no longer in the worker's cache.
  const waited: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const task_id = tasks[Math.floor((round / rounds) * tasks.length)] as string;
    waited.push((await callBackAndWait(system, task_id)).saved);
  }

  const { name } = system;
  return [
    { name: `${name}: callback sent → result on disk, one task`, unit: 'ms', samples: idle },
    { name: `${name}: the same, ${tasks.length} tasks wait`, unit: 'ms', samples: waited, floor: idle },
    { name: `${name}: tasks started, and accepted by Kimi`, unit: '/s', samples: [rate] },
    ...[...after].map(([part, mb]): Figure => {
      return { name: `${name}: memory of ${part}`, unit: 'MB', samples: [mb], floor: [before.get(part) ?? 0] };
    }),
  ];
}

/**
 * `npm run bench -- queue [--tasks 1000000]`: many tasks in the limiter's queue (src/limiter/admission.ts), without an
 * engine: the cost of each step at growing queue lengths, with one agent and with a hundred that share the limiter.
 */
import { parseArgs } from 'node:util';
import { AdmissionQueue } from '../src/limiter/admission.ts';
import { emptyState } from '../src/limiter/state.ts';
import type { Priority } from '../src/shared/task.ts';
import { describeMachine, machineLines } from './machine.ts';
import { summarise, table, type Figure } from './stats.ts';

/** Kimi's top tier: 1000 concurrent, 10,000 a minute. */
const LIMITS = { per_minute: 10_000, concurrent: 1_000, queued: 0 };

/** Numbers of agents. Of a hundred, the first has nine tasks in ten. */
const AGENTS = [1, 100];

/** How often each step is measured once the queue is full. */
const ROUNDS = 200;

export async function benchQueue(args: string[]): Promise<void> {
  const { values } = parseArgs({ args, options: { tasks: { type: 'string', default: '1000000' } } });
  const machine = await describeMachine();
  const figures: Figure[] = [];
  for (let tasks = 1_000; tasks <= Number(values.tasks); tasks *= 10) {
    for (const agents of AGENTS) figures.push(...measure(tasks, agents));
  }
  console.log(`${machineLines(machine)}\n\n${table(figures.map(summarise))}`);
}

function measure(tasks: number, agents: number): Figure[] {
  let now = 1_700_000_000_000;
  const queue = new AdmissionQueue(emptyState(LIMITS));
  const ask = (n: number): boolean => {
    const task_id = `kimi-1700000000-${n}`;
    const agent = n % 10 > 0 ? 'agent-0' : `agent-${(n / 10) % agents}`;
    const priority = ((Math.floor(n / 10) % 5) + 1) as Priority;
    return queue.request({ task_id, ...(agents > 1 && { agent }), priority, round: 1 }, now);
  };
  const filling = timed(() => {
    for (let n = 0; n < tasks; n += 1) ask(n);
  });
  const running = queue.grant(now).map(({ task_id }) => task_id);
  for (const task_id of running) queue.reportSent(task_id, 1, true, now);
  const steps = { request: [] as number[], position: [] as number[], next: [] as number[] };
  for (let round = 0; round < ROUNDS; round += 1) {
    // At 10,000 a minute one task arrives and one leaves every seven milliseconds.
    now += 7;
    steps.request.push(timed(() => ask(tasks + round)));
    steps.position.push(timed(() => queue.positionOf(`kimi-1700000000-${tasks + round}`, now)));
    steps.next.push(
      timed(() => {
        const task_id = running.shift() as string;
        queue.release(task_id, true, now);
        running.push(...queue.grant(now).map((next) => next.task_id));
      }),
    );
  }
  const of = (name: string, samples: number[]): Figure => ({
    name: `${tasks} queued${agents > 1 ? ` by ${agents} agents` : ''}: ${name}`,
    unit: 'ms',
    samples,
  });
  return [
    of('all of them arrived', [filling]),
    of('one more arrives', steps.request),
    of('its position is asked', steps.position),
    of('one ends, the next starts', steps.next),
  ];
}

function timed(work: () => unknown): number {
  const started = performance.now();
  work();
  return performance.now() - started;
}

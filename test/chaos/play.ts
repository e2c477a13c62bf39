/** Runs the tasks of a plan while faults are injected, waits until the system is idle, and collects what was observed. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command, Observed, Start } from './check.ts';
import { budgetOf, filesOf, LatestWatch, settled, tasksOf } from './observe.ts';
import { isJob, type Plan, type PlannedTask } from './plan.ts';
import { startJob } from './jobs.ts';
import { eventsOf } from './relayed.ts';
import type { Scene } from './stage.ts';
import { Agent, hasAnswer, runUntilDone, start } from './users.ts';

/** How long the remaining work may take after the last fault, in milliseconds: limits and retries wait for a minute. */
const SETTLE_MS = 240_000;

/**
 * Plays a plan to its end.
 *
 * @param breaking injects the faults, and has undone them when it returns; `at` waits until a time of the plan
 * @returns what was observed, and what `breaking` returned
 */
export async function play<T>(
  scene: Scene,
  { tasks: planned, limits }: Pick<Plan, 'tasks' | 'limits'>,
  breaking: (at: (time: number) => Promise<void>) => Promise<T>,
): Promise<{ observed: Observed; broken: T }> {
  const starts: Start[] = [];
  const commands: Command[] = [];
  /** The plan of each started task, by task id. */
  const started = new Map<string, PlannedTask>();
  const agent = new Agent(scene, (task_id) => started.get(task_id)?.request.ack === 'agent');
  scene.gateway.onShown = ({ key }) => {
    const isForAgent = [...started].some(([id, { request }]) => key.startsWith(id) && request.ack === 'agent');
    if (isForAgent) void agent.look();
  };
  try {
    const latest = new LatestWatch(scene.results);
    const from = scene.clock();
    const at = async (time: number): Promise<void> => await pause(Math.max(from + time - scene.clock(), 0));

    const ask = async (task: PlannedTask, earlier?: string): Promise<void> => {
      const onStart = (attempt: Start): void => {
        starts.push(attempt);
        if (attempt.task_id) started.set(attempt.task_id, task);
      };
      const task_id = isJob(task) ? await startJob(scene, task, onStart) : await start(scene, task, onStart, earlier);
      if (task_id === undefined) return;
      if (task.next && (await hasAnswer(scene, task_id))) await ask(task.next, task_id);
      if (task.cancel_after === undefined) return;
      await pause(task.cancel_after);
      commands.push(await runUntilDone(scene, 'cancel', task_id));
    };
    const users = planned.map(async (task) => {
      await at(task.at);
      await ask(task);
    });
    const broken = await breaking(at);
    await withinTime(Promise.all(users), scene);
    await settled(scene, SETTLE_MS);
    agent.stop();
    commands.push(...(await withinTime(Promise.all(agent.acknowledging), scene)));
    await latest.stop();

    const { completions, uploads, receiving, fibers, batches } = scene.counts;
    const observed: Observed = {
      limits,
      starts,
      commands,
      events: [...scene.events, ...eventsOf(scene.counts, starts, commands)],
      completions,
      uploads,
      receiving,
      fibers,
      batches,
      budget: await budgetOf(scene),
      wakes: scene.gateway.wakes,
      shown: agent.shown,
      tasks: await tasksOf(
        scene,
        planned.flatMap((task) => [task, ...(task.next ? [task.next] : [])]),
      ),
      ...(await filesOf(scene)),
      latest: latest.seen,
    };
    return { observed, broken };
  } finally {
    agent.stop();
  }
}

/** @throws if users are still not served long after the last fault, and what they wait for */
export async function withinTime<T>(work: Promise<T>, { trying }: Scene): Promise<T> {
  const given = new AbortController();
  const late = pause(SETTLE_MS, undefined, { signal: given.signal }).then(() => {
    const open = [...trying].map(([who, said]) => `\n  ${who}: ${said}`);
    throw new Error(`users were not served within ${SETTLE_MS / 1000} s after the last fault:${open.join('')}`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    given.abort();
  }
}

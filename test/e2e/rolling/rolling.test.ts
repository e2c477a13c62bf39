/**
 * `npm run e2e:rolling`: a deploy, a rollback and the deploy again, with tasks in every state that they may meet. The processes of the
 * last release are replaced one by one by this build's while tasks wait and callbacks come. `ROLL_FROM=COMMIT` takes another commit.
 */
import { join } from 'node:path';
import type { WorkflowHandle } from '@temporalio/client';
import { Worker } from '@temporalio/worker';
import { expect, it } from 'vitest';
import { DIST } from '../../../src/service/files.ts';
import { until } from '../../support/resources.ts';
import { answerTo, Fleet, promptOf, type Dispatched, type Request } from './fleet.ts';
import { otherBuild } from './other-build.ts';

/** Expected outcome of a task. */
interface Outcome {
  status: string | undefined;
  late?: true | undefined;
  /** The answer, or who sent it; absent without an answer. */
  answer?: string | undefined;
  acknowledged?: true | undefined;
  /** Notifications by state, sorted. */
  notifications: string[];
}

interface State extends Omit<Request, 'name'> {
  outcome: Outcome;
  /** A notification that may be skipped, because it is outdated once the gateway is back. */
  perhaps?: string;
}

/** Answered by the test; below, by the simulated Kimi. */
const DONE_BY_US: Outcome = { status: 'done', answer: 'test', acknowledged: true, notifications: ['done'] };
const DONE: Outcome = { ...DONE_BY_US, answer: 'simulator' };

/** Tasks by their state at the deploy, or at the rollback. */
const STATES: Record<string, State> = {
  'grace-ends': {
    directives: 'drop=1',
    timeout: '1s',
    env: { KIMI_GRACE_MS: '8000' },
    outcome: { status: 'timed_out', acknowledged: true, notifications: ['timed out'] },
  },
  'timed-out': {
    directives: 'drop=1',
    timeout: '1s',
    outcome: { ...DONE_BY_US, late: true, notifications: ['done', 'timed out'] },
  },
  // Its answer is stored without a notification.
  cancelled: {
    directives: 'drop=1',
    outcome: { ...DONE_BY_US, status: 'cancelled', late: true, notifications: ['cancelled'] },
  },
  'awaits-acknowledgement': { directives: 'delay=0', env: { KIMI_ACK: 'agent' }, outcome: DONE },
  unheard: { directives: 'delay=0', outcome: DONE },
  'timed-out-unheard': {
    directives: 'drop=1',
    timeout: '1s',
    outcome: { ...DONE_BY_US, late: true },
    perhaps: 'timed out',
  },
  'waiting-1': { directives: 'drop=1', outcome: DONE_BY_US },
  'waiting-2': { directives: 'drop=1', outcome: DONE_BY_US },
  'waiting-3': { directives: 'drop=1', outcome: DONE_BY_US },
  // Throttled by Kimi (429) repeatedly.
  'being-sent': { directives: 'status=429 type=rate_limit_reached_error refusals=12 delay=0', outcome: DONE },
  // The four tasks before it hold all slots of the limiter.
  'queued-1': { directives: 'delay=0', outcome: DONE },
  'queued-2': { directives: 'delay=2000', outcome: DONE },
  // Started between deploy and rollback.
  'deployed-1': { directives: 'drop=1', outcome: DONE_BY_US },
  'deployed-2': { directives: 'drop=1', outcome: DONE_BY_US },
};

type Tasks = Record<string, Dispatched>;

/** Starts tasks with the command line of a build. */
async function dispatch(fleet: Fleet, dist: string, tasks: Tasks, ...names: string[]): Promise<void> {
  const started = await Promise.all(names.map(async (name) => await fleet.dispatch(dist, { name, ...stateOf(name) })));
  for (const task of started) tasks[task.name] = task;
}

/** Waits until tasks wait for Kimi's answer. */
async function sent(fleet: Fleet, tasks: Tasks, ...names: string[]): Promise<void> {
  for (const name of names)
    await until(async () => (await fleet.world.view(taskOf(tasks, name))).state === 'dispatched');
}

/** Brings tasks into every state with the processes and command line of a build; the gateway is down afterwards. */
async function reachEveryState(fleet: Fleet, dist: string): Promise<Tasks> {
  const tasks: Tasks = {};
  await dispatch(fleet, dist, tasks, 'grace-ends', 'timed-out', 'cancelled', 'awaits-acknowledgement');
  await sent(fleet, tasks, 'cancelled');
  await fleet.world.handle(taskOf(tasks, 'cancelled')).cancel();
  for (const name of Object.keys(tasks)) await until(() => fleet.notifications(name).length > 0);
  await fleet.gateway.behave('503');
  const unheard = ['unheard', 'timed-out-unheard'];
  await dispatch(fleet, dist, tasks, ...unheard);
  for (const name of unheard) await until(async () => await fleet.world.results.read(taskOf(tasks, name).task_id));
  const waiting = ['waiting-1', 'waiting-2', 'waiting-3'];
  await dispatch(fleet, dist, tasks, ...waiting);
  await sent(fleet, tasks, ...waiting);
  await dispatch(fleet, dist, tasks, 'being-sent');
  await dispatch(fleet, dist, tasks, 'queued-1', 'queued-2');
  return tasks;
}

function taskOf(tasks: Tasks, name: string): Dispatched {
  const task = tasks[name];
  if (!task) throw new Error(`${name} has not been started`);
  return task;
}

function stateOf(name: string): State {
  const state = STATES[name];
  if (!state) throw new Error(`there is no ${name}`);
  return state;
}

/** @returns the outcome of each task by name, once all have ended. */
async function outcomes(fleet: Fleet, tasks: Tasks): Promise<Record<string, Outcome>> {
  const each = Object.values(tasks).map(async ({ name, task_id }): Promise<[string, Outcome]> => {
    const { directives, perhaps } = stateOf(name);
    await fleet.world.handle({ task_id }).result();
    const { status, late, output, acknowledged } = (await fleet.world.results.read(task_id)) ?? {};
    const asked = promptOf(name, directives);
    const notifications = fleet.notifications(name).toSorted();
    if (perhaps !== undefined && notifications.includes(perhaps))
      notifications.splice(notifications.indexOf(perhaps), 1);
    return [
      name,
      {
        status,
        late,
        answer: output === answerTo(name) ? 'test' : output?.includes(asked) ? 'simulator' : output,
        acknowledged,
        notifications,
      },
    ];
  });
  return Object.fromEntries(await Promise.all(each));
}

/** @returns the replay errors of this build's workflows on the histories of tasks and limiter. */
async function replayErrors(fleet: Fleet, tasks: Tasks): Promise<string[]> {
  const handles = [fleet.limiter, ...Object.values(tasks).map((task) => fleet.world.handle(task))];
  const histories = handles.map(async (handle) => ({
    workflowId: handle.workflowId,
    history: await handle.fetchHistory(),
  }));
  const workflowBundle = { codePath: join(DIST, 'workflows.cjs') };
  const replayed = [];
  // The iterator does not throw: each result carries its error.
  for await (const result of Worker.runReplayHistories({ workflowBundle }, await Promise.all(histories))) {
    replayed.push(result);
  }
  if (replayed.length < handles.length) throw new Error(`${replayed.length} of ${handles.length} were replayed`);
  return replayed.flatMap(({ workflowId, error }) => (error ? [`${workflowId}: ${error.message}`] : []));
}

/** @returns whether a worker could not replay the task. */
async function standsStill(handle: WorkflowHandle): Promise<boolean> {
  const { events } = await handle.fetchHistory();
  return events?.some((event) => event.workflowTaskFailedEventAttributes) ?? false;
}

it('tasks in every state outlive a deploy, one process after the other, while callbacks come; a rollback; and the deploy again', async () => {
  const before = await otherBuild(process.env['ROLL_FROM']);
  console.log(`the other build is ${before.name}`);
  const fleet = await Fleet.start(before.dist);
  const tasks = await reachEveryState(fleet, before.dist);
  const answer = async (name: string, webhook: 0 | 1) => await fleet.answer(taskOf(tasks, name), webhook);
  const output = async (name: string) => (await fleet.world.results.read(taskOf(tasks, name).task_id))?.output;
  const replaceAll = async (dist: string): Promise<void> => {
    for (const index of [0, 1])
      await Promise.all([fleet.replace('worker', index, dist), fleet.replace('webhook', index, dist)]);
  };

  await fleet.replace('worker', 0, DIST);
  // Either worker may get it.
  await answer('waiting-1', 0);
  await answer('timed-out-unheard', 1);
  await until(async () => await output('waiting-1'));
  await fleet.replace('worker', 1, DIST);
  await answer('waiting-2', 1);
  await fleet.replace('webhook', 0, DIST);
  await answer('timed-out', 0);
  await answer('cancelled', 1);
  await fleet.replace('webhook', 1, DIST);
  await dispatch(fleet, DIST, tasks, 'deployed-1', 'deployed-2');
  await sent(fleet, tasks, 'deployed-1', 'deployed-2');

  await replaceAll(before.dist);
  for (const name of ['waiting-3', 'deployed-1']) {
    await answer(name, 1);
    const handle = fleet.world.handle(taskOf(tasks, name));
    await until(async () => (await output(name)) ?? (await standsStill(handle)));
  }

  await replaceAll(DIST);
  await answer('deployed-2', 0);
  await answer('waiting-1', 0);
  await fleet.gateway.behave('up');
  await fleet.cli(DIST, ['ack', taskOf(tasks, 'awaits-acknowledgement').task_id]);

  expect(await outcomes(fleet, tasks)).toEqual(
    Object.fromEntries(Object.entries(STATES).map(([name, { outcome }]) => [name, outcome])),
  );
  expect(fleet.world.counts.billed).toBe(Object.keys(tasks).length);
  expect(await replayErrors(fleet, tasks)).toEqual([]);
});

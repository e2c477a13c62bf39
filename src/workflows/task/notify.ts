import { ApplicationFailure, CancellationScope, condition, defineUpdate, setHandler } from '@temporalio/workflow';
import { isoSeconds } from '../../shared/format.ts';
import { ACKNOWLEDGE_UPDATE } from '../../shared/names.ts';
import type { Timings } from '../../shared/result.ts';
import { repeatKey } from '../../shared/task-id.ts';
import type { Outcome, TaskError, TaskView } from '../../shared/task.ts';
import { readFailure } from '../failures.ts';
import type { TaskRun } from './state.ts';
import { explain } from '../../text/index.ts';

/** Delays before an agent that acknowledges by itself (`ack: 'agent'`) is woken again, in milliseconds. */
const WAKE_AGAIN_MS = [60_000, 300_000, 1_800_000];

/** How long the agent has after the last wake, in milliseconds. */
const LAST_WAIT_MS = 1_800_000;

const acknowledgeUpdate = defineUpdate<TaskView, [notification?: string]>(ACKNOWLEDGE_UPDATE);

/** Accepts acknowledgements by the agent. */
export function handleAcknowledgement(run: TaskRun): void {
  const { view } = run;
  setHandler<TaskView, [notification?: string], typeof acknowledgeUpdate>(
    acknowledgeUpdate,
    async (notification?: string) => {
      // An acknowledgement of the deadline's notification is none of the late answer's.
      if (notification !== undefined && notification !== run.notification) return view;
      // A cancelled task has a result too.
      await CancellationScope.nonCancellable(async () => await acknowledge(run));
      return view;
    },
    {
      validator: () => {
        if (view.completed_at) return;
        throw ApplicationFailure.nonRetryable(`${view.task_id} has no result yet`, 'unfinished');
      },
    },
  );
}

/**
 * Wakes the agent until the notification is acknowledged: by the gateway's 2xx, or by the agent (`ack: 'agent'`).
 *
 * The `Idempotency-Key` is the notification's id; a repeated wake adds a number. A row of a map notifies the map instead. The
 * result of a task without a wake is marked as acknowledged when the program that started it has fetched it.
 */
export async function notify(run: TaskRun): Promise<void> {
  const { task, view } = run;
  if (task.row) {
    await run.activities.reportRow([task.row, view.state as Outcome]);
    view.acknowledged = true;
    return;
  }
  view.acknowledged = false;
  if (task.wake === false) return;
  const key = run.notification;
  try {
    await wakeOnce(run, key);
    run.metrics.took('tell', run.times.timings().wake_ms);
    if (task.ack !== 'agent') {
      if (!view.acknowledged) await acknowledge(run);
      return;
    }
    for (const [index, ms] of WAKE_AGAIN_MS.entries()) {
      if (await isAcknowledgedWithin(run, ms)) return;
      await wakeOnce(run, repeatKey(key, index + 1));
    }
    if (await isAcknowledgedWithin(run, LAST_WAIT_MS)) return;
    view.wake_error = { type: 'not_acknowledged', message: run.text.error.notAcknowledged };
  } catch (error) {
    const failure = readFailure(error);
    if (!failure) throw error;
    view.wake_error = failure;
  }
}

/** Waits for the agent to acknowledge. @returns whether it did. */
async function isAcknowledgedWithin(run: TaskRun, ms: number): Promise<boolean> {
  const { view } = run;
  run.enterStep('awaiting_acknowledgement');
  return view.acknowledged || (await condition(() => view.acknowledged, ms));
}

/** Calls the gateway, unless the agent has found and acknowledged the result by itself. */
async function wakeOnce(run: TaskRun, key: string): Promise<void> {
  const { task, text, view } = run;
  run.enterStep('waking');
  const line = view.map
    ? text.wakeOfMap(task.task_name, run.notification, view.map)
    : text.wake[view.state as Outcome](task.task_name, run.notification);
  const chat = { lang: task.lang, ...(task.route && { route: task.route }) };
  // Retried until the gateway accepts it, for 7 days: `WAKE` in activity-options.ts.
  const wake = async () => await run.activities.wake([task.task_id, line, key, chat], text.activity.wake);
  const waking = new CancellationScope();
  const outcome = await Promise.race([waking.run(wake), condition(() => view.acknowledged)]);
  if (outcome === 'woken') markAsWoken(run);
  if (view.acknowledged) waking.cancel();
  else if (outcome === 'acknowledged') await acknowledge(run);
}

function markAsWoken({ view, times }: TaskRun): void {
  if (view.woken_at) return;
  times.mark('wake');
  view.woken_at = isoSeconds(Date.now());
}

/** Marks the pending notification as acknowledged, in the result file and in the view. */
async function acknowledge(run: TaskRun): Promise<void> {
  const { view } = run;
  if (view.step === 'waking') run.enterStep('acknowledging');
  const timings = run.times.pick('save_ms', 'wake_ms');
  const { notification } = run;
  const summary = run.text.activity.acknowledge;
  const marked = await run.activities.acknowledge([view.task_id, timings, notification], summary);
  const lost = marked === 'no_result' ? await restore(run, timings) : undefined;
  // A late answer may have been saved meanwhile: its notification is pending.
  if (notification !== run.notification) return;
  view.acknowledged = true;
  view.wake_error = undefined;
  if (lost) view.error = lost;
  run.updateDetails();
}

/**
 * Saves a result again whose file was removed or damaged before it was acknowledged. The user has been notified already, so the
 * task does not stay open if that fails.
 *
 * @returns why the result is lost
 */
async function restore(run: TaskRun, timings: Timings | undefined): Promise<TaskError | undefined> {
  const { activities, saved, text } = run;
  try {
    if (saved) await activities.persistAgain([saved], text.activity.persist(text.state[saved.status]));
    const summary = text.activity.acknowledge;
    const marked = await activities.acknowledgeAgain([run.view.task_id, timings, run.notification], summary);
    return marked === 'no_result' ? { type: 'result_lost', message: text.error.resultLost } : undefined;
  } catch (error) {
    const failure = readFailure(error);
    if (!failure) throw error;
    return { type: 'result_lost', message: text.withDetail(text.error.resultLost, explain(failure, text)) };
  }
}

import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  setHandler,
} from '@temporalio/workflow';
import { paidIn } from '../shared/budget.ts';
import type { Callback } from '../shared/callback.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { ACCEPTED_UPDATE, CALLBACK_SIGNAL, RELAY_SIGNAL, STATUS_QUERY } from '../shared/names.ts';
import type { RelayReport } from '../shared/relay.ts';
import type { Acceptance, Outcome, Task, TaskError, TaskSummary, TaskView } from '../shared/task.ts';
import { notifyAndAwaitLateAnswer, saveLateAnswerAndNotify } from './task/late-answer.ts';
import { leaseFor } from './task/lease.ts';
import { handleAcknowledgement, notify } from './task/notify.ts';
import { outcomeOf, receiveCallback, receiveRelayReport } from './task/outcome.ts';
import { save } from './task/result.ts';
import { TaskRun } from './task/state.ts';

const callbackSignal = defineSignal<[Callback]>(CALLBACK_SIGNAL);
const relaySignal = defineSignal<[RelayReport]>(RELAY_SIGNAL);
const statusQuery = defineQuery<TaskView>(STATUS_QUERY);
const acceptedUpdate = defineUpdate<Acceptance>(ACCEPTED_UPDATE);

/**
 * One task: obtain a lease → dispatch → wait for the `callback` signal → persist → wake → acknowledge.
 *
 * A task that was sent and then timed out or was cancelled stays open for `grace_ms` and keeps an answer that comes late.
 */
export async function kimiTask(task: Task): Promise<TaskSummary> {
  const run = new TaskRun(task);
  const { view } = run;
  // Before the first await: a callback may come before the dispatch call has returned.
  handleMessages(run);
  const lease = leaseFor(run, task.request?.batch);

  run.enterStep('dispatching');
  const { result, answerMayFollow, lateAnswer, dispatching } = await outcomeOf(run, lease);

  await CancellationScope.nonCancellable(async () => {
    const saving = save(run, result);
    const released = lease.release(run.wasSent, answerMayFollow ? undefined : paidIn(result, task));
    view.queue = undefined;
    view.paused = undefined;
    await saving;
    run.metrics.ended(view.state as Outcome);

    if (answerMayFollow) {
      run.callback ??= lateAnswer;
      await notifyAndAwaitLateAnswer(run);
    } else await notify(run);

    await released;
    // Temporal rejects the completion of a workflow while an activity's outcome is pending, and repeats that workflow task.
    await dispatching;
    await condition(allHandlersFinished);
    // A callback that came during the last steps is verified by now.
    if (answerMayFollow && run.isAnswered() && !run.hasSavedLateAnswer) await saveLateAnswerAndNotify(run);
    if (answerMayFollow) await lease.settle(paidIn(run.saved ?? result, task));
    run.enterStep('closed');
    await condition(allHandlersFinished);
  });
  return { task_id: task.task_id, status: view.state as Outcome, acknowledged: view.acknowledged };
}

function handleMessages(run: TaskRun): void {
  const { view } = run;
  setHandler(callbackSignal, async (callback) => await receiveCallback(run, callback));
  setHandler(relaySignal, (report) => receiveRelayReport(run, report));
  setHandler(statusQuery, () => view);
  setHandler(acceptedUpdate, async () => await acceptance(run));
  handleAcknowledgement(run);
}

/** Waits until Kimi has accepted the task, the limiter has queued it, or it exceeds a budget. */
async function acceptance({ view, text }: TaskRun): Promise<Acceptance> {
  const { task_id } = view;
  await condition(() => Boolean(view.api_id ?? view.queue ?? view.paused ?? view.completed_at));
  if (view.api_id !== undefined) return { task_id, api_id: view.api_id };
  if (view.queue !== undefined) return { task_id, queued: view.queue };
  if (view.paused !== undefined) return { task_id, paused: view.paused };
  const error: TaskError = view.error ?? { type: view.state, message: text.error.cancelled };
  throw ApplicationFailure.nonRetryable(error.message, error.type, ...(error.detail ? failureDetails(error) : []));
}

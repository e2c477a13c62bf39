import { CancellationScope, CancelledFailure, condition, isCancellation } from '@temporalio/workflow';
import type { Callback, Dispatched } from '../../shared/callback.ts';
import { isoSeconds } from '../../shared/format.ts';
import { RELAY_TRIES_MS, type RelayReport } from '../../shared/relay.ts';
import { pendingOf, type TaskResult } from '../../shared/result.ts';
import type { DispatchFailure } from '../failures.ts';
import type { Lease } from './lease.ts';
import { resultOf, resultWithoutAnswer } from './result.ts';
import { send } from './send.ts';
import type { TaskRun } from './state.ts';

/** A deadline noticed this late means that Temporal or all workers were down, or that the machine slept. Milliseconds. */
const AWAY_MS = 2_000;

/**
 * Extra wait for an answer after such an absence: callbacks are in the webhook's journal, which checks at least every 2 s whether
 * Temporal is back, and what Kimi streamed is in the relay's socket. Milliseconds.
 */
const DELIVERY_MS = 5_000;

/** Longest extension of a deadline by one report of a sleep, in milliseconds: any client of Temporal can send the signal. */
const LONGEST_SLEEP_MS = 7 * 24 * 3_600_000;

/** How long a task waits for a report of its relay before the relay counts as lost: the time of all attempts, and as much for the callback. */
const RELAY_REPORTS_MS = 2 * RELAY_TRIES_MS;

/** How the wait for Kimi ended. */
interface TaskOutcome {
  /** To be saved. */
  result: TaskResult;
  /** Whether Kimi may still answer. */
  answerMayFollow: boolean;
  /** The answer of a dispatch call that returned after the cancellation. */
  lateAnswer?: Callback | undefined;
  /** The dispatch call, if Kimi's answer arrived before it returned. */
  dispatching?: Promise<unknown>;
}

/** Accepts the first callback whose proof is valid: any client of Temporal can send the signal. */
export async function receiveCallback(run: TaskRun, callback: Callback): Promise<void> {
  const verify = async (): Promise<void> => {
    if (run.callback) return;
    if (!(await run.activities.verifyCallback([run.task.task_id, callback], run.text.activity.verifyCallback))) return;
    // The dispatch call may have returned the answer meanwhile.
    if (run.callback) return;
    run.times.mark('kimi', callback.received_at);
    run.callback = callback;
  };
  // A cancelled task accepts its answer too.
  run.verified = run.verified.then(async () => await CancellationScope.nonCancellable(verify));
  await run.verified;
}

export function receiveRelayReport(
  run: TaskRun,
  { begun, begun_at, rounds, problem, slept_ms = 0 }: RelayReport,
): void {
  if (begun && !run.hasBegun) {
    run.hasBegun = true;
    run.times.mark('begun', begun_at);
    run.view.error = undefined;
  }
  if (problem && !run.hasBegun) run.view.error = problem;
  run.rounds = rounds ?? run.rounds;
  if (run.deadline !== undefined) {
    run.setDeadline(run.deadline + Math.min(Math.max(0, slept_ms), LONGEST_SLEEP_MS));
  }
  run.updateDetails();
}

/** Sends the task to Kimi and waits for its answer, the deadline or a cancellation. */
export async function outcomeOf(run: TaskRun, lease: Lease): Promise<TaskOutcome> {
  const sendingScope = new CancellationScope();
  const dispatched = sendingScope.run(async () => await send(run, lease));
  try {
    const outcome = await answerOrDeadline(run, dispatched, sendingScope);
    // Within one workflow task, the SDK may deliver an answer or the deadline before an earlier cancellation.
    if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(run.text.error.cancelled);
    return outcome;
  } catch (error) {
    if (!isCancellation(error)) throw error;
    return await cancelled(run, dispatched);
  }
}

async function cancelled(run: TaskRun, dispatched: Promise<Dispatched | DispatchFailure>): Promise<TaskOutcome> {
  const sending = await CancellationScope.nonCancellable(async () => await dispatched);
  const hasArrived = 'api_id' in sending || sending.mayHaveArrived;
  await CancellationScope.nonCancellable(async () => await run.verified);
  const answerMayFollow = hasArrived || run.isAnswered();
  if (answerMayFollow && run.task.relay) await CancellationScope.nonCancellable(async () => await cancelRelay(run));
  const error = { type: 'cancelled', message: run.text.error.cancelled };
  return {
    result: resultWithoutAnswer(run, 'cancelled', error),
    answerMayFollow,
    ...('api_id' in sending && { lateAnswer: sending.answer }),
  };
}

/** Makes the relay close its connection to Kimi and call back with the answer so far. */
async function cancelRelay({ task, activities }: TaskRun): Promise<void> {
  const { task_id, task_name, model, files, request } = task;
  await activities.cancelRelay([
    {
      task_id,
      task_name,
      body: { model, messages: [] },
      ...(files && { files }),
      ...(request?.batch && { batch: true }),
    },
  ]);
}

async function answerOrDeadline(
  run: TaskRun,
  dispatched: Promise<Dispatched | DispatchFailure>,
  sendingScope: CancellationScope,
): Promise<TaskOutcome> {
  const { task, text, view } = run;
  const sending = await Promise.race([dispatched, condition(() => run.isAnswered())]);
  if (!sending) {
    // Kimi has answered: the call that sent the task is not retried, however it ends.
    sendingScope.cancel();
    run.metrics.took('queue', run.times.untilDispatched());
    return { ...answered(run), dispatching: dispatched };
  }
  if ('api_id' in sending) {
    view.api_id = sending.api_id;
    if (sending.answer && !run.callback) run.times.countDispatchAsKimi();
    run.callback ??= sending.answer;
  } else if (sending.mayHaveArrived) {
    view.error = sending.error;
  } else {
    await run.verified;
    if (run.isAnswered()) return answered(run);
    return { result: resultWithoutAnswer(run, 'failed', sending.error), answerMayFollow: false };
  }

  run.setState('dispatched');
  run.metrics.took('queue', run.times.untilDispatched());
  run.enterStep('waiting');
  const isPending = 'api_id' in sending && sending.pending;
  await Promise.all([
    untilDeadline(run),
    isPending || run.activities.recordPending([pendingOf(task, view.created_at)], text.activity.recordPending),
  ]);
  if (run.isAnswered()) return answered(run);
  const timedOut = { type: 'timed_out', message: text.error.timedOut(task.timeout_ms) };
  return { result: resultWithoutAnswer(run, 'timed_out', view.error ?? timedOut), answerMayFollow: true };
}

function answered(run: TaskRun): TaskOutcome {
  run.view.api_id ??= run.callback?.id;
  run.wasSent = true;
  run.metrics.took('kimi', run.times.timings().kimi_ms);
  return { result: resultOf(run, run.callback as Callback), answerMayFollow: false };
}

/** Waits for Kimi's answer until the deadline, which is counted from when Kimi itself has the request. */
async function untilDeadline(run: TaskRun): Promise<void> {
  const { task, text } = run;
  if (!run.hasBegun && !(await condition(() => run.hasBegun || run.isAnswered(), RELAY_REPORTS_MS))) return;
  if (run.isAnswered()) return;
  run.view.accepted_at = isoSeconds(Date.now());
  run.setDeadline(Date.now() + task.timeout_ms);
  run.enterStep('waiting');
  const summary = text.timer.deadline(task.timeout_ms);
  for (let end = run.deadline; end !== undefined && Date.now() < end; end = run.deadline) {
    const until = end;
    await condition(() => run.isAnswered() || run.deadline !== until, until - Date.now(), { summary });
    await run.verified;
    if (run.isAnswered()) return;
  }
  const late = Date.now() - (run.deadline ?? 0);
  if (late > AWAY_MS) await answeredWithin(run, Math.min(late, task.timeout_ms) + DELIVERY_MS);
}

/** Waits for an answer. A callback that arrived in time counts, even if its proof is verified after the deadline. */
export async function answeredWithin(run: TaskRun, ms: number, summary?: string): Promise<void> {
  await condition(() => run.isAnswered(), ms, summary === undefined ? {} : { summary });
  await run.verified;
}

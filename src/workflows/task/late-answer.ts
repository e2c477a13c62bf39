import { CancellationScope, condition, isCancellation } from '@temporalio/workflow';
import type { Callback } from '../../shared/callback.ts';
import type { TaskResult } from '../../shared/result.ts';
import { notify } from './notify.ts';
import { answeredWithin } from './outcome.ts';
import { resultOf, save } from './result.ts';
import type { TaskRun } from './state.ts';

/** Notifies of the outcome, and accepts an answer for `grace_ms`, whether or not the notification is acknowledged by then. */
export async function notifyAndAwaitLateAnswer(run: TaskRun): Promise<void> {
  const { task, text, view } = run;
  const notifying = new CancellationScope();
  const notified = notifying.run(async () => {
    await notify(run);
    run.enterStep('awaiting_late_answer');
  });
  await answeredWithin(run, task.grace_ms, text.timer.grace(task.grace_ms));
  // The webhook accepts callbacks as long as the task is open, so one may arrive while the notification is pending.
  await Promise.race([notified, condition(() => run.isAnswered())]);
  await run.verified;
  if (run.isAnswered() && view.state !== 'cancelled' && !run.closedByRelay()) {
    // The late answer's notification replaces that of the outcome.
    notifying.cancel();
    await notified.catch(ignoreCancellation);
  }
  if (run.isAnswered()) await saveLateAnswerAndNotify(run);
  await notified.catch(ignoreCancellation);
}

/** Saves an answer that came after the outcome. After a deadline the agent is notified of it; after a cancellation it is not. */
export async function saveLateAnswerAndNotify(run: TaskRun): Promise<void> {
  run.hasSavedLateAnswer = true;
  const closingCallback = run.closedByRelay();
  if (closingCallback && !closingCallback.partial && !closingCallback.usage) return;
  // What rounds of searches or reasoning had cost is saved as well, but is no answer.
  const isAnswer = !closingCallback || closingCallback.partial !== undefined;
  const late: TaskResult = { ...resultOf(run, run.callback as Callback), ...(isAnswer && { late: true }) };
  if (isAnswer) run.metrics.answeredLate();
  if (run.view.state === 'cancelled' || closingCallback) {
    const { step } = run.view;
    await save(run, { ...late, status: 'cancelled' });
    // The notification of the cancellation may still be pending.
    if (run.view.step === 'saving') run.enterStep(step);
  } else {
    await save(run, late);
    await notify(run);
  }
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

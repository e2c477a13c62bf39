import {
  ActivityFailure,
  allHandlersFinished,
  ApplicationFailure,
  ActivityCancellationType,
  CancellationScope,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  proxyActivities,
  proxyLocalActivities,
  setCurrentDetails,
  setHandler,
  upsertSearchAttributes,
  workflowInfo,
} from '@temporalio/workflow';
import {
  ACCEPTED_UPDATE,
  CALLBACK_SIGNAL,
  isErrorCallback,
  isoSeconds,
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  type Acceptance,
  type AnswerCallback,
  type Callback,
  type Dispatched,
  type Outcome,
  type Task,
  type TaskActivities,
  type TaskResult,
  type TaskStep,
  type TaskSummary,
  type TaskView,
} from '../contract.ts';
import { textFor } from '../text/index.ts';
import { currentDetails } from './details.ts';
import { readDispatchFailure, readFailure, type DispatchFailure } from './failures.ts';

const callbackSignal = defineSignal<[Callback]>(CALLBACK_SIGNAL);
const statusQuery = defineQuery<TaskView>(STATUS_QUERY);
const acceptedUpdate = defineUpdate<Acceptance>(ACCEPTED_UPDATE);

/**
 * Tried for a day while Kimi is out of reach. An attempt whose worker was lost is not repeated: the request may have
 * been sent, and sending it again could be paid for twice.
 */
const { dispatch } = proxyActivities<Pick<TaskActivities, 'dispatch'>>({
  startToCloseTimeout: '40s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '24h',
  // A cancelled dispatch tells whether anything was sent before the task decides what to expect.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '1m',
    // The server names timeouts so in this list.
    nonRetryableErrorTypes: ['TemporalTimeout:StartToClose', 'TemporalTimeout:Heartbeat'],
  },
});

/** A gateway may be down for days; the agent is woken when it is back. */
const { wake } = proxyActivities<Pick<TaskActivities, 'wake'>>({
  startToCloseTimeout: '15s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: '7d',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
});

/** Short, idempotent work on the agent's disk, tried until the disk takes it: an answer may not be lost. */
const { recordPending, persist, acknowledge } = proxyLocalActivities<
  Pick<TaskActivities, 'recordPending' | 'persist' | 'acknowledge'>
>({
  startToCloseTimeout: '15s',
  retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '30s' },
});

/** How the wait for Kimi ended: with what is to be saved, and whether Kimi may still answer. */
interface Ending {
  result: TaskResult;
  answerMayFollow: boolean;
}

/**
 * One task: dispatch → wait for the `callback` signal → persist → wake → acknowledge.
 *
 * A task that was sent and then timed out or was cancelled stays open for `grace_ms`, so that an answer which comes late
 * is kept too.
 */
export async function kimiTask(task: Task): Promise<TaskSummary> {
  const { task_id, task_name, model } = task;
  const text = textFor(task.lang);
  const created_at = isoSeconds(workflowInfo().startTime);
  const view: TaskView = {
    task_id,
    task_name,
    model,
    state: 'dispatching',
    step: 'dispatching',
    created_at,
    acknowledged: false,
  };
  let callback: Callback | undefined;

  // Before the first await: a callback may come before the dispatch call has returned.
  setHandler(callbackSignal, (received) => {
    callback ??= received;
  });
  setHandler(statusQuery, () => view);
  setHandler(acceptedUpdate, async () => {
    await condition(() => view.api_id !== undefined || view.completed_at !== undefined);
    if (view.api_id !== undefined) return { task_id, api_id: view.api_id };
    const { type, message } = view.error ?? { type: view.state, message: text.error.cancelled };
    throw ApplicationFailure.nonRetryable(message, type);
  });

  enter('dispatching');
  const { result, answerMayFollow } = await untilCancelled();
  await CancellationScope.nonCancellable(async () => {
    await save(result);
    await tell();
    if (answerMayFollow) {
      enter('awaiting_late_answer');
      const summary = text.timer.grace(task.grace_ms);
      if (await condition(() => callback !== undefined, task.grace_ms, { summary })) await keepLateAnswer();
    }
    enter('closed');
    await condition(allHandlersFinished);
  });
  return { task_id, status: view.state as Outcome, acknowledged: view.acknowledged };

  /** Hands the task to Kimi and waits for its answer, the deadline or a cancellation. */
  async function untilCancelled(): Promise<Ending> {
    const dispatching = new CancellationScope();
    const dispatched = dispatching.run(sendOnce);
    try {
      return await answerOrDeadline(dispatched, dispatching);
    } catch (error) {
      if (!isCancellation(error)) throw error;
      const sending = await CancellationScope.nonCancellable(async () => await dispatched);
      const cancelled = { type: 'cancelled', message: text.error.cancelled };
      return {
        result: { ...base(), status: 'cancelled', error: cancelled },
        answerMayFollow: 'api_id' in sending || sending.mayHaveArrived,
      };
    }
  }

  async function answerOrDeadline(
    dispatched: Promise<Dispatched | DispatchFailure>,
    dispatching: CancellationScope,
  ): Promise<Ending> {
    const sending = await Promise.race([dispatched, condition(() => callback !== undefined)]);
    if (!sending) {
      // Kimi has answered: whatever becomes of the call that brought the task there, it is not repeated.
      dispatching.cancel();
      return answered();
    }
    if ('api_id' in sending) {
      view.api_id = sending.api_id;
      callback ??= sending.answer;
    } else if (sending.mayHaveArrived) {
      view.error = sending.error;
    } else {
      return { result: { ...base(), status: 'failed', error: sending.error }, answerMayFollow: false };
    }

    view.state = 'dispatched';
    view.accepted_at = isoSeconds(Date.now());
    view.deadline = isoSeconds(Date.now() + task.timeout_ms);
    upsertSearchAttributes([{ key: SEARCH_ATTRIBUTES.status, value: view.state }]);
    enter('waiting');
    const summary = text.timer.deadline(task.timeout_ms);
    const [inTime] = await Promise.all([
      condition(() => callback !== undefined, task.timeout_ms, { summary }),
      recordPending.executeWithOptions({ summary: text.activity.recordPending }, [task_id, created_at]),
    ]);
    if (inTime || callback) return answered();
    const timedOut = { type: 'timed_out', message: text.error.timedOut(task.timeout_ms) };
    return { result: { ...base(), status: 'timed_out', error: view.error ?? timedOut }, answerMayFollow: true };
  }

  async function sendOnce(): Promise<Dispatched | DispatchFailure> {
    try {
      return await dispatch.executeWithOptions({ summary: text.activity.dispatch(task) }, [task]);
    } catch (failure) {
      return readDispatchFailure(failure);
    }
  }

  function answered(): Ending {
    view.api_id ??= callback?.id;
    return { result: resultOf(callback as Callback), answerMayFollow: false };
  }

  function resultOf(received: Callback): TaskResult {
    if (isErrorCallback(received)) {
      return { ...base(), model: received.model ?? model, status: 'failed', error: received.error };
    }
    return { ...base(), status: 'done', ...answerOf(received) };
  }

  function base(): Pick<TaskResult, 'task_id' | 'task_name' | 'model' | 'created_at'> {
    return { task_id, task_name, model, created_at };
  }

  async function save(result: TaskResult): Promise<void> {
    enter('saving');
    const summary = text.activity.persist(text.state[result.status]);
    view.completed_at = await persist.executeWithOptions({ summary }, [result]);
    view.state = result.status;
    view.model = result.model;
    view.error = result.error;
    view.tokens = result.tokens?.total;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.status, value: view.state },
      ...(view.tokens === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.tokens, value: view.tokens }]),
    ]);
  }

  /** Wakes the agent and, once it has taken the news, marks the result as told. */
  async function tell(): Promise<void> {
    try {
      enter('waking');
      view.acknowledged = false;
      const news = text.wake[view.state as Outcome](task_name);
      await wake.executeWithOptions({ summary: text.activity.wake }, [task_id, news]);
      enter('acknowledging');
      await acknowledge.executeWithOptions({ summary: text.activity.acknowledge }, [task_id]);
      view.acknowledged = true;
      view.wake_error = undefined;
    } catch (error) {
      if (!(error instanceof ActivityFailure)) throw error;
      view.wake_error = readFailure(error);
    }
  }

  /** An answer after the deadline is told; one after a cancellation is kept in silence. */
  async function keepLateAnswer(): Promise<void> {
    const late: TaskResult = { ...resultOf(callback as Callback), late: true };
    if (view.state === 'cancelled') {
      await save({ ...late, status: 'cancelled' });
    } else {
      await save(late);
      await tell();
    }
  }

  function enter(step: TaskStep): void {
    view.step = step;
    setCurrentDetails(currentDetails(view, text));
  }
}

/** The part of a result that an answer gives. */
function answerOf({ model, usage, choices }: AnswerCallback): Partial<TaskResult> & { model: string } {
  const [choice] = choices;
  return {
    model,
    output: choice?.message.content,
    tokens: { prompt: usage.prompt_tokens, completion: usage.completion_tokens, total: usage.total_tokens },
    finish_reason: choice?.finish_reason,
  };
}

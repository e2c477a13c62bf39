import {
  allHandlersFinished,
  ApplicationFailure,
  CancellationScope,
  CancelledFailure,
  condition,
  defineQuery,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  isCancellation,
  metricMeter,
  proxyActivities,
  setCurrentDetails,
  setHandler,
  sleep,
  upsertSearchAttributes,
  workflowInfo,
  type ActivityOptions,
} from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import {
  isErrorCallback,
  type AnswerCallback,
  type Callback,
  type Dispatched,
  type ErrorCallback,
  type Usage,
} from '../shared/callback.ts';
import { isoSeconds } from '../shared/format.ts';
import type { Throttled } from '../shared/limits.ts';
import {
  ACCEPTED_UPDATE,
  ACKNOWLEDGE_UPDATE,
  CALLBACK_SIGNAL,
  RELAY_SIGNAL,
  SEARCH_ATTRIBUTES,
  STATUS_QUERY,
  relayId,
} from '../shared/names.ts';
import { RELAY_TRIES_MS, type RelayReport } from '../shared/relay.ts';
import type { TaskResult, Timings, Tokens } from '../shared/result.ts';
import { notificationId, repeatKey } from '../shared/task-id.ts';
import type {
  Acceptance,
  Outcome,
  Task,
  TaskError,
  TaskState,
  TaskStep,
  TaskSummary,
  TaskView,
} from '../shared/task.ts';
import { taskMetrics } from '../shared/metrics.ts';
import { textFor } from '../text/index.ts';
import { oneAtATime } from './local-first.ts';
import { Clock } from './task/stage-times.ts';
import { currentDetails } from './details.ts';
import { SENDING, readDispatchFailure, readFailure, unlessLost, type DispatchFailure } from './failures.ts';
import { leaseFor } from './task/lease.ts';

const callbackSignal = defineSignal<[Callback]>(CALLBACK_SIGNAL);
const relaySignal = defineSignal<[RelayReport]>(RELAY_SIGNAL);
const statusQuery = defineQuery<TaskView>(STATUS_QUERY);
const acceptedUpdate = defineUpdate<Acceptance>(ACCEPTED_UPDATE);
const acknowledgeUpdate = defineUpdate<TaskView, [news?: string]>(ACKNOWLEDGE_UPDATE);

/** How long Kimi may be out of reach, or too busy, before a task gives up, in milliseconds. */
const SEND_WITHIN_MS = 24 * 3_600_000;

/**
 * A deadline noticed so late says that the engine or all workers were away, or that the machine slept. Callbacks that came
 * meanwhile are on their way from the webhook's journal, which looks every 2 s at the latest whether the engine is back; what
 * Kimi streamed meanwhile is in the relay's socket. Milliseconds.
 */
const AWAY_MS = 2_000;
const DELIVERY_MS = 5_000;

/** How much a report of a sleep moves a deadline at most, in milliseconds: signals come from whoever reaches the engine. */
const LONGEST_SLEEP_MS = 7 * 24 * 3_600_000;

/** How long a task waits for its relay, which reports in any case, before it takes it for lost: its attempts and the callback. */
const RELAY_REPORTS_MS = 2 * RELAY_TRIES_MS;

/** How often a request of unknown outcome is sent again, where the user has chosen that, and after how long. */
const RESEND_MS = [1_000, 10_000, 60_000];

/** How long an agent that acknowledges for itself has for it, before it is woken again. Milliseconds. */
const WAKE_AGAIN_MS = [60_000, 300_000, 1_800_000];

/** Tried for a day while Kimi is out of reach. */
const { dispatch } = proxyActivities<Pick<Activities, 'dispatch'>>({
  startToCloseTimeout: '40s',
  heartbeatTimeout: '5s',
  scheduleToCloseTimeout: SEND_WITHIN_MS,
  ...SENDING,
});

/** More than a gateway is given to answer (gateway.ts): one that is slow is not asked twice. */
const WAKE_TIMEOUT = '15s';

/** A gateway may be down for days; the agent is woken when it is back. */
const WAKE: ActivityOptions = {
  startToCloseTimeout: WAKE_TIMEOUT,
  heartbeatTimeout: '3s',
  scheduleToCloseTimeout: '7d',
  retry: { initialInterval: '1s', backoffCoefficient: 2, maximumInterval: '5m' },
};

/** Tried until the disk takes it: an answer may not be lost. */
const UNTIL_DONE: ActivityOptions = {
  startToCloseTimeout: '5m',
  // Large answers are saved one after the other: an attempt that waits is not repeated, it would wait behind itself.
  heartbeatTimeout: '15s',
  retry: { initialInterval: '100ms', backoffCoefficient: 2, maximumInterval: '30s' },
};

/** A result that somebody has removed is saved again for as long as that may take. */
const RESTORING: ActivityOptions = { ...UNTIL_DONE, scheduleToCloseTimeout: '1m' };

/** How the wait for Kimi ended: with what is to be saved, and whether Kimi may still answer. */
interface Ending {
  result: TaskResult;
  answerMayFollow: boolean;
}

/**
 * One task: wait for its turn → dispatch → wait for the `callback` signal → persist → wake → acknowledge.
 *
 * A task that was sent and then timed out or was cancelled stays open for `grace_ms`, so that an answer which comes late
 * is kept too.
 */
export async function kimiTask(task: Task): Promise<TaskSummary> {
  const { task_id, task_name, model } = task;
  const text = textFor(task.lang);
  const { startTime } = workflowInfo();
  const created_at = isoSeconds(startTime);
  const clock = new Clock(startTime.getTime());
  const metrics = taskMetrics(metricMeter);
  const view: TaskView = {
    task_id,
    task_name,
    model,
    state: 'dispatching',
    step: 'dispatching',
    created_at,
    acknowledged: false,
    ...(task.relay && { relay: true }),
  };
  const atOnce = oneAtATime();
  const recordPending = atOnce('recordPending', UNTIL_DONE);
  const persist = atOnce('persist', UNTIL_DONE);
  const acknowledge = atOnce('acknowledge', UNTIL_DONE);
  const persistAgain = atOnce('persist', RESTORING);
  const acknowledgeAgain = atOnce('acknowledge', RESTORING);
  const wake = atOnce('wake', WAKE, WAKE_TIMEOUT);
  const verifyCallback = atOnce('verifyCallback', UNTIL_DONE);
  let callback: Callback | undefined;
  /** Settles once every callback so far is verified. */
  let verified: Promise<void> = Promise.resolve();
  /** The result, as it was saved last. */
  let saved: TaskResult | undefined;
  /** What the dispatch call brought back, though the task had been cancelled by then: it is paid for. */
  let answeredInPlace: AnswerCallback | undefined;
  let isLateAnswerKept = false;
  /** A dispatch call that Kimi's answer overtook. */
  let overtaken: Promise<unknown> | undefined;
  /** Whether Kimi has, or may have, had a request of this task. */
  let wasSent = false;
  /** Whether Kimi itself has the request, and not only the relay. */
  let hasBegun = !task.relay;
  /** When Kimi's time is up, in milliseconds since 1970. */
  let deadline: number | undefined;
  /** What there is to tell of the task, by name: first its outcome. */
  let news = task_id;

  // Before the first await: a callback may come before the dispatch call has returned.
  setHandler(callbackSignal, async (received) => {
    // A task that was cancelled takes its answer all the same.
    verified = verified.then(async () => await CancellationScope.nonCancellable(async () => await take(received)));
    await verified;
  });
  setHandler(relaySignal, ({ begun, problem, slept_ms = 0 }) => {
    if (begun && !hasBegun) {
      hasBegun = true;
      clock.mark('begun');
      view.error = undefined;
    }
    if (problem && !hasBegun) view.error = problem;
    if (deadline !== undefined) setDeadline(deadline + Math.min(Math.max(0, slept_ms), LONGEST_SLEEP_MS));
    enter(view.step);
  });
  setHandler(statusQuery, () => view);
  setHandler(acceptedUpdate, async () => {
    await condition(() => view.api_id !== undefined || view.queue !== undefined || view.completed_at !== undefined);
    if (view.api_id !== undefined) return { task_id, api_id: view.api_id };
    if (view.queue !== undefined) return { task_id, queued: view.queue };
    const { type, message } = view.error ?? { type: view.state, message: text.error.cancelled };
    throw ApplicationFailure.nonRetryable(message, type);
  });
  setHandler<TaskView, [news?: string], typeof acknowledgeUpdate>(
    acknowledgeUpdate,
    async (acknowledged?: string) => {
      // Who says that the deadline has been told does not say that of the answer which has come since.
      if (acknowledged !== undefined && acknowledged !== news) return view;
      // A task that was cancelled has its result all the same.
      await CancellationScope.nonCancellable(markAsTold);
      return view;
    },
    {
      validator: () => {
        if (!view.completed_at) throw ApplicationFailure.nonRetryable(`${task_id} has no result yet`, 'unfinished');
      },
    },
  );
  const limiter = {
    startLimiter: atOnce('startLimiter', UNTIL_DONE),
    release: atOnce('release', UNTIL_DONE),
  };
  const lease = leaseFor(task, limiter, (place) => {
    view.queue = place;
    if (view.state !== 'queued') become('queued');
    enter('queued');
  });

  enter('dispatching');
  const { result, answerMayFollow } = await untilCancelled();
  await CancellationScope.nonCancellable(async () => {
    const saving = save(result);
    const givenBack = lease.giveBack(wasSent);
    view.queue = undefined;
    await saving;
    metrics.ended(view.state as Outcome);
    if (answerMayFollow) {
      callback ??= answeredInPlace;
      await tellAndStayOpen();
    } else await tell();
    await givenBack;
    // The engine takes no end of a task while news of an activity come: all that was done in that workflow task would be done again.
    await overtaken;
    await condition(allHandlersFinished);
    // What came at the last moment is verified by now.
    if (answerMayFollow && isAnswered() && !isLateAnswerKept) await keepLateAnswer();
    enter('closed');
    await condition(allHandlersFinished);
  });
  return { task_id, status: view.state as Outcome, acknowledged: view.acknowledged };

  /** The first callback that the webhook has passed on is the answer; whoever reaches the engine can raise the signal. */
  async function take(received: Callback): Promise<void> {
    if (callback || !(await verifyCallback([task_id, received], text.activity.verifyCallback))) return;
    // The dispatch call may have brought it meanwhile.
    if (callback) return;
    clock.mark('kimi', received.received_at);
    callback = received;
  }

  /** Waits for an answer. One that came in time counts, though it is verified a moment later. */
  async function answeredWithin(ms: number, summary?: string): Promise<void> {
    await condition(isAnswered, ms, summary === undefined ? {} : { summary });
    await verified;
  }

  /** Hands the task to Kimi and waits for its answer, the deadline or a cancellation. */
  async function untilCancelled(): Promise<Ending> {
    const dispatching = new CancellationScope();
    const dispatched = dispatching.run(send);
    try {
      const ending = await answerOrDeadline(dispatched, dispatching);
      // In one workflow task, the SDK lets an answer or the deadline overtake a cancellation that came before it.
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(text.error.cancelled);
      return ending;
    } catch (error) {
      if (!isCancellation(error)) throw error;
      const sending = await CancellationScope.nonCancellable(async () => await dispatched);
      if ('api_id' in sending) answeredInPlace = sending.answer;
      const cancelled = { type: 'cancelled', message: text.error.cancelled };
      const hasArrived = 'api_id' in sending || sending.mayHaveArrived;
      await CancellationScope.nonCancellable(async () => await verified);
      const answerMayFollow = hasArrived || isAnswered();
      if (answerMayFollow && task.relay) await CancellationScope.nonCancellable(stopRelay);
      return { result: { ...base(), status: 'cancelled', error: cancelled }, answerMayFollow };
    }
  }

  /** Closes the relay's connection to Kimi; it calls back with what there is by then. */
  async function stopRelay(): Promise<void> {
    // Where it has just ended, its answer is on its way.
    await getExternalWorkflowHandle(relayId(task_id))
      .cancel()
      .catch(() => {});
  }

  async function answerOrDeadline(
    dispatched: Promise<Dispatched | DispatchFailure>,
    dispatching: CancellationScope,
  ): Promise<Ending> {
    const sending = await Promise.race([dispatched, condition(isAnswered)]);
    if (!sending) {
      // Kimi has answered: whatever becomes of the call that brought the task there, it is not repeated.
      dispatching.cancel();
      overtaken = dispatched;
      metrics.took('queue', clock.untilTaken());
      return answered();
    }
    if ('api_id' in sending) {
      view.api_id = sending.api_id;
      if (sending.answer && !callback) clock.answeredInPlace();
      callback ??= sending.answer;
    } else if (sending.mayHaveArrived) {
      view.error = sending.error;
    } else {
      await verified;
      if (isAnswered()) return answered();
      return { result: { ...base(), status: 'failed', error: sending.error }, answerMayFollow: false };
    }

    become('dispatched');
    metrics.took('queue', clock.untilTaken());
    enter('waiting');
    await Promise.all([untilDeadline(), recordPending([task_id, created_at], text.activity.recordPending)]);
    if (isAnswered()) return answered();
    const timedOut = { type: 'timed_out', message: text.error.timedOut(task.timeout_ms) };
    return { result: { ...base(), status: 'timed_out', error: view.error ?? timedOut }, answerMayFollow: true };
  }

  /** Waits for Kimi's answer until its time is up, which begins when Kimi itself has the request. */
  async function untilDeadline(): Promise<void> {
    if (!hasBegun && !(await condition(() => hasBegun || isAnswered(), RELAY_REPORTS_MS))) return;
    if (isAnswered()) return;
    view.accepted_at = isoSeconds(Date.now());
    setDeadline(Date.now() + task.timeout_ms);
    enter('waiting');
    const summary = text.timer.deadline(task.timeout_ms);
    for (let end = deadline; end !== undefined && Date.now() < end; end = deadline) {
      const until = end;
      await condition(() => isAnswered() || deadline !== until, until - Date.now(), { summary });
      await verified;
      if (isAnswered()) return;
    }
    const late = Date.now() - (deadline ?? 0);
    if (late > AWAY_MS) await answeredWithin(Math.min(late, task.timeout_ms) + DELIVERY_MS);
  }

  function setDeadline(at: number): void {
    deadline = at;
    view.deadline = isoSeconds(at);
  }

  /**
   * Sends the request when it is its turn, and again only where Kimi did not take it, or where nobody knows and the user
   * has chosen to pay twice rather than to wait in vain.
   */
  async function send(): Promise<Dispatched | DispatchFailure> {
    const giveUpAt = Date.now() + SEND_WITHIN_MS;
    const resendAfter = task.resend_unknown ? [...RESEND_MS] : [];
    let mayHaveArrived = false;
    let pause = 0;
    let throttled: Throttled | undefined;
    for (;;) {
      const sending = await sendOnce(pause, throttled);
      if ('api_id' in sending) return sending;
      mayHaveArrived ||= sending.mayHaveArrived;
      ({ throttled } = sending);
      pause = !throttled && sending.mayHaveArrived ? (resendAfter.shift() ?? 0) : 0;
      if (pause === 0 && !(throttled && Date.now() < giveUpAt)) return { ...sending, mayHaveArrived };
      view.error = sending.error;
      enter(view.step);
    }
  }

  async function sendOnce(pause: number, throttled: Throttled | undefined): Promise<Dispatched | DispatchFailure> {
    try {
      if (pause > 0) await sleep(pause);
      const refused = await lease.obtain(throttled);
      if (refused) {
        const error = { type: 'queue_full', message: text.error.queueFull(refused.full) };
        return { error, mayHaveArrived: false, wasSent: false };
      }
      clock.mark('queued');
      if (view.queue) {
        view.queue = undefined;
        become('dispatching');
        enter('dispatching');
      }
      const options = { summary: text.activity.dispatch(task) };
      const dispatched = await unlessLost(
        async (lost) => await dispatch.executeWithOptions(options, lost ? [task, lost] : [task]),
      );
      wasSent = true;
      if (!callback) {
        clock.mark('dispatch');
        view.error = undefined;
      }
      lease.sent(true);
      return dispatched;
    } catch (error) {
      const failure = readDispatchFailure(error);
      wasSent ||= failure.wasSent;
      if (failure.wasSent && !failure.throttled) lease.sent(false);
      return failure;
    }
  }

  function answered(): Ending {
    view.api_id ??= callback?.id;
    wasSent = true;
    metrics.took('kimi', clock.timings().kimi_ms);
    return { result: resultOf(callback as Callback), answerMayFollow: false };
  }

  function resultOf(received: Callback): TaskResult {
    if (isErrorCallback(received)) {
      const { error, partial, partial_reasoning, usage, interruptions } = received;
      return {
        ...base(),
        model: received.model ?? model,
        status: 'failed',
        error,
        ...(partial && { partial_output: partial }),
        ...(partial_reasoning && { reasoning: partial_reasoning }),
        ...(usage && { tokens: tokensOf(usage) }),
        ...(interruptions && { interruptions }),
      };
    }
    return { ...base(), status: 'done', ...answerOf(received) };
  }

  function base(): Pick<TaskResult, 'task_id' | 'task_name' | 'model' | 'created_at'> {
    return { task_id, task_name, model, created_at };
  }

  async function save(result: TaskResult): Promise<void> {
    enter('saving');
    const since = Date.now();
    const summary = text.activity.persist(text.state[result.status]);
    const timed = { ...result, timings: timingsOf('queued_ms', 'dispatch_ms', 'kimi_ms') };
    const outcome = await persist([timed], summary);
    saved = timed;
    const told = outcome.instead ?? result;
    const { status, late } = told;
    news = notificationId({ task_id, status, late });
    clock.mark('save');
    clock.forget('wake');
    metrics.took('save', clock.timings().save_ms ?? Date.now() - since);
    view.woken_at = undefined;
    view.completed_at = outcome.completed_at;
    view.cost = outcome.cost;
    view.result_file = outcome.file;
    view.model = told.model;
    view.error = told.error;
    view.tokens = told.tokens?.total;
    view.finish_reason = told.finish_reason;
    become(status);
  }

  /**
   * Wakes the agent until its user has been told: by the gateway's word, or by the agent's own where the task wants that.
   *
   * An `Idempotency-Key` is the news by name; a repeat has a number.
   */
  async function tell(): Promise<void> {
    view.acknowledged = false;
    const key = news;
    try {
      await wakeOnce(key);
      metrics.took('tell', clock.timings().wake_ms);
      if (task.ack !== 'agent') {
        if (!view.acknowledged) await markAsTold();
        return;
      }
      for (const [index, ms] of [...WAKE_AGAIN_MS, WAKE_AGAIN_MS.at(-1) ?? 0].entries()) {
        enter('awaiting_acknowledgement');
        if (view.acknowledged || (await condition(() => view.acknowledged, ms))) return;
        if (index < WAKE_AGAIN_MS.length) await wakeOnce(repeatKey(key, index + 1));
      }
      view.wake_error = { type: 'not_acknowledged', message: text.error.notAcknowledged };
    } catch (error) {
      const gaveUp = readFailure(error);
      if (!gaveUp) throw error;
      view.wake_error = gaveUp;
    }
  }

  /** Hands the news to the gateway; an agent that has found the result by itself need not be woken for it. */
  async function wakeOnce(key: string): Promise<void> {
    enter('waking');
    const line = text.wake[view.state as Outcome](task_name, news);
    const told = { lang: task.lang, ...(task.route && { route: task.route }) };
    const woken = async () => await wake([task_id, line, key, told], text.activity.wake);
    const waking = new CancellationScope();
    const said = await Promise.race([waking.run(woken), condition(() => view.acknowledged)]);
    if (said === 'woken') markAsWoken();
    if (view.acknowledged) waking.cancel();
    else if (said === 'acknowledged') await markAsTold();
  }

  function markAsWoken(): void {
    if (view.woken_at) return;
    clock.mark('wake');
    view.woken_at = isoSeconds(Date.now());
  }

  async function markAsTold(): Promise<void> {
    if (view.step === 'waking') enter('acknowledging');
    const timings = timingsOf('save_ms', 'wake_ms');
    const told = news;
    const noted = await acknowledge([task_id, timings, told], text.activity.acknowledge);
    const lost = noted === 'no_result' ? await restore(timings) : undefined;
    // A late answer may have come meanwhile.
    if (told !== news) return;
    view.acknowledged = true;
    view.wake_error = undefined;
    if (lost) view.error = lost;
    enter(view.step);
  }

  /**
   * Saves the result again, which was removed or damaged before it was acknowledged. The user has been notified already, so the task
   * does not stay open where that cannot be done.
   *
   * @returns why the result is lost.
   */
  async function restore(timings: Timings | undefined): Promise<TaskError | undefined> {
    try {
      if (saved) await persistAgain([saved], text.activity.persist(text.state[saved.status]));
      const noted = await acknowledgeAgain([task_id, timings, news], text.activity.acknowledge);
      return noted === 'no_result' ? { type: 'result_lost', message: text.error.resultLost } : undefined;
    } catch (error) {
      const failure = readFailure(error);
      if (!failure) throw error;
      return { type: 'result_lost', message: `${text.error.resultLost} (${failure.message})` };
    }
  }

  /** @returns how long these steps took; `undefined` where none of it is known. */
  function timingsOf(...names: (keyof Timings)[]): Timings | undefined {
    const timings = clock.timings();
    const known = names.filter((name) => timings[name] !== undefined);
    return known.length > 0 ? Object.fromEntries(known.map((name) => [name, timings[name]])) : undefined;
  }

  /** Takes an answer for as long as one may come, whether or not the agent has been told by then. */
  async function tellAndStayOpen(): Promise<void> {
    const telling = new CancellationScope();
    const told = telling.run(async () => {
      await tell();
      enter('awaiting_late_answer');
    });
    const summary = text.timer.grace(task.grace_ms);
    await answeredWithin(task.grace_ms, summary);
    // For as long as it is open it takes an answer: the webhook has accepted it.
    await Promise.race([told, condition(isAnswered)]);
    await verified;
    if (isAnswered() && view.state !== 'cancelled' && !stopped()) {
      // The answer is the news now.
      telling.cancel();
      await told.catch(ignoreCancellation);
    }
    if (isAnswered()) await keepLateAnswer();
    await told.catch(ignoreCancellation);
  }

  function isAnswered(): boolean {
    return callback !== undefined;
  }

  /** @returns the relay's callback that it has closed the connection, as its user wanted. */
  function stopped(): ErrorCallback | undefined {
    if (!task.relay || !callback || !isErrorCallback(callback)) return undefined;
    return callback.error.type === 'cancelled' ? callback : undefined;
  }

  /** An answer after the deadline is told; one after a cancellation is kept in silence. */
  async function keepLateAnswer(): Promise<void> {
    isLateAnswerKept = true;
    const closed = stopped();
    if (closed && !closed.partial && !closed.usage) return;
    const late: TaskResult = { ...resultOf(callback as Callback), late: true };
    metrics.answeredLate();
    if (view.state === 'cancelled' || closed) {
      const { step } = view;
      await save({ ...late, status: 'cancelled' });
      // Its agent may still be told of the cancellation.
      if (view.step === 'saving') enter(step);
    } else {
      await save(late);
      await tell();
    }
  }

  function become(state: TaskState): void {
    view.state = state;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.status, value: state },
      ...(view.tokens === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.tokens, value: view.tokens }]),
    ]);
  }

  function enter(step: TaskStep): void {
    view.step = step;
    setCurrentDetails(currentDetails(task, view, clock.timings(), text));
  }
}

function ignoreCancellation(error: unknown): void {
  if (!isCancellation(error)) throw error;
}

/** The part of a result that an answer gives. */
function answerOf({ model, usage, choices, interruptions }: AnswerCallback): Partial<TaskResult> & { model: string } {
  const [choice] = choices;
  return {
    model,
    output: choice?.message.content,
    reasoning: choice?.message.reasoning_content,
    tokens: tokensOf(usage),
    finish_reason: choice?.finish_reason,
    ...(interruptions && { interruptions }),
  };
}

function tokensOf(usage: Usage): Tokens {
  return {
    prompt: usage.prompt_tokens,
    completion: usage.completion_tokens,
    total: usage.total_tokens,
    cached: usage.prompt_tokens_details?.cached_tokens,
    reasoning: usage.completion_tokens_details?.reasoning_tokens,
  };
}

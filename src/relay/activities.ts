import { setTimeout as pause } from 'node:timers/promises';
import { ApplicationFailure, Context } from '@temporalio/activity';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import { onWaking } from '../service/awake.ts';
import type { Callback } from '../shared/callback.ts';
import { FAILURE, RELAY_SIGNAL } from '../shared/names.ts';
import type { RelayReport, RelayRequest, StreamProgress } from '../shared/relay.ts';
import type { LostAttempt } from '../shared/task.ts';
import { HeldWork, type Ended } from '../activities/held-work.ts';
import { KimiError } from '../kimi/errors.ts';
import { reportThrottled } from '../limiter/client.ts';
import { streamMetrics, type RelayRequestOutcome } from '../shared/metrics.ts';
import { Answer, answered, failed, nextStep, requestsIn, type Attempt, type OnInterrupt } from './attempts.ts';
import type { ReceivedStore, Recording } from './recordings.ts';
import type { StreamingClient } from './stream.ts';

/** What an answer is taken with. */
export interface StreamDependencies {
  kimi: Pick<StreamingClient, 'complete'>;
  received: Pick<ReceivedStore, 'begin' | 'read'>;
  /** Workflow id of the limiter that is told when Kimi is too busy. */
  limiter: string;
  onInterrupt: OnInterrupt;
  /** Whether an answer that repeats itself is taken to its end, or stopped (`KIMI_ON_REPEAT`). */
  onRepeat: 'continue' | 'stop';
  log: Logger;
  /** Where what is counted goes; nowhere if not given. */
  meter?: MetricMeter;
}

/** Longest answer, its reasoning included, in UTF-16 units: its callback fits the webhook (`MAX_CALLBACK_BYTES`). */
const MAX_ANSWER_CHARS = 4 * 1024 * 1024;

/** How long the engine may take to take a report for a task, and how long it is left alone then, in milliseconds. */
const REPORT_MS = 5_000;

/** One request to Kimi under way. */
interface Taking {
  body: RelayRequest['body'];
  attempt: Attempt;
  recording: Recording;
  signal: AbortSignal;
  /** Sends a heartbeat. */
  beat: () => void;
  onBegun: () => void;
}

/** Takes answers as they stream in. */
export function createStreamActivities({
  kimi,
  received,
  limiter,
  onInterrupt,
  onRepeat,
  log,
  meter = noopMetricMeter,
}: StreamDependencies) {
  const metrics = streamMetrics(meter);
  const streams = new HeldWork<Callback>();
  /** Problems that tasks know of, by task. */
  const reported = new Map<string, string>();

  return {
    /**
     * Asks Kimi and takes the answer as it streams in. Fails as {@link FAILURE.interrupted} if the stream is interrupted.
     *
     * @param interruptions how often that has happened to this request
     * @param why the cause of the last interruption
     * @param lost the previous attempt, whose heartbeats timed out
     * @returns the callback: the answer, or the reason why there is none
     */
    async complete(request: RelayRequest, interruptions: number, why?: string, lost?: LostAttempt): Promise<Callback> {
      const { task_id } = request;
      const key = `${task_id}.${interruptions}`;
      if (lost) {
        const joined = streams.join(key, lost);
        if (joined) return await joined;
        const recorded = await received.read(task_id, interruptions + 1);
        const last = recorded.at(-1);
        if (last?.answer.done) return answered(request, recorded);
        // What its recording shows was not sent is sent now.
        if (last?.sent ?? true) throw interruption('interrupted', 'the relay that was taking the answer was lost');
      }
      const before = await received.read(request.task_id, interruptions);
      const step = nextStep(request.body, before, onInterrupt);
      if (step.do === 'finish') return answered(request, before);
      if (step.do === 'give up') return givenUp(request, before, why);

      const attempt: Attempt = { continues: step.continues, sent: false, answer: new Answer() };
      const attempts = [...before, attempt];
      const tokensBefore = step.continues ? before.reduce((sum, past) => sum + (past?.answer.tokens ?? 0), 0) : 0;
      const progress = (): StreamProgress => {
        const now = attempt.answer.progress;
        return { ...now, tokens: Math.round(tokensBefore) + now.tokens };
      };
      const work = async (signal: AbortSignal, beat: () => void): Promise<Callback> => {
        const recording = await received.begin(task_id, interruptions, step.continues);
        let outcome: RelayRequestOutcome = 'answered';
        metrics.began();
        const { client } = Context.current();
        const ending = new AbortController();
        const stopWatching = onWaking((slept_ms) => void report(client, task_id, { slept_ms }));
        const onBegun = (): void => {
          reported.delete(task_id);
          void reportUntilTaken(client, task_id, { begun: true }, ending.signal);
        };
        try {
          await take({ body: step.body, attempt, recording, signal, beat, onBegun });
          return answered(request, attempts);
        } catch (error) {
          outcome = outcomeOf(attempt, error, signal);
          return await afterFailure(request, attempts, error, signal, recording);
        } finally {
          stopWatching();
          ending.abort();
          metrics.ended(outcome, attempt.answer.tokens);
          await recording.close();
        }
      };
      return await streams.begin(key, work, progress);
    },
  };

  /** Tells a task. It does without, where the engine does not take it: it waits for its callback in any case. */
  async function report(client: Client, task_id: string, what: RelayReport): Promise<boolean> {
    try {
      const handle = client.workflow.getHandle(task_id);
      await client.connection.withDeadline(Date.now() + REPORT_MS, async () => {
        await handle.signal<[RelayReport]>(RELAY_SIGNAL, what);
      });
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return true;
      log.warn({ task_id, err: error }, 'the task was not told how far its request is');
      return false;
    }
  }

  async function reportUntilTaken(
    client: Client,
    task_id: string,
    what: RelayReport,
    signal: AbortSignal,
  ): Promise<void> {
    while (!(await report(client, task_id, what)) && !signal.aborted) {
      await pause(REPORT_MS, undefined, { signal }).catch(() => {});
    }
  }

  /** Asks Kimi and takes what comes; what has come is on the disk before anything else is made of it. */
  async function take({ body, attempt, recording, signal, beat, onBegun }: Taking): Promise<void> {
    const { answer } = attempt;
    let sentAt = 0;
    let hasBegun = false;
    const onSent = (): void => {
      recording.sent();
      attempt.sent = true;
      sentAt = performance.now();
    };
    for await (const pieces of kimi.complete(body, signal, onSent, onBegun)) {
      if (!hasBegun) metrics.firstByte(performance.now() - sentAt);
      hasBegun = true;
      const isFirst = answer.tokens === 0;
      await recording.take(pieces);
      for (const piece of pieces) answer.take(piece);
      // Seen at once; the others come with the next beat.
      if (isFirst && answer.tokens > 0) beat();
      if (answer.isRepeating && onRepeat === 'stop') {
        throw new KimiError(
          'refused',
          'repetition',
          'Kimi wrote the same text over and over and was stopped (KIMI_ON_REPEAT)',
        );
      }
      if (answer.length > MAX_ANSWER_CHARS) {
        throw new KimiError('refused', 'answer_too_long', `the answer is over ${MAX_ANSWER_CHARS} characters`);
      }
    }
  }

  /** @returns what the task is told; throws where it is tried again, by the engine or by the workflow. */
  async function afterFailure(
    request: RelayRequest,
    attempts: Attempts,
    error: unknown,
    signal: AbortSignal,
    recording: Recording,
  ): Promise<Callback> {
    const { client } = Context.current();
    if (signal.aborted && (signal.reason as Ended) === 'shutdown') {
      throw interruption('interrupted', 'the relay was stopped');
    }
    if (signal.aborted) {
      const message = 'the task was cancelled, and the connection to Kimi was closed';
      return failed(request, { type: 'cancelled', message }, attempts);
    }
    // A full disk, say: by then it may be paid for.
    if (!(error instanceof KimiError) && attempts.at(-1)?.sent) throw interruption('interrupted', String(error));
    if (!(error instanceof KimiError)) throw error;
    const { kind, type, message } = error;
    const { task_id } = request;
    if (kind === 'refused') {
      log.warn({ task_id, type }, message);
      return failed(request, { type, message }, attempts);
    }
    log.warn({ task_id, type, kind }, message);
    if (kind === 'interrupted' || kind === 'outcome_unknown') throw interruption(type, message);
    // Tried again under the same number: should the next attempt be lost, this one is no sign that anything was sent.
    await recording.discard();
    if (reported.get(task_id) !== message) {
      reported.set(task_id, message);
      await report(client, task_id, { problem: { type, message } });
    }
    const { retryAfterMs } = error.options;
    if (kind === 'turned_away') {
      const throttled = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
      // Who is not told sends a request or two more that are turned away.
      await reportThrottled(client, limiter, throttled).catch((failure: Error) =>
        log.warn({ task_id }, failure.message),
      );
    }
    throw ApplicationFailure.create({
      message,
      type: kind === 'turned_away' ? FAILURE.throttled : FAILURE.notSent,
      details: [type],
      ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
    });
  }
}

export type StreamActivities = ReturnType<typeof createStreamActivities>;

/** How a request ended that was not answered. */
function outcomeOf({ sent }: Attempt, error: unknown, signal: AbortSignal): RelayRequestOutcome {
  if (signal.aborted) return (signal.reason as Ended) === 'shutdown' ? 'interrupted' : 'cancelled';
  if (error instanceof KimiError) return error.kind;
  return sent ? 'interrupted' : 'not_sent';
}

type Attempts = readonly (Attempt | undefined)[];

/** The workflow decides; another attempt is another run of the activity. */
function interruption(type: string, message: string): ApplicationFailure {
  return ApplicationFailure.create({ message, type: FAILURE.interrupted, nonRetryable: true, details: [type] });
}

function givenUp(request: RelayRequest, attempts: Attempts, why = 'the relay was lost'): Callback {
  const requests = requestsIn(attempts);
  const end =
    requests > 1
      ? `Kimi was asked ${requests} times, and is not asked again`
      : 'it was not asked again, since it could be paid for twice (KIMI_ON_INTERRUPT)';
  const message = `${why}; ${end}`;
  return failed(request, { type: 'interrupted', message }, attempts);
}

import { ApplicationFailure, Context, heartbeat } from '@temporalio/activity';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import { FAILURE, type Callback, type RelayActivities, type RelayRequest, type StreamProgress } from '../contract.ts';
import { beating } from '../heartbeat.ts';
import { KimiError } from '../kimi/errors.ts';
import { reportTurnedAway } from '../limiter.ts';
import { streamMetrics, type RelayRequestOutcome } from '../metrics/meter.ts';
import { Answer } from './answer.ts';
import { answered, failed, nextStep, requestsIn, type Attempt, type OnInterrupt } from './attempts.ts';
import type { ReceivedStore, Recording } from './received.ts';
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

/** Takes answers as they stream in. */
export function createStreamActivities({
  kimi,
  received,
  limiter,
  onInterrupt,
  onRepeat,
  log,
  meter = noopMetricMeter,
}: StreamDependencies): Pick<RelayActivities, 'complete'> {
  const metrics = streamMetrics(meter);
  return {
    async complete(request, interruptions, why) {
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
      const recording = await received.begin(request.task_id, interruptions, step.continues);
      let outcome: RelayRequestOutcome = 'answered';
      metrics.began();
      try {
        await beating(async () => await take(step.body, attempt, recording, progress), progress);
        return answered(request, attempts);
      } catch (error) {
        outcome = outcomeOf(attempt, error);
        return await afterFailure(request, attempts, error);
      } finally {
        metrics.ended(outcome, attempt.answer.tokens);
        await recording.close();
      }
    },
  };

  /** Asks Kimi and takes what comes; what has come is on the disk before anything else is made of it. */
  async function take(
    body: RelayRequest['body'],
    attempt: Attempt,
    recording: Recording,
    progress: () => StreamProgress,
  ): Promise<void> {
    const { answer } = attempt;
    let sentAt = 0;
    let hasBegun = false;
    const onSent = (): void => {
      recording.sent();
      attempt.sent = true;
      sentAt = performance.now();
    };
    heartbeat(progress());
    for await (const pieces of kimi.complete(body, Context.current().cancellationSignal, onSent)) {
      if (!hasBegun) metrics.firstByte(performance.now() - sentAt);
      hasBegun = true;
      const isFirst = answer.tokens === 0;
      await recording.take(pieces);
      for (const piece of pieces) answer.take(piece);
      // Seen at once; the others come with the next beat.
      if (isFirst && answer.tokens > 0) heartbeat(progress());
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
  async function afterFailure(request: RelayRequest, attempts: Attempts, error: unknown): Promise<Callback> {
    const { cancellationSignal, cancellationDetails, client } = Context.current();
    if (cancellationSignal.aborted && cancellationDetails?.workerShutdown) {
      throw interruption('interrupted', 'the relay was stopped');
    }
    if (cancellationSignal.aborted) {
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
    const { retryAfterMs } = error.options;
    if (kind === 'turned_away') {
      const turnedAway = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
      // Who is not told sends a request or two more that are turned away.
      await reportTurnedAway(client, limiter, turnedAway).catch((failure: Error) =>
        log.warn({ task_id }, failure.message),
      );
    }
    throw ApplicationFailure.create({
      message,
      type: kind === 'turned_away' ? FAILURE.turnedAway : FAILURE.notSent,
      details: [type],
      ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
    });
  }
}

/** How a request ended that was not answered. */
function outcomeOf({ sent }: Attempt, error: unknown): RelayRequestOutcome {
  const { cancellationSignal, cancellationDetails } = Context.current();
  if (cancellationSignal.aborted) return cancellationDetails?.workerShutdown ? 'interrupted' : 'cancelled';
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

import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Ended } from '../activities/held-work.ts';
import { KimiError } from '../kimi/errors.ts';
import { priceOf } from '../kimi/most-cost.ts';
import { reportThrottled } from '../limiter/client.ts';
import { onWaking } from '../service/machine-sleep.ts';
import type { Callback } from '../shared/callback.ts';
import type { RelayRequestOutcome, streamMetrics } from '../shared/metrics.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import { callsIn, type Rounds, type StreamProgress } from '../shared/relay.ts';
import { tokensOf } from '../shared/result.ts';
import type { ToolUse } from '../shared/task.ts';
import { Answer } from './answer.ts';
import type { Attempt } from './attempts.ts';
import { answered, failed, usageOf } from './callbacks.ts';
import type { Documents } from './documents.ts';
import { mayFallBack, type RequestInUse } from './fallback.ts';
import type { NextStep } from './next-step.ts';
import type { ReceivedStore, Recording } from './recordings.ts';
import type { TaskReports } from './reports.ts';
import type { StreamingClient } from './stream.ts';
import { endsRound, roundsOf, type Tools } from './tools.ts';

export interface RequestDependencies {
  kimi: Pick<StreamingClient, 'complete'>;
  received: Pick<ReceivedStore, 'begin' | 'read'>;
  documents: Pick<Documents, 'into' | 'forget'>;
  tools: Pick<Tools, 'into' | 'usesOf'>;
  /** Address of Kimi, whose prices depend on it. */
  apiUrl: string;
  /** Workflow id of the limiter, which is notified when Kimi throttles a request. */
  limiter: string;
  /** Whether an answer that repeats itself is received to its end, or stopped (`KIMI_ON_REPEAT`). */
  onRepeat: 'continue' | 'stop';
  reports: TaskReports;
  metrics: ReturnType<typeof streamMetrics>;
  log: Logger;
}

/** Longest answer, its reasoning included, in UTF-16 units: its callback fits the webhook (`MAX_CALLBACK_BYTES`). */
const MAX_ANSWER_CHARS = 4 * 1024 * 1024;

/** Sends the requests for an answer: one, and another after each round of calls of tools. */
export class StreamedAnswer {
  private current: StreamedRequest;

  /** @param before the earlier requests for the same answer */
  constructor(
    private readonly dependencies: RequestDependencies,
    private readonly request: RequestInUse,
    before: readonly (Attempt | undefined)[],
    step: Extract<NextStep, { do: 'ask' }>,
  ) {
    this.current = new StreamedRequest(dependencies, request, before, step);
  }

  get progress(): StreamProgress {
    return this.current.progress;
  }

  /**
   * @param beat sends a heartbeat
   * @param onNext called before another request, with the number of those before it, and of those that ended with calls of tools
   * @returns the callback: the answer, or the final reason why there is none
   * @throws {ApplicationFailure} `interrupted`, `TurnedAway` or `NotSent`
   */
  async run(
    signal: AbortSignal,
    beat: () => void,
    onNext: (requests: number, rounds: number) => void,
  ): Promise<Callback> {
    for (;;) {
      const callback = await this.current.run(signal, beat);
      if (callback) return callback;
      const { attempts } = this.current;
      onNext(attempts.length, roundsOf(this.request, attempts).ended.length);
      const step = { do: 'ask', continues: false, keeps: false, body: this.request.body } as const;
      this.current = new StreamedRequest(this.dependencies, this.request, attempts, step);
    }
  }
}

/** Sends one request to Kimi and receives the answer as it streams in. */
class StreamedRequest {
  /** The earlier requests and this one. */
  readonly attempts: readonly (Attempt | undefined)[];
  private readonly attempt: Attempt;
  /** Estimated tokens of the text that this request continues. */
  private readonly tokensBefore: number;
  /** What happens before the request is sent. */
  private preparing: Pick<StreamProgress, 'phase' | 'tail'> | undefined;
  private rounds: Rounds | undefined;

  /** @param before the earlier requests for the same answer */
  constructor(
    private readonly dependencies: RequestDependencies,
    private readonly request: RequestInUse,
    before: readonly (Attempt | undefined)[],
    private readonly step: Extract<NextStep, { do: 'ask' }>,
  ) {
    this.attempt = { continues: step.continues, sent: false, answer: new Answer() };
    this.attempts = [...before, this.attempt];
    this.tokensBefore = step.continues ? before.reduce((sum, past) => sum + (past?.answer.tokens ?? 0), 0) : 0;
  }

  get progress(): StreamProgress {
    const { progress } = this.attempt.answer;
    const { rounds, preparing } = this;
    const tokens = Math.round(this.tokensBefore) + progress.tokens;
    return { ...progress, ...preparing, tokens, ...(rounds && { rounds }) };
  }

  /**
   * @param beat sends a heartbeat
   * @returns the callback: the answer, or the final reason why there is none; `undefined` if Kimi calls tools, whose results go into
   *   the next request
   * @throws {ApplicationFailure} `interrupted`, `TurnedAway` or `NotSent`
   */
  async run(signal: AbortSignal, beat: () => void): Promise<Callback | undefined> {
    const { received, reports, metrics } = this.dependencies;
    const { task_id } = this.request;
    const { continues, keeps } = this.step;
    const recording = await received.begin(task_id, this.attempts.length - 1, continues, keeps);
    let outcome: RelayRequestOutcome = 'answered';
    metrics.began();
    const { client } = Context.current();
    const ending = new AbortController();
    const stopWatching = onWaking((slept_ms) => void reports.slept(client, task_id, slept_ms));
    try {
      const onBegun = (): void => void reports.begun(client, task_id, ending.signal, this.rounds);
      await this.receive(recording, signal, beat, onBegun);
      return endsRound(this.request, this.attempts) ? undefined : answered(this.request, this.attempts);
    } catch (error) {
      outcome = this.outcomeOf(error, signal);
      return await this.afterFailure(client, error, signal, recording);
    } finally {
      stopWatching();
      ending.abort();
      metrics.ended(outcome, this.attempt.answer.tokens);
      await recording.close();
    }
  }

  /** Receives the answer; each piece is on the disk before it is used. */
  private async receive(
    recording: Recording,
    signal: AbortSignal,
    beat: () => void,
    onBegun: () => void,
  ): Promise<void> {
    const { kimi, documents, metrics } = this.dependencies;
    const { answer } = this.attempt;
    let sentAt = 0;
    let hasBegun = false;
    const onSent = (): void => {
      recording.sent();
      this.attempt.sent = true;
      sentAt = performance.now();
    };
    const asked = await this.withTools(signal, beat);
    this.preparing = this.request.files && { phase: 'reading', tail: '' };
    const body = await documents.into(this.request, asked, signal);
    this.preparing = undefined;
    for await (const pieces of kimi.complete(body, signal, onSent, onBegun)) {
      if (!hasBegun) metrics.firstByte(performance.now() - sentAt);
      hasBegun = true;
      const isFirst = answer.tokens === 0;
      await recording.take(pieces);
      for (const piece of pieces) answer.take(piece);
      // The first words are shown immediately, the others with the next heartbeat.
      if (isFirst && answer.tokens > 0) beat();
      this.checkAnswer();
    }
  }

  /** Makes the calls of the last round. @returns the body with the results of all rounds */
  private async withTools(signal: AbortSignal, beat: () => void): Promise<RequestInUse['body']> {
    const { tools } = this.dependencies;
    const { request, step } = this;
    const { ended } = roundsOf(request, this.attempts);
    if (ended.length === 0) return await tools.into(request, ended, step.body, signal, () => {});
    const uses = await tools.usesOf(request.task_id);
    const body = await tools.into(request, ended, step.body, signal, (use) => {
      uses.push(use);
      this.rounds = this.roundsWith(ended.length, uses);
      this.preparing = { phase: 'using_tools', tail: use.input };
      beat();
    });
    this.rounds = this.roundsWith(ended.length, await tools.usesOf(request.task_id));
    return body;
  }

  private roundsWith(round: number, uses: readonly ToolUse[]): Rounds {
    const { apiUrl } = this.dependencies;
    const { request } = this;
    const tokens = tokensOf(usageOf(request, this.attempts.slice(0, -1)));
    const cost = priceOf({ model: request.body.model, tokens, tool_uses: [...uses] }, apiUrl);
    return { round, calls: callsIn(uses), ...(cost && { cost }) };
  }

  private checkAnswer(): void {
    const { answer } = this.attempt;
    if (answer.isRepeating && this.dependencies.onRepeat === 'stop') {
      const message = 'Kimi wrote the same text over and over and was stopped (KIMI_ON_REPEAT)';
      throw new KimiError('refused', 'repetition', message);
    }
    if (answer.length > MAX_ANSWER_CHARS) {
      throw new KimiError('refused', 'answer_too_long', `the answer is over ${MAX_ANSWER_CHARS} characters`);
    }
  }

  /** @returns the callback of a final failure. @throws if the engine should retry. */
  private async afterFailure(
    client: Client,
    error: unknown,
    signal: AbortSignal,
    recording: Recording,
  ): Promise<Callback> {
    const { reports, log } = this.dependencies;
    if (signal.aborted && (signal.reason as Ended) === 'shutdown') {
      throw interruption('interrupted', 'the relay was stopped');
    }
    if (signal.aborted) {
      await this.dependencies.documents.forget(this.request);
      const message = 'the task was cancelled, and the connection to Kimi was closed';
      return failed(this.request, { type: 'cancelled', message }, this.attempts);
    }
    // An error on this side, e.g. a full disk: once sent, the request may be paid for.
    if (!(error instanceof KimiError) && this.attempt.sent) throw interruption('interrupted', String(error));
    if (!(error instanceof KimiError)) throw error;
    const { kind, type, message } = error;
    const { task_id } = this.request;
    log.warn({ task_id, type, kind }, message);
    const isUnfit = kind === 'refused' && this.request.isFallback && mayFallBack(this.attempts);
    if (kind === 'refused' && !isUnfit) return failed(this.request, error.taskError, this.attempts);
    if (kind === 'interrupted' || kind === 'outcome_unknown') throw interruption(type, message, error.detail);
    // The engine retries under the same number: if the next attempt is lost, this recording must not look like a sent request.
    await recording.discard();
    if (isUnfit) throw ApplicationFailure.create({ message, type: FAILURE.unfit, nextRetryDelay: 1 });
    await reports.problem(client, task_id, error.taskError);
    if (kind === 'turned_away') await this.reportToLimiter(client, error);
    const { retryAfterMs } = error.options;
    throw ApplicationFailure.create({
      message,
      type: kind === 'turned_away' ? FAILURE.throttled : FAILURE.notSent,
      details: failureDetails(error),
      ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
    });
  }

  /** Without the report the limiter sends another request or two, which are throttled too. */
  private async reportToLimiter(client: Client, { options: { retryAfterMs } }: KimiError): Promise<void> {
    const { limiter, log } = this.dependencies;
    const { task_id } = this.request;
    const throttled = retryAfterMs === undefined ? {} : { retry_after_ms: retryAfterMs };
    await reportThrottled(client, limiter, throttled).catch((failure: Error) => log.warn({ task_id }, failure.message));
  }

  private outcomeOf(error: unknown, signal: AbortSignal): RelayRequestOutcome {
    if (signal.aborted) return (signal.reason as Ended) === 'shutdown' ? 'interrupted' : 'cancelled';
    if (error instanceof KimiError) return error.kind;
    return this.attempt.sent ? 'interrupted' : 'not_sent';
  }
}

/** The next attempt decides what follows. */
function interruption(type: string, message: string, detail?: ErrorDetail): ApplicationFailure {
  const details = failureDetails({ type, ...(detail && { detail }) });
  return ApplicationFailure.create({ message, type: FAILURE.interrupted, details });
}

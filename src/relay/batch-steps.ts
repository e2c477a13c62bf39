/** The steps of a batch at Kimi: made, looked at, read, removed. */
import { ApplicationFailure, Context, heartbeat } from '@temporalio/activity';
import type { Logger } from 'pino';
import * as z from 'zod';
import { KimiError } from '../kimi/errors.ts';
import { parseJson, readRefusal } from '../kimi/refusal.ts';
import { backoffMs } from '../shared/backoff.ts';
import { MAX_CALLBACK_BYTES, type Callback } from '../shared/callback.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import type { RelayRequest, StreamProgress } from '../shared/relay.ts';
import type { TaskError } from '../shared/task.ts';
import { Answer } from './answer.ts';
import { AnswerReader } from './answer-reader.ts';
import { answered, failed } from './callbacks.ts';
import type { Batch, BatchMetadata, KimiBatches } from './kimi-batches.ts';
import type { KimiFiles } from './kimi-files.ts';
import type { OnInterrupt } from './next-step.ts';
import type { ReceivedStore } from './recordings.ts';

export interface BatchStepsDependencies {
  batches: Pick<KimiBatches, 'create' | 'get' | 'find' | 'cancel'>;
  files: Pick<KimiFiles, 'upload' | 'list' | 'lines' | 'remove'>;
  received: Pick<ReceivedStore, 'batchOf' | 'noteBatch' | 'forgetBatch'>;
  onInterrupt: OnInterrupt;
  log: Logger;
}

/** What is recorded of a batch. */
export interface RecordedBatch {
  /** When it was about to be made, in milliseconds since 1970. */
  creating?: number;
  id?: string;
  /** The task knows that Kimi has it. */
  begun?: true;
}

/** The input of a batch: a request in each line. */
export interface BatchInput {
  content: Buffer;
  metadata: BatchMetadata;
}

/** How long Kimi may take (Moonshot's documentation: 12 hours to 7 days). */
const WINDOW = '24h';

/** Delay before a batch is looked at again, in milliseconds: doubled up to the longest. */
const LOOK_MS = { first: 2_000, longest: 300_000 };

/** How long a batch may be missing in Kimi's list after it was made, in milliseconds. */
const LISTED_MS = 60_000;

/** How long cleaning up may take, in milliseconds. The task has not to wait for it. */
const REMOVE_MS = 10_000;

const PENDING = ['validating', 'in_progress', 'finalizing', 'cancelling'];

const outputLine = z.object({
  custom_id: z.string(),
  response: z.object({ status_code: z.int(), body: z.unknown() }).nullish(),
  error: z.unknown().optional(),
});

export type OutputLine = z.infer<typeof outputLine>;

/**
 * Each step is recorded before it is made, or found again at Kimi: after a crash no batch is made a second time. A batch is named by the
 * id of a task, which is in its metadata.
 */
export class BatchSteps {
  constructor(private readonly dependencies: BatchStepsDependencies) {}

  /**
   * @param input called if the batch has to be made
   * @returns the batch: recorded, found, or made
   * @throws {KimiError}
   */
  async obtain(task_id: string, input: () => Promise<BatchInput>, signal: AbortSignal): Promise<Batch> {
    const { batches, received, onInterrupt } = this.dependencies;
    const known = await received.batchOf(task_id);
    if (known.id !== undefined) return await batches.get(known.id, signal);
    const found = await batches.find(task_id, signal);
    if (found) return found;
    const { creating } = known;
    if (creating !== undefined) {
      if (Date.now() < creating + LISTED_MS) {
        throw new KimiError('not_sent', 'batch_not_listed', 'a batch may have been made and is looked for');
      }
      if (onInterrupt === 'fail') {
        const message = 'it is not known whether Kimi has made the batch, so it is not made again (KIMI_ON_INTERRUPT)';
        throw new KimiError('refused', 'outcome_unknown', message);
      }
    }
    return await this.made(task_id, await input(), signal);
  }

  private async made(task_id: string, { content, metadata }: BatchInput, signal: AbortSignal): Promise<Batch> {
    const { batches, received, log } = this.dependencies;
    const file = await this.uploaded(task_id, content, signal);
    await received.noteBatch(task_id, { creating: Date.now() });
    try {
      const made = await batches.create(file, metadata, WINDOW, signal);
      log.info({ task_id, batch: made.id }, 'made a batch');
      return made;
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
      if (error.kind === 'outcome_unknown') throw error.asNotSent('batch_not_listed');
      await received.noteBatch(task_id, {});
      throw error;
    }
  }

  /** @throws {ApplicationFailure} `Held` while it has not ended: the engine looks again later */
  async ended(id: string, signal: AbortSignal): Promise<Batch> {
    return checkEnded(await this.dependencies.batches.get(id, signal));
  }

  /** @returns the lines of a batch that has ended, as they are received; none if it ended without any answer */
  async *answersOf(batch: Batch, signal: AbortSignal): AsyncGenerator<OutputLine> {
    for (const file of [batch.output_file_id, batch.error_file_id]) {
      if (!file) continue;
      for await (const line of this.dependencies.files.lines(file, MAX_CALLBACK_BYTES, signal)) {
        const { data } = outputLine.safeParse(parseJson(line));
        if (data) yield data;
      }
    }
  }

  /** Cancels a batch that has not ended. Kimi may have answered some of it. */
  async cancel(task_id: string, signal: AbortSignal): Promise<Batch | undefined> {
    const { batches } = this.dependencies;
    const batch = await batches.find(task_id, signal);
    if (batch && PENDING.includes(batch.status)) await batches.cancel(batch.id, signal);
    return batch;
  }

  /** Removes a batch whose answers are safe: its files, and what is recorded of it. One that has not ended is cancelled. */
  async forget(task_id: string): Promise<void> {
    const { files, received, log } = this.dependencies;
    try {
      const signal = AbortSignal.timeout(REMOVE_MS);
      const batch = await this.cancel(task_id, signal);
      const inputs = (await files.list(signal)).filter(({ filename }) => filename === inputName(task_id));
      const outputs = [batch?.output_file_id, batch?.error_file_id].filter((id) => typeof id === 'string');
      for (const id of [...inputs.map((input) => input.id), ...outputs]) await files.remove(id, signal);
      await received.forgetBatch(task_id);
    } catch (err) {
      log.warn({ task_id, err }, 'the batch could not be removed at Kimi');
    }
  }

  /** @returns the id of the uploaded input; that of an attempt before this one is used. */
  private async uploaded(task_id: string, content: Buffer, signal: AbortSignal): Promise<string> {
    const { files } = this.dependencies;
    const name = inputName(task_id);
    const known = (await files.list(signal)).find(({ filename }) => filename === name);
    return (known ?? (await files.upload(name, content, signal, 'batch'))).id;
  }
}

/** @returns the line of a request. */
export function inputLine(task_id: string, body: object): string {
  return `${JSON.stringify({ custom_id: task_id, method: 'POST', url: '/v1/chat/completions', body })}\n`;
}

/** @returns the callback that a line is for its request. */
export function callbackOf(request: RelayRequest, { response, error }: OutputLine): Callback {
  const { status_code: status = 0, body } = response ?? {};
  if (status !== 200) {
    return failed(request, readRefusal(status, {}, body ?? { error: error ?? { message: 'no answer' } }).taskError);
  }
  const reader = new AnswerReader((clean) => clean);
  const answer = new Answer();
  for (const piece of [...reader.feed(JSON.stringify(body)), ...reader.end()]) answer.take(piece);
  const attempts = [{ continues: false, sent: true, answer }];
  return reader.failure ? failed(request, reader.failure.taskError, attempts) : answered(request, attempts);
}

/** @returns why a request of a batch that has ended has no answer. */
export function unansweredIn({ status, errors }: Batch): TaskError {
  const type = status === 'expired' ? 'batch_expired' : 'batch_failed';
  const why = errors ? `: ${JSON.stringify(errors).slice(0, 500)}` : '';
  return { type, message: `Kimi ended the batch without an answer (${status})${why}` };
}

/** @returns the error for the engine, which tries again unless Kimi has refused. */
export function failureOf(error: KimiError): ApplicationFailure {
  const { kind, message, options } = error;
  const isFinal = kind === 'refused' || kind === 'outcome_unknown';
  return ApplicationFailure.create({
    message,
    type: isFinal ? FAILURE.refused : kind === 'turned_away' ? FAILURE.throttled : FAILURE.notSent,
    nonRetryable: isFinal,
    details: failureDetails(error),
    nextRetryDelay: options.retryAfterMs ?? backoffMs(LOOK_MS, Context.current().info.attempt),
  });
}

/** @throws {ApplicationFailure} `Held` while it has not ended */
export function checkEnded(batch: Batch): Batch {
  const { status } = batch;
  if (!PENDING.includes(status)) return batch;
  const progress: StreamProgress = { phase: 'batch', tokens: 0, tail: status };
  heartbeat({ ...progress, requests: 0 });
  throw ApplicationFailure.create({
    message: `Kimi has not answered the batch yet (${status})`,
    type: FAILURE.held,
    nextRetryDelay: backoffMs(LOOK_MS, Context.current().info.attempt - 1),
  });
}

/** Not a name of `Documents`, which removes old uploads: Kimi may read it for a day. */
function inputName(task_id: string): string {
  return `batch-${task_id}.jsonl`;
}

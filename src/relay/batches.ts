/** Tasks that Kimi answers as a batch: within a day, at 60 % of the price. */
import { ApplicationFailure, Context, heartbeat } from '@temporalio/activity';
import type { Logger } from 'pino';
import * as z from 'zod';
import { beating } from '../activities/heartbeat.ts';
import { KimiError } from '../kimi/errors.ts';
import { parseJson, readRefusal } from '../kimi/refusal.ts';
import { backoffMs } from '../shared/backoff.ts';
import type { Callback } from '../shared/callback.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import type { RelayRequest, StreamProgress } from '../shared/relay.ts';
import { Answer } from './answer.ts';
import { AnswerReader } from './answer-reader.ts';
import { answered, failed } from './callbacks.ts';
import type { Documents } from './documents.ts';
import type { Batch, KimiBatches } from './kimi-batches.ts';
import type { KimiFiles } from './kimi-files.ts';
import type { OnInterrupt } from './next-step.ts';
import type { ReceivedStore } from './recordings.ts';
import type { TaskReports } from './reports.ts';

export interface BatchesDependencies {
  batches: Pick<KimiBatches, 'create' | 'get' | 'find' | 'cancel'>;
  files: Pick<KimiFiles, 'upload' | 'list' | 'text' | 'remove'>;
  documents: Pick<Documents, 'into' | 'forget'>;
  received: Pick<ReceivedStore, 'batchOf' | 'noteBatch'>;
  reports: Pick<TaskReports, 'begun' | 'problem'>;
  onInterrupt: OnInterrupt;
  log: Logger;
}

/** What is recorded of a task's batch. */
export interface RecordedBatch {
  /** When it was about to be made, in milliseconds since 1970. */
  creating?: number;
  id?: string;
  /** The task knows that Kimi has it. */
  begun?: true;
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

/** Each step is recorded before it is made, or found again at Kimi: after a crash no batch is made a second time. */
export class Batches {
  constructor(private readonly dependencies: BatchesDependencies) {}

  /**
   * @returns the callback, once Kimi has ended the batch
   * @throws {ApplicationFailure} `Held` while it has not: the engine looks again later
   */
  async answer(request: RelayRequest): Promise<Callback> {
    try {
      return await beating(async () => await this.look(request));
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
      const { kind, type, message } = error;
      this.dependencies.log.warn({ task_id: request.task_id, type, kind }, message);
      if (kind === 'refused' || kind === 'outcome_unknown') return failed(request, error.taskError);
      await this.dependencies.reports.problem(Context.current().client, request.task_id, error.taskError);
      throw ApplicationFailure.create({
        message,
        type: kind === 'turned_away' ? FAILURE.throttled : FAILURE.notSent,
        details: failureDetails(error),
        nextRetryDelay: error.options.retryAfterMs ?? backoffMs(LOOK_MS, Context.current().info.attempt),
      });
    }
  }

  /** Removes the files of a batch whose callback is safe; a batch that has not ended is cancelled. */
  async forget(request: RelayRequest): Promise<void> {
    const { batches, log } = this.dependencies;
    const { task_id } = request;
    try {
      const signal = AbortSignal.timeout(REMOVE_MS);
      const batch = await batches.find(task_id, signal);
      if (batch && PENDING.includes(batch.status)) await batches.cancel(batch.id, signal);
      await this.removeFiles(task_id, batch);
    } catch (err) {
      log.warn({ task_id, err }, 'the batch could not be cancelled at Kimi');
    }
  }

  private async look(request: RelayRequest): Promise<Callback> {
    const { batches, received, reports } = this.dependencies;
    const { client, cancellationSignal: signal } = Context.current();
    const { task_id } = request;
    const known = await received.batchOf(task_id);
    const batch =
      known.id === undefined ? await this.begin(request, known, signal) : await batches.get(known.id, signal);
    if (!known.begun) {
      // An hour or a day: the task counts from here.
      await reports.begun(client, task_id, signal);
      await received.noteBatch(task_id, { ...known, id: batch.id, begun: true });
    }
    if (PENDING.includes(batch.status)) throw pending(batch);
    return await this.read(request, batch, signal);
  }

  /** @throws {KimiError} */
  private async begin(request: RelayRequest, known: RecordedBatch, signal: AbortSignal): Promise<Batch> {
    const { batches, documents, received, onInterrupt, log } = this.dependencies;
    const { task_id } = request;
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
    const body = await documents.into(request, request.body, signal);
    const line = { custom_id: task_id, method: 'POST', url: '/v1/chat/completions', body };
    const input = await this.inputOf(task_id, Buffer.from(`${JSON.stringify(line)}\n`), signal);
    known.creating = Date.now();
    await received.noteBatch(task_id, known);
    try {
      const made = await batches.create(input, task_id, WINDOW, signal);
      log.info({ task_id, batch: made.id }, 'made a batch');
      return made;
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
      if (error.kind === 'outcome_unknown') throw error.asNotSent('batch_not_listed');
      await received.noteBatch(task_id, {});
      throw error;
    }
  }

  /** @returns the id of the uploaded request; that of an attempt before this one is used. */
  private async inputOf(task_id: string, content: Buffer, signal: AbortSignal): Promise<string> {
    const { files } = this.dependencies;
    const name = inputName(task_id);
    const uploaded = (await files.list(signal)).find(({ filename }) => filename === name);
    return (uploaded ?? (await files.upload(name, content, signal, 'batch'))).id;
  }

  private async read(request: RelayRequest, batch: Batch, signal: AbortSignal): Promise<Callback> {
    const file = batch.output_file_id ?? batch.error_file_id;
    if (!file) {
      const type = batch.status === 'expired' ? 'batch_expired' : 'batch_failed';
      const why = batch.errors ? `: ${JSON.stringify(batch.errors).slice(0, 500)}` : '';
      return failed(request, { type, message: `Kimi ended the batch without an answer (${batch.status})${why}` });
    }
    const text = await this.dependencies.files.text(file, signal);
    const lines = text.split('\n').flatMap((line) => outputLine.safeParse(parseJson(line)).data ?? []);
    const line = lines.find(({ custom_id }) => custom_id === request.task_id);
    const { status_code: status = 0, body } = line?.response ?? {};
    if (status !== 200) {
      const error = readRefusal(status, {}, body ?? { error: line?.error ?? { message: 'no answer' } });
      return failed(request, error.taskError);
    }
    const reader = new AnswerReader((clean) => clean);
    const answer = new Answer();
    for (const piece of [...reader.feed(JSON.stringify(body)), ...reader.end()]) answer.take(piece);
    const attempts = [{ continues: false, sent: true, answer }];
    return reader.failure ? failed(request, reader.failure.taskError, attempts) : answered(request, attempts);
  }

  private async removeFiles(task_id: string, batch: Batch | undefined): Promise<void> {
    const { files } = this.dependencies;
    const signal = AbortSignal.timeout(REMOVE_MS);
    const inputs = (await files.list(signal)).filter(({ filename }) => filename === inputName(task_id));
    const outputs = [batch?.output_file_id, batch?.error_file_id].filter((id) => typeof id === 'string');
    for (const id of [...inputs.map((input) => input.id), ...outputs]) await files.remove(id, signal);
  }
}

/** Not a name of {@link Documents}, which removes old uploads: Kimi may read it for a day. */
function inputName(task_id: string): string {
  return `batch-${task_id}.jsonl`;
}

function pending({ status }: Batch): ApplicationFailure {
  const progress: StreamProgress = { phase: 'batch', tokens: 0, tail: status };
  heartbeat({ ...progress, interruptions: 0 });
  return ApplicationFailure.create({
    message: `Kimi has not answered the batch yet (${status})`,
    type: FAILURE.held,
    nextRetryDelay: backoffMs(LOOK_MS, Context.current().info.attempt - 1),
  });
}

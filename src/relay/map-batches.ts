/** Batches for the rows of maps: Kimi answers the rows of a map together. */
import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { beating } from '../activities/heartbeat.ts';
import { KimiError } from '../kimi/errors.ts';
import { filesOf, requestFor } from '../kimi/request.ts';
import { documentsOf, storedFiles } from '../kimi/stored-file.ts';
import type { Callback } from '../shared/callback.ts';
import type { AnsweredRows, RowBatch, RowsToAsk } from '../shared/map.ts';
import type { RelayRequest } from '../shared/relay.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { Task } from '../shared/task.ts';
import { readOrder, tasksOfRows } from '../tasks/rows.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import {
  callbackOf,
  failureOf,
  inputLine,
  unansweredIn,
  type BatchInput,
  type BatchSteps,
  type OutputLine,
} from './batch-steps.ts';
import { failed } from './callbacks.ts';
import type { Documents } from './documents.ts';
import type { Batch } from './kimi-batches.ts';

export interface MapBatchesDependencies {
  steps: Pick<BatchSteps, 'obtain' | 'ended' | 'answersOf' | 'cancel' | 'forget'>;
  documents: Pick<Documents, 'into'>;
  /** Rows, orders and answers of maps. */
  contents: Pick<ContentStore, 'get' | 'put'>;
  /** The API behind the relay. */
  apiUrl: string;
  log: Logger;
  /** Largest input of a batch, in bytes; Moonshot's limit of a file by default. */
  maxInputBytes?: number;
}

const MAX_INPUT_BYTES = 100_000_000;

/** Answers are stored together until they have this size, in bytes: each row reads one such content. */
const CHUNK_BYTES = 128 * 1024;

/** The model that is asked for the rows of a map. */
type Asked = Pick<Task, 'task_name' | 'model'>;

export class MapBatches {
  constructor(private readonly dependencies: MapBatchesDependencies) {}

  /**
   * Makes one batch, for as many of the rows as fit into it.
   *
   * @returns Kimi's id of it, and how many rows it has
   * @throws {ApplicationFailure}
   */
  async make({ map, order, numbers }: RowsToAsk): Promise<{ id: string; rows: number }> {
    const { cancellationSignal: signal } = Context.current();
    const task_id = rowTaskId(map, numbers[0] ?? 0);
    return await this.reported(task_id, async () => {
      const input = async () => await this.inputOf({ map, order, numbers }, task_id, signal);
      const { id, metadata } = await this.dependencies.steps.obtain(task_id, input, signal);
      return { id, rows: Number(metadata?.['rows']) };
    });
  }

  /**
   * @returns the answers of a batch, once Kimi has ended it; rows without one have the reason, unless the batch was cancelled
   * @throws {ApplicationFailure} `Held` while it has not ended: the engine looks again later
   */
  async answers({ map, order }: Omit<RowsToAsk, 'numbers'>, batch: RowBatch): Promise<AnsweredRows[]> {
    const { cancellationSignal: signal } = Context.current();
    const { steps, contents } = this.dependencies;
    return await this.reported(batch.task_id, async () => {
      const ended = await steps.ended(batch.id, signal);
      const asked = await readOrder(contents, order);
      const rows = { map, numbers: batch.numbers };
      return await this.stored(callbacksIn(steps.answersOf(ended, signal), ended, asked, rows));
    });
  }

  /** Cancels a batch; what Kimi has answered by then is paid. */
  async cancel(task_id: string): Promise<void> {
    const { cancellationSignal: signal } = Context.current();
    await this.reported(task_id, async () => await this.dependencies.steps.cancel(task_id, signal));
  }

  /** Removes a batch whose answers are safe, or are not wanted. */
  async forget(task_id: string): Promise<void> {
    await beating(async () => await this.dependencies.steps.forget(task_id));
  }

  private async inputOf({ map, order, numbers }: RowsToAsk, task_id: string, signal: AbortSignal): Promise<BatchInput> {
    const { contents, documents, apiUrl, maxInputBytes = MAX_INPUT_BYTES } = this.dependencies;
    const asked = await readOrder(contents, order);
    const all = filesOf(asked);
    const stored = await storedFiles(contents, all);
    const read = { task_id, files: documentsOf(all) };
    const lines: Buffer[] = [];
    let size = 0;
    for await (const task of tasksOfRows(contents, map, asked, numbers)) {
      const body: RelayRequest['body'] = { ...requestFor(task, apiUrl, stored) };
      const line = Buffer.from(inputLine(task.task_id, await documents.into({ ...read, body }, body, signal)));
      if (lines.length > 0 && size + line.length > maxInputBytes) break;
      lines.push(line);
      size += line.length;
    }
    return { content: Buffer.concat(lines), metadata: { task_id, map, rows: String(lines.length) } };
  }

  private async stored(callbacks: AsyncIterable<[number, Callback]>): Promise<AnsweredRows[]> {
    const answered: AnsweredRows[] = [];
    let lines: string[] = [];
    let numbers: number[] = [];
    let size = 0;
    const store = async (): Promise<void> => {
      if (numbers.length > 0) {
        answered.push({ claim: await this.dependencies.contents.put(Buffer.from(lines.join('\n'))), numbers });
      }
      [lines, numbers, size] = [[], [], 0];
    };
    for await (const [number, callback] of callbacks) {
      const line = JSON.stringify(callback);
      lines.push(line);
      numbers.push(number);
      size += line.length;
      if (size >= CHUNK_BYTES) await store();
    }
    await store();
    return answered;
  }

  private async reported<T>(task_id: string, work: () => Promise<T>): Promise<T> {
    try {
      return await beating(work);
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
      const { kind, type, message } = error;
      this.dependencies.log.warn({ task_id, type, kind }, message);
      throw failureOf(error);
    }
  }
}

async function* callbacksIn(
  lines: AsyncIterable<OutputLine>,
  batch: Batch,
  asked: Asked,
  { map, numbers }: Pick<RowsToAsk, 'map' | 'numbers'>,
): AsyncGenerator<[number, Callback]> {
  const left = new Map(numbers.map((number) => [rowTaskId(map, number), number]));
  for await (const line of lines) {
    const number = left.get(line.custom_id);
    if (number === undefined) continue;
    left.delete(line.custom_id);
    yield [number, callbackOf(requestOf(line.custom_id, asked), line)];
  }
  if (batch.status === 'cancelled') return;
  for (const [task_id, number] of left) yield [number, failed(requestOf(task_id, asked), unansweredIn(batch))];
}

function requestOf(task_id: string, { task_name, model }: Asked): RelayRequest {
  return { task_id, task_name, body: { model, messages: [] } };
}

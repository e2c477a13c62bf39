/** Tasks that Kimi answers as a batch: within a day, at 60 % of the price. */
import { Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { beating } from '../activities/heartbeat.ts';
import { KimiError } from '../kimi/errors.ts';
import type { Callback } from '../shared/callback.ts';
import type { RelayRequest } from '../shared/relay.ts';
import { callbackOf, checkEnded, failureOf, inputLine, unansweredIn, type BatchSteps } from './batch-steps.ts';
import { failed } from './callbacks.ts';
import type { Documents } from './documents.ts';
import type { ReceivedStore } from './recordings.ts';
import type { TaskReports } from './reports.ts';

export interface BatchesDependencies {
  steps: Pick<BatchSteps, 'obtain' | 'answersOf' | 'forget'>;
  documents: Pick<Documents, 'into'>;
  received: Pick<ReceivedStore, 'batchOf' | 'noteBatch'>;
  reports: Pick<TaskReports, 'begun' | 'problem'>;
  log: Logger;
}

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
      throw failureOf(error);
    }
  }

  /** Removes the files of a batch whose callback is safe; a batch that has not ended is cancelled. */
  async forget({ task_id }: RelayRequest): Promise<void> {
    await this.dependencies.steps.forget(task_id);
  }

  private async look(request: RelayRequest): Promise<Callback> {
    const { steps, documents, received, reports } = this.dependencies;
    const { client, cancellationSignal: signal } = Context.current();
    const { task_id } = request;
    const input = async () => {
      const body = await documents.into(request, request.body, signal);
      return { content: Buffer.from(inputLine(task_id, body)), metadata: { task_id } };
    };
    const batch = await steps.obtain(task_id, input, signal);
    const known = await received.batchOf(task_id);
    if (!known.begun) {
      // An hour or a day: the task counts from here.
      await reports.begun(client, task_id, signal);
      await received.noteBatch(task_id, { ...known, id: batch.id, begun: true });
    }
    for await (const line of steps.answersOf(checkEnded(batch), signal)) {
      if (line.custom_id === task_id) return callbackOf(request, line);
    }
    return failed(request, unansweredIn(batch));
  }
}

import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { connectClient } from '../client.ts';
import type { Payloads } from './converter.ts';
import type { PayloadFolder } from './stores.ts';
import { dayOf } from './storage.ts';

const DAY_MS = 24 * 3600 * 1000;

/** How long payloads are kept beyond what the engine keeps of a closed task, in milliseconds. */
const MARGIN_MS = 7 * DAY_MS;

/**
 * Removes stored payloads that the engine no longer keeps: those older than its retention and a week, and older than
 * every open workflow. What an open task may still need was stored after it was started, or a moment before, so one more day
 * is left standing; a task open for months keeps what is as old as itself, and everything younger.
 *
 * @returns the days that were removed, e.g. `2026-11-24`.
 */
export async function sweepPayloads(folder: PayloadFolder, client: Client, now = Date.now()): Promise<string[]> {
  const { namespace } = client.options;
  const { config } = await client.workflowService.describeNamespace({ namespace });
  const retentionMs = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1000;
  let keepFrom = now - retentionMs - MARGIN_MS;
  const older = `ExecutionStatus = 'Running' AND StartTime < '${new Date(keepFrom).toISOString()}'`;
  for await (const { startTime } of client.workflow.list({ query: older })) {
    keepFrom = Math.min(keepFrom, startTime.getTime());
  }
  return await folder.removeBefore(dayOf(keepFrom - DAY_MS));
}

/** Sweeps now and once a day. A sweep that fails is said, and done by the next. */
export function sweepDaily({ folder, dataConverter }: Payloads, log: Logger): void {
  const sweep = async (): Promise<void> => {
    try {
      const client = await connectClient(dataConverter);
      try {
        const days = await sweepPayloads(folder, client);
        if (days.length > 0) log.info({ days }, 'removed payloads that the engine no longer keeps');
      } finally {
        await client.connection.close();
      }
    } catch (error) {
      log.warn(`old payloads were not removed, which is tried again tomorrow: ${(error as Error).message}`);
    }
  };
  void sweep();
  setInterval(() => void sweep(), DAY_MS).unref();
}

import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { ScheduleMemo } from '../../schedules/schedules.ts';
import { MAP_WORKFLOW } from '../../shared/names.ts';
import { connectClient } from '../client.ts';
import { createdAt } from '../task-list.ts';
import type { Payloads } from './converter.ts';
import type { PayloadFolder } from './stores.ts';
import { dayOf } from './storage.ts';

const DAY_MS = 24 * 3600 * 1000;

/** How long payloads are kept beyond the engine's retention of a closed task, in milliseconds. */
const MARGIN_MS = 7 * DAY_MS;

/**
 * Removes stored payloads that the engine no longer references: older than its retention plus a week, and older than every open
 * workflow, and every schedule that has stored something. A task's payloads may be stored a moment before it starts, so one more day is kept. A task that is open for months keeps
 * all payloads since its start.
 *
 * @returns the days that were removed, e.g. `2026-11-24`.
 */
export async function sweepPayloads(folder: PayloadFolder, client: Client, now = Date.now()): Promise<string[]> {
  const { namespace } = client.options;
  const { config } = await client.workflowService.describeNamespace({ namespace });
  const retentionMs = Number(config?.workflowExecutionRetentionTtl?.seconds ?? 0) * 1000;
  let keepFrom = now - retentionMs - MARGIN_MS;
  const isOlder = `StartTime < '${new Date(keepFrom).toISOString()}'`;
  const older = `ExecutionStatus = 'Running' AND (${isOlder} OR WorkflowType = '${MAP_WORKFLOW}')`;
  for await (const execution of client.workflow.list({ query: older })) {
    // The workflow of a map continues as new, and its rows are as old as its first run.
    keepFrom = Math.min(keepFrom, Date.parse(createdAt(execution) ?? execution.startTime.toISOString()));
  }
  for await (const { memo } of client.schedule.list()) {
    const { stored, created_at = '' } = (memo ?? {}) as Partial<ScheduleMemo>;
    if (stored) keepFrom = Math.min(keepFrom, Date.parse(created_at));
  }
  return await folder.removeBefore(dayOf(keepFrom - DAY_MS));
}

/** Sweeps now and once a day. A failed sweep is logged and repeated the next day. */
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
      log.warn(`old payloads were not removed; retrying tomorrow: ${(error as Error).message}`);
    }
  };
  void sweep();
  setInterval(() => void sweep(), DAY_MS).unref();
}

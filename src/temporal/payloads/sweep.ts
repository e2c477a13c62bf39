import type { Client } from '@temporalio/client';
import type { Logger } from 'pino';
import type { Payload } from '@temporalio/common';
import { decodeMapFromPayloads } from '@temporalio/common/lib/internal-non-workflow/index.js';
import { ServiceError } from '../../service/exit.ts';
import type { ScheduleMemo } from '../../schedules/schedules.ts';
import { schedulesOf } from '../schedule-list.ts';
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
 * Removes stored payloads that the engine no longer references: older than its retention plus a week, older than every open
 * workflow, and than every schedule that has stored something. A task's payloads may be stored a moment before it starts, so one more
 * day is kept. A task that is open for months keeps all payloads since its start.
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
  for await (const { memo } of schedulesOf(client)) {
    if (!memo?.fields || !('stored' in memo.fields)) continue;
    keepFrom = Math.min(keepFrom, await addedAt(client, memo.fields));
  }
  return await folder.removeBefore(dayOf(keepFrom - DAY_MS));
}

/**
 * @returns when a schedule was added, in milliseconds since 1970; `Infinity` for that of a stack with other keys, and so with a storage of
 *   its own
 */
async function addedAt(client: Client, fields: Record<string, Payload>): Promise<number> {
  try {
    const memo = await decodeMapFromPayloads<keyof ScheduleMemo>(client.options.loadedDataConverter, fields);
    return Date.parse(String(memo?.created_at));
  } catch (error) {
    const isOthers = error instanceof ServiceError && ['payload_key_missing', 'payload_key_wrong'].includes(error.code);
    if (isOthers) return Infinity;
    throw error;
  }
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

/** Removes what is known of a task: its result, and what the engine has of it. */
import { existsSync } from 'node:fs';
import type { Client } from '@temporalio/client';
import { removeRequest } from '../relay/client.ts';
import { retriesIn, retriesOf } from '../results/map-result.ts';
import type { ResultStore } from '../results/store.ts';
import { notifyWorkflowId } from '../shared/names.ts';
import type { ResultFile } from '../shared/result.ts';
import { GRPC, grpcErrorIn, unlessUnknown } from '../temporal/client.ts';
import { Problem } from './problem.ts';

/** A task that can be removed. */
interface Removable {
  task_id: string;
  /** Its result; absent if that is gone. */
  saved: ResultFile | undefined;
  /** Of a map: the tasks of its rows. */
  rows: string[];
  /** Its run; absent if the engine has forgotten it. */
  runId: string | undefined;
}

/** Why a task is kept: it is open, and would save its result again; or a map would miss its answer. */
export type Kept = { kept: 'open' } | { kept: 'row' | 'retried'; by: string };

/** @throws {Problem} `unknown_task` */
export async function removable(client: Client, results: ResultStore, task_id: string): Promise<Removable | Kept> {
  const found = await unlessUnknown(client.workflow.getHandle(task_id).describe());
  const isRemoved = !found || (await results.removed.ids()).has(task_id);
  if (isRemoved && results.sizeOf(task_id) === 0) throw new Problem('unknown_task', { task_id });
  if (found?.status.name === 'RUNNING') return { kept: 'open' };
  const saved = await results.readIfSound(task_id);
  const needed = saved && (await neededBy(saved, results));
  return needed ?? { task_id, saved, rows: saved ? await results.rowIdsOf(saved) : [], runId: found?.runId };
}

/** A row of a map, or a map whose failed rows another one asked again. */
async function neededBy({ task_id, row, map }: ResultFile, results: ResultStore): Promise<Kept | undefined> {
  if (row) {
    const isKept =
      existsSync(results.resultPath(row.map)) || results.pending().some((each) => each.task_id === row.map);
    return isKept ? { kept: 'row', by: row.map } : undefined;
  }
  const retry = map && retriesOf(task_id, await retriesIn(results)).at(-1);
  return retry === undefined ? undefined : { kept: 'retried', by: retry };
}

export async function removeTask(
  client: Client,
  results: ResultStore,
  { task_id, saved, rows, runId }: Removable,
): Promise<void> {
  // The file first: without it the task is listed as one whose result is gone, and can be removed again.
  await results.remove(task_id);
  // Its events have the answer too.
  for (const event of [task_id, `${task_id}-late`]) await removeExecution(client, notifyWorkflowId(event));
  if (runId === undefined) return;
  await removeWorkflow(client, task_id, runId);
  for (const row of rows) await removeWorkflow(client, row);
  if (saved?.map) await removeEarlierRuns(client, task_id);
  await results.removed.note(task_id, ...rows);
}

/** Removes a workflow, and its request at the relay, from the engine, unless its retention is over. @param runId the last run if absent */
async function removeWorkflow(client: Client, workflowId: string, runId?: string): Promise<void> {
  await removeExecution(client, workflowId, runId);
  await removeRequest(client, workflowId);
}

async function removeExecution(client: Client, workflowId: string, runId?: string): Promise<void> {
  const { namespace } = client.options;
  const workflowExecution = { workflowId, ...(runId !== undefined && { runId }) };
  await client.workflowService.deleteWorkflowExecution({ namespace, workflowExecution }).catch((error: unknown) => {
    if (grpcErrorIn(error)?.code !== GRPC.NOT_FOUND) throw error;
  });
}

/** The workflow of a map continues as new. */
async function removeEarlierRuns(client: Client, workflowId: string): Promise<void> {
  const query = `WorkflowId = "${workflowId}" AND ExecutionStatus = "ContinuedAsNew"`;
  for await (const { runId } of client.workflow.list({ query })) await removeWorkflow(client, workflowId, runId);
}

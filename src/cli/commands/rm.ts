import { existsSync } from 'node:fs';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import { removeRequest } from '../../relay/client.ts';
import { notifyWorkflowId } from '../../shared/names.ts';
import { oneLine } from '../../shared/format.ts';
import { retriesIn, retriesOf } from '../../results/map-result.ts';
import type { ResultStore } from '../../results/store.ts';
import type { ResultFile } from '../../shared/result.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { Problem } from '../../tasks/problem.ts';
import { grpcErrorIn, unlessUnknown } from '../../temporal/client.ts';
import { isAgreed } from '../ask.ts';
import { openContext, withClient } from '../context.ts';
import { CliError } from '../exit.ts';
import { namedTask } from '../named-task.ts';
import { command, ending } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the question that are shown. */
const QUESTION_CHARS = 80;

/** gRPC's code. */
const NOT_FOUND = 5;

export function rmCommand(say: CliText): Command {
  return command('rm', say, say.help.rm, ['kimi-dispatch rm kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task)
    .option('-y, --yes', say.help.rmYes)
    .action(ending(async (word: string, options: { yes?: true }) => await remove(word, options, say)));
}

/** @returns why an open task is not removed, and how it ends. */
async function whyKept(task_id: string, results: ResultStore, say: CliText): Promise<string> {
  const saved = await results.readIfSound(task_id);
  if (!saved) return say.rm.open(task_id);
  return saved.acknowledged ? say.rm.awaitsLate(task_id) : say.rm.unacknowledged(task_id);
}

/** @returns why a task is not removed whose answer a map would miss: a row of one, or a map whose failed rows another one asked again. */
async function whyNeeded(saved: ResultFile, results: ResultStore, say: CliText): Promise<string | undefined> {
  const { task_id, row, map } = saved;
  if (row) {
    const isKept =
      existsSync(results.resultPath(row.map)) || results.pending().some((each) => each.task_id === row.map);
    return isKept ? say.rm.row(task_id, row.map) : undefined;
  }
  const retry = map && retriesOf(task_id, await retriesIn(results)).at(-1);
  return retry === undefined ? undefined : say.rm.retried(task_id, retry);
}

/** @returns name and question of a task; empty if its result is gone. */
function describe(saved: ResultFile | undefined, results: ResultStore): string {
  if (!saved) return '';
  const { question } = results.noteOf(saved);
  return [saved.task_name, question && oneLine(question, QUESTION_CHARS)].filter(Boolean).join('  ');
}

/** Removes the result and what the engine knows of a task. An open one would save its result again. */
async function remove(word: string, { yes }: { yes?: true }, say: CliText): Promise<Exit> {
  const { task_id } = await namedTask(word, await openTasks(), say, { purpose: 'remove' });
  const context = await openContext();
  const { results } = context;
  await withClient(context, async (client) => {
    const found = await unlessUnknown(client.workflow.getHandle(task_id).describe());
    const isRemoved = !found || (await results.removed.ids()).has(task_id);
    if (isRemoved && (await results.sizeOf(task_id)) === 0) throw new Problem('unknown_task', { task_id });
    if (found?.status.name === 'RUNNING') throw new CliError(EXIT.unfinished, await whyKept(task_id, results, say));
    const saved = await results.readIfSound(task_id);
    const needed = saved && (await whyNeeded(saved, results, say));
    if (needed !== undefined) throw new CliError(EXIT.unfinished, needed);
    if (!yes && !process.stdin.isTTY) throw new CliError(EXIT.usage, say.rm.noTerminal(task_id));
    const rows = saved ? await results.rowIdsOf(saved) : [];
    const later = results.continuationsOf([task_id, ...rows]);
    if (later > 0) console.error(say.rm.continued(later));
    if (!yes && !(await isAgreed(say.rm.question(task_id, describe(saved, results))))) {
      console.log(say.rm.left);
      return;
    }
    // The file first: without it the task is listed as one whose result is gone, and can be removed again.
    await results.remove(task_id);
    // Its events have the answer too.
    for (const event of [task_id, `${task_id}-late`]) await removeExecution(client, notifyWorkflowId(event));
    if (found) {
      await removeWorkflow(client, task_id, found.runId);
      for (const row of rows) await removeWorkflow(client, row);
      if (saved?.map) await removeEarlierRuns(client, task_id);
      await results.removed.add(task_id, ...rows);
    }
    console.log(say.rm.done(task_id));
  });
  return EXIT.ok;
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
    if (grpcErrorIn(error)?.code !== NOT_FOUND) throw error;
  });
}

/** The workflow of a map continues as new. */
async function removeEarlierRuns(client: Client, workflowId: string): Promise<void> {
  const query = `WorkflowId = "${workflowId}" AND ExecutionStatus = "ContinuedAsNew"`;
  for await (const { runId } of client.workflow.list({ query })) await removeWorkflow(client, workflowId, runId);
}

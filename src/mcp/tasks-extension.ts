/**
 * MCP's Tasks extension (SEP-2663), for clients that declare it with their request: what a client of it calls a task is the task itself, under
 * its own id, so that it survives both processes. Only protocol 2026-07-28 has it.
 */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type ClientCapabilities,
  type McpServer,
  type ServerContext,
} from '@modelcontextprotocol/server';
import * as z from 'zod';
import { taskParams } from '../api/schemas.ts';
import type { Lang } from '../shared/task.ts';
import { Problem } from '../tasks/problem.ts';
import type { Standing, Tasks } from '../tasks/tasks.ts';
import { hasResult } from '../tasks/view.ts';
import { resultToSend, type Door } from './door.ts';
import { progressOf, resultOf } from './sentences.ts';

const TASKS = 'io.modelcontextprotocol/tasks';

/** Suggested polling interval, in milliseconds. */
const POLL_MS = 2_000;

const params = z.looseObject({ taskId: taskParams.shape.task_id });

/** @returns whether the client of a request takes a task in place of a result. */
export function isOfTasks({ mcpReq }: ServerContext): boolean {
  const envelope: Record<string, unknown> = mcpReq.envelope ?? {};
  const { extensions } = (envelope[CLIENT_CAPABILITIES_META_KEY] ?? {}) as ClientCapabilities;
  return extensions?.[TASKS] !== undefined;
}

/** Offers the extension. */
export function addTasksExtension(server: McpServer, door: Door): void {
  server.server.registerCapabilities({ extensions: { [TASKS]: {} } });
  const handle = (method: string, work: (tasks: Tasks, taskId: string) => Promise<object>): void =>
    server.server.setRequestHandler(method, { params }, async ({ taskId }, ctx) => {
      if (!isOfTasks(ctx)) {
        throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { extensions: { [TASKS]: {} } } });
      }
      try {
        return { ...(await work(await door.open(), taskId)) };
      } catch (error) {
        const isUnknown = error instanceof Problem && error.code === 'unknown_task';
        const code = isUnknown ? ProtocolErrorCode.InvalidParams : ProtocolErrorCode.InternalError;
        throw new ProtocolError(code, await door.explain(error, taskId));
      }
    });

  handle('tasks/get', async (tasks, taskId) => {
    const task = await tasks.find(taskId);
    return { ...viewOf(task, door.lang), ...(await endOf(task, tasks, door)) };
  });
  // No task asks its client for anything.
  handle('tasks/update', async (tasks, taskId) => {
    await tasks.find(taskId);
    return {};
  });
  // It only acknowledges the request; tasks/get has the outcome.
  handle('tasks/cancel', async (tasks, taskId) => {
    await tasks.cancel(taskId).catch((error: unknown) => {
      if (!(error instanceof Problem) || !['already_ended', 'still_ending', 'no_worker'].includes(error.code))
        throw error;
    });
    return {};
  });
}

/** @returns what a tool answers in place of its result. */
export function createdTask(task: Standing, lang: Lang): { resultType: 'task'; [member: string]: unknown } {
  return { resultType: 'task', ...viewOf(task, lang), status: 'working' };
}

function viewOf(task: Standing, lang: Lang): object {
  const { task_id: taskId, created_at: createdAt, accepted_at, completed_at } = task;
  return {
    taskId,
    status: 'working',
    statusMessage: progressOf(task, lang),
    createdAt,
    lastUpdatedAt: completed_at ?? accepted_at ?? createdAt,
    ttlMs: null,
    pollIntervalMs: POLL_MS,
  };
}

/** @returns the status of a task that has ended, with its result. A task that failed is completed: its result says so. */
async function endOf(task: Standing, tasks: Tasks, door: Door): Promise<object> {
  const { lang, explain } = door;
  const { task_id, state, ended, missing_file: missing } = task;
  const failed = async (problem: Problem): Promise<object> => {
    const message = await explain(problem, task_id);
    return { status: 'failed', error: { code: ProtocolErrorCode.InternalError, message } };
  };
  if (ended !== undefined) return await failed(new Problem('ended', { task_id, how: ended }));
  if (!hasResult(task)) return {};
  if (state === 'cancelled') return { status: 'cancelled' };
  if (missing !== undefined) return await failed(new Problem('result_gone', { task_id, file: missing }));
  const result = resultOf(await resultToSend(door, tasks, task_id), lang);
  return {
    status: 'completed',
    result: { resultType: 'complete', ...result, ...(state !== 'done' && { isError: true }) },
  };
}

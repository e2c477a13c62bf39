/** The operations of the API: the server and the OpenAPI document are made from this table. */
import type { Request, Response } from 'express';
import type * as z from 'zod';
import type { Route } from '../shared/chat.ts';
import { HttpError } from '../service/http.ts';
import { parseTaskId } from '../shared/task-id.ts';
import { Problem } from '../tasks/problem.ts';
import type { CallerTasks, Filter, NewMap, NewTask, Tasks } from '../tasks/tasks.ts';
import { isUnheard } from '../tasks/view.ts';
import {
  checkConversation,
  keyOf,
  present,
  read,
  targetOf,
  OF_A_NEW_TASK,
  OF_A_QUESTION,
  UNREADABLE,
  type Operation,
} from './operation.ts';
import { acknowledgeOnceSent } from './once-sent.ts';
import { taskEvent } from './event-schemas.ts';
import { allowance } from './wait-schemas.ts';
import { usage } from './limit-schemas.ts';
import { storedRows } from './map-schemas.ts';
import { InvalidRequest } from './problems.ts';
import { taskFile } from './question-schemas.ts';
import { SCHEDULE_OPERATIONS } from './schedule-operations.ts';
import * as schemas from './schemas.ts';

const OF_A_CHAT = ['unknown_task', 'engine_unreachable', 'engine_lost'];

const OF_A_START = [
  ...OF_A_NEW_TASK,
  'key_reused',
  'chat_limit',
  'no_api_key',
  'engine_silent',
  'engine_unreachable',
  'engine_lost',
];

export const OPERATIONS: readonly Operation[] = [
  {
    id: 'startTask',
    method: 'post',
    path: '/v1/tasks',
    summary: 'Start a task',
    body: schemas.newTask,
    hasKey: true,
    answers: { 201: schemas.startedTask, 200: schemas.startedTask },
    problems: OF_A_START,
    run: startTask,
  },
  {
    id: 'keepFile',
    method: 'post',
    path: '/v1/files',
    summary: 'Store a file for a task that is started next',
    query: schemas.fileQuery,
    isUpload: true,
    answers: { 201: taskFile },
    problems: ['unusable_file'],
    run: async (tasks, request, response) => {
      const { name } = read(schemas.fileQuery, request.query, 'query');
      if (!Buffer.isBuffer(request.body)) throw new HttpError(415, 'not_a_file', 'Send application/octet-stream');
      const kept = await tasks.keep({ name, content: request.body });
      response.status(201);
      return kept;
    },
  },
  {
    id: 'startMap',
    method: 'post',
    path: '/v1/maps',
    summary: 'Start a map: a task for each row of a file',
    body: schemas.newMap,
    hasKey: true,
    answers: { 201: schemas.startedMap, 200: schemas.startedMap },
    problems: [
      ...OF_A_QUESTION,
      'unusable_rows',
      'no_column',
      'unknown_column',
      'unusable_row',
      'no_map',
      'no_failed_rows',
      'rows_gone',
      'key_reused',
      'chat_limit',
      'no_api_key',
      'engine_unreachable',
      'engine_lost',
    ],
    run: startMap,
  },
  {
    id: 'getMap',
    method: 'get',
    path: '/v1/maps/{task_id}',
    summary: 'Show a map, with its rows by outcome',
    query: schemas.chatQuery,
    answers: { 200: schemas.task },
    problems: [...OF_A_CHAT, 'no_map', 'no_worker', 'unusable_files'],
    run: async (tasks, request) => {
      const found = await tasks.find(idOf(request), chatOf(request));
      if (!found.map) throw new Problem(isUnheard(found) ? 'no_worker' : 'no_map', { task_id: found.task_id });
      return found;
    },
  },
  {
    id: 'keepRows',
    method: 'post',
    path: '/v1/rows',
    summary: 'Store the rows of a file (.jsonl, .csv, .txt) for a map that is started next',
    query: schemas.fileQuery,
    isUpload: true,
    answers: { 201: storedRows },
    problems: ['unusable_rows'],
    run: async (tasks, request, response) => {
      const { name } = read(schemas.fileQuery, request.query, 'query');
      if (!Buffer.isBuffer(request.body)) throw new HttpError(415, 'not_a_file', 'Send application/octet-stream');
      const kept = await tasks.keepRows({ name, content: request.body });
      response.status(201);
      return kept;
    },
  },
  {
    id: 'listTasks',
    method: 'get',
    path: '/v1/tasks',
    summary: 'List tasks, the newest first',
    query: schemas.listQuery,
    answers: { 200: schemas.taskList },
    problems: ['engine_unreachable', 'engine_lost'],
    run: async (tasks, request) => {
      const { route, limit, cursor, since_ms: since, ...rest } = read(schemas.listQuery, request.query, 'query');
      const filter: Filter = present({ ...rest, since, route: targetOf(route) });
      return await tasks.list(filter, limit, cursor);
    },
  },
  {
    id: 'getTask',
    method: 'get',
    path: '/v1/tasks/{task_id}',
    summary: 'Show a task',
    query: schemas.chatQuery,
    answers: { 200: schemas.task },
    problems: [...OF_A_CHAT, 'unusable_files'],
    run: async (tasks, request) => await tasks.find(idOf(request), chatOf(request)),
  },
  {
    id: 'removeTask',
    method: 'delete',
    path: '/v1/tasks/{task_id}',
    summary: 'Remove a task that has ended, a map with its rows',
    query: schemas.chatQuery,
    answers: { 200: schemas.removal },
    problems: [...OF_A_CHAT, 'still_open', 'needed', 'unusable_files'],
    run: remove,
  },
  {
    id: 'getResult',
    method: 'get',
    path: '/v1/tasks/{task_id}/result',
    summary: 'Get the result of a task',
    query: schemas.chatQuery,
    answers: { 200: schemas.result },
    problems: [...OF_A_CHAT, ...UNREADABLE],
    run: async (tasks, request, response) => {
      const result = await tasks.result(idOf(request), chatOf(request));
      acknowledgeOnceSent(tasks, result, response);
      return result;
    },
  },
  {
    id: 'getQuestion',
    method: 'get',
    path: '/v1/tasks/{task_id}/question',
    summary: 'Get what a task with a result was asked',
    query: schemas.chatQuery,
    answers: { 200: schemas.question },
    problems: [...OF_A_CHAT, ...UNREADABLE, 'no_question'],
    run: async (tasks, request) => await tasks.question(idOf(request), chatOf(request)),
  },
  {
    id: 'followTask',
    method: 'get',
    path: '/v1/tasks/{task_id}/events',
    summary: 'Follow a task to its outcome, by server-sent events',
    query: schemas.eventsQuery,
    isStream: true,
    answers: { 200: taskEvent },
    problems: [...OF_A_CHAT, 'unusable_files'],
    run: async (tasks, request, response, streams) => {
      const task_id = idOf(request);
      const { route, text } = read(schemas.eventsQuery, request.query, 'query');
      const chat = targetOf(route);
      const whole = async () => await textOf(tasks, task_id, chat);
      streams.answer(await tasks.find(task_id, chat), request, response, text && whole);
      return undefined;
    },
  },
  {
    id: 'continueTask',
    method: 'post',
    path: '/v1/tasks/{task_id}/continue',
    summary: 'Continue the conversation of a task with another question: starts a task',
    body: schemas.followUp,
    hasKey: true,
    answers: { 201: schemas.startedTask, 200: schemas.startedTask },
    problems: OF_A_START,
    run: async (tasks, request, response) =>
      await start(
        tasks,
        { ...read(schemas.followUp, request.body, 'body'), continue: idOf(request) },
        request,
        response,
      ),
  },
  {
    id: 'cancelTask',
    method: 'post',
    path: '/v1/tasks/{task_id}/cancel',
    summary: 'Cancel a task and wait for its end',
    body: schemas.chatBody,
    answers: { 200: schemas.cancellation },
    problems: [...OF_A_CHAT, 'already_ended', 'still_ending', 'no_worker'],
    run: async (tasks, request) => {
      const { route } = read(schemas.chatBody, request.body ?? {}, 'body');
      return await tasks.cancel(idOf(request), targetOf(route));
    },
  },
  {
    id: 'allowTask',
    method: 'post',
    path: '/v1/tasks/{task_id}/allow',
    summary: 'Send a task that waits for a budget, whatever it costs',
    body: schemas.chatBody,
    answers: { 200: allowance },
    problems: [...OF_A_CHAT, 'not_paused', 'no_worker'],
    run: async (tasks, request) => {
      const { route } = read(schemas.chatBody, request.body ?? {}, 'body');
      return await tasks.allow(idOf(request), targetOf(route));
    },
  },
  {
    id: 'acknowledgeTask',
    method: 'post',
    path: '/v1/tasks/{task_id}/ack',
    summary: 'Acknowledge a notification: the user has seen it',
    body: schemas.acknowledgement,
    answers: { 200: schemas.acknowledged },
    problems: [...OF_A_CHAT, ...UNREADABLE, 'not_late'],
    run: acknowledge,
  },
  {
    id: 'listResults',
    method: 'get',
    path: '/v1/results',
    summary: 'List the results that are not acknowledged, the oldest first',
    query: schemas.resultsQuery,
    answers: { 200: schemas.resultList },
    problems: ['unusable_files'],
    run: async (tasks, request) => {
      read(schemas.resultsQuery, request.query, 'query');
      return { results: await tasks.unacknowledged() };
    },
  },
  {
    id: 'getLatestResult',
    method: 'get',
    path: '/v1/results/latest',
    summary: 'Get the newest result',
    query: schemas.chatQuery,
    answers: { 200: schemas.result },
    problems: ['no_results', 'engine_unreachable', 'engine_lost', 'unusable_files'],
    run: async (tasks, request) => await tasks.result(undefined, chatOf(request)),
  },
  {
    id: 'getLimits',
    method: 'get',
    path: '/v1/limits',
    summary: 'Show the limits, and how much of them is used',
    answers: { 200: usage },
    problems: ['no_worker', 'engine_unreachable', 'engine_lost'],
    run: async (tasks) => await tasks.limits(),
  },
  ...SCHEDULE_OPERATIONS,
];

async function startTask(tasks: Tasks, request: Request, response: Response): Promise<object> {
  const wanted = read(schemas.newTask, request.body, 'body');
  checkConversation(wanted);
  return await start(tasks, wanted, request, response);
}

async function start(
  tasks: Tasks,
  { wait_ms: waitMs, route, resend_unknown: resend, ...rest }: z.output<typeof schemas.newTask>,
  request: Request,
  response: Response,
): Promise<object> {
  const task: NewTask = present({ ...rest, route: targetOf(route), resend_unknown: resend || undefined });
  const started = await tasks.start(task, keyOf(request), waitMs);
  response.status(started.status === 'known' ? 200 : 201).location(`/v1/tasks/${started.task_id}`);
  return started;
}

async function startMap(tasks: Tasks, request: Request, response: Response): Promise<object> {
  const { route, resend_unknown: resend, ...rest } = read(schemas.newMap, request.body, 'body');
  const map: NewMap = present({ ...rest, route: targetOf(route), resend_unknown: resend || undefined });
  const started = await tasks.startMap(map, keyOf(request));
  response.status(started.status === 'known' ? 200 : 201).location(`/v1/tasks/${started.task_id}`);
  return started;
}

async function remove(tasks: CallerTasks, request: Request): Promise<object> {
  const task_id = idOf(request);
  const kept = await tasks.remove(task_id, chatOf(request));
  if (!kept) return { task_id, status: 'removed' };
  throw kept.kept === 'open' ? new Problem('still_open', { task_id }) : new Problem('needed', { task_id, by: kept.by });
}

async function acknowledge(tasks: Tasks, request: Request): Promise<object> {
  const task_id = idOf(request);
  const { route, notification = task_id } = read(schemas.acknowledgement, request.body ?? {}, 'body');
  const reference = parseTaskId(notification);
  if (reference?.task_id !== task_id) {
    throw new InvalidRequest('body', [{ path: ['notification'], message: 'is of another task' }]);
  }
  return await tasks.acknowledge(reference, targetOf(route));
}

/** @returns the text of a result; `undefined` if the result is gone. */
async function textOf(tasks: Tasks, task_id: string, chat: Route | undefined): Promise<string | undefined> {
  try {
    const { output, partial_output: partial } = await tasks.result(task_id, chat);
    return output ?? partial;
  } catch (error) {
    if (error instanceof Problem) return undefined;
    throw error;
  }
}

function idOf({ params }: Request): string {
  return read(schemas.taskParams, params, 'path').task_id;
}

function chatOf({ query }: Request): Route | undefined {
  return targetOf(read(schemas.chatQuery, query, 'query').route);
}

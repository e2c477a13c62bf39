/** The operations on schedules. */
import type { Request, Response } from 'express';
import type { NewSchedule } from '../schedules/schedules.ts';
import type { Route } from '../shared/chat.ts';
import type { NewTask, Tasks } from '../tasks/tasks.ts';
import {
  checkConversation,
  keyOf,
  OF_A_NEW_TASK,
  present,
  read,
  targetOf,
  UNREADABLE,
  type Operation,
} from './operation.ts';
import * as schemas from './schedule-schemas.ts';
import { chatBody, chatQuery, startedTask } from './schemas.ts';

const OF_THE_ENGINE = ['engine_unreachable', 'engine_lost'];
const OF_ONE = ['unknown_schedule', ...OF_THE_ENGINE];

export const SCHEDULE_OPERATIONS: readonly Operation[] = [
  {
    id: 'addSchedule',
    method: 'post',
    path: '/v1/schedules',
    summary: 'Add a schedule',
    body: schemas.newSchedule,
    hasKey: true,
    answers: { 201: schemas.schedule },
    problems: [...OF_A_NEW_TASK, 'schedule_exists', 'unknown_times', 'never_due', 'unknown_timezone', ...OF_THE_ENGINE],
    run: addSchedule,
  },
  {
    id: 'listSchedules',
    method: 'get',
    path: '/v1/schedules',
    summary: 'List all schedules',
    query: chatQuery,
    answers: { 200: schemas.scheduleList },
    problems: OF_THE_ENGINE,
    run: async (tasks, request) => ({ schedules: await tasks.schedules.list(inQuery(request)) }),
  },
  {
    id: 'pauseSchedule',
    method: 'post',
    path: '/v1/schedules/{name}/pause',
    summary: 'Pause a schedule',
    body: chatBody,
    answers: { 200: schemas.schedule },
    problems: OF_ONE,
    run: async (tasks, request) => await tasks.schedules.pause(nameOf(request), inBody(request)),
  },
  {
    id: 'resumeSchedule',
    method: 'post',
    path: '/v1/schedules/{name}/resume',
    summary: 'Resume a schedule',
    body: chatBody,
    answers: { 200: schemas.schedule },
    problems: OF_ONE,
    run: async (tasks, request) => await tasks.schedules.resume(nameOf(request), inBody(request)),
  },
  {
    id: 'runSchedule',
    method: 'post',
    path: '/v1/schedules/{name}/run',
    summary: 'Start the task of a schedule now',
    body: schemas.newRun,
    hasKey: true,
    answers: { 201: startedTask, 200: startedTask },
    problems: [
      ...OF_ONE,
      'unknown_task',
      ...UNREADABLE,
      'unusable_request',
      'chat_limit',
      'no_api_key',
      'engine_silent',
    ],
    run: runSchedule,
  },
  {
    id: 'removeSchedule',
    method: 'delete',
    path: '/v1/schedules/{name}',
    summary: 'Remove a schedule',
    query: chatQuery,
    answers: { 200: schemas.removedSchedule },
    problems: OF_ONE,
    run: async (tasks, request) => {
      const name = nameOf(request);
      await tasks.schedules.remove(name, inQuery(request));
      return { name };
    },
  },
];

async function addSchedule(tasks: Tasks, request: Request, response: Response): Promise<object> {
  const { task: asked, ...rest } = read(schemas.newSchedule, request.body, 'body');
  checkConversation(asked, ['task']);
  const { route, resend_unknown: resend, ...others } = asked;
  const task: NewTask = present({ ...others, route: targetOf(route), resend_unknown: resend || undefined });
  const wanted: NewSchedule = present({ ...rest, task });
  response.status(201);
  return await tasks.schedules.add(wanted, keyOf(request));
}

async function runSchedule(tasks: Tasks, request: Request, response: Response): Promise<object> {
  const { wait_ms: waitMs, route } = read(schemas.newRun, request.body ?? {}, 'body');
  const started = await tasks.schedules.run(nameOf(request), keyOf(request), waitMs, targetOf(route));
  response.status(started.status === 'known' ? 200 : 201).location(`/v1/tasks/${started.task_id}`);
  return started;
}

function inQuery({ query }: Request): Route | undefined {
  return targetOf(read(chatQuery, query, 'query').route);
}

function inBody({ body }: Request): Route | undefined {
  return targetOf(read(chatBody, body ?? {}, 'body').route);
}

function nameOf({ params }: Request): string {
  return read(schemas.scheduleParams, params, 'path').name;
}

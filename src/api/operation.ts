/** What an operation of the API is, and how it reads its request. */
import type { Request, Response } from 'express';
import type * as z from 'zod';
import { withTarget, type Route } from '../shared/chat.ts';
import { newKey } from '../tasks/task-id.ts';
import type { CallerTasks, NewTask } from '../tasks/tasks.ts';
import type { EventStreams } from './event-stream.ts';
import { InvalidRequest } from './problems.ts';
import * as schemas from './schemas.ts';

export interface Operation {
  id: string;
  method: 'get' | 'post' | 'delete';
  /** With parameters as in OpenAPI. */
  path: string;
  summary: string;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** Whether the body is a file, as it is. */
  isUpload?: true;
  /** Whether it answers with server-sent events. */
  isStream?: true;
  /** Whether `Idempotency-Key` counts; other operations may be repeated without one. */
  hasKey?: true;
  /** Schemas of the answers, by status. */
  answers: Record<number, z.ZodType>;
  /** Codes of its problems besides those of every operation. */
  problems: readonly string[];
  /** @returns the answer; `undefined` if it was sent */
  run: (tasks: CallerTasks, request: Request, response: Response, streams: EventStreams) => Promise<object | undefined>;
}

/** Codes of the problems of a task whose result cannot be read. */
export const UNREADABLE = ['unfinished', 'ended', 'result_gone', 'unusable_files'];

/** Codes of the problems of a question that cannot be asked as it is. */
export const OF_A_QUESTION = [
  'no_prompt',
  'bad_name',
  'bad_receiver',
  'too_long',
  'too_many_files',
  'files_too_large',
  'unusable_request',
  'no_function_result',
  'unknown_call',
  'unknown_task',
  ...UNREADABLE,
];

/** Codes of the problems of a task that cannot be started as it is. */
export const OF_A_NEW_TASK = [...OF_A_QUESTION, 'no_question', 'no_answer', 'other_kimi', 'conversation_gone'];

/** @throws {InvalidRequest} */
export function read<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  part: InvalidRequest['part'],
): z.output<Schema> {
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new InvalidRequest(part, parsed.error.issues);
  return parsed.data;
}

export function targetOf(route: z.output<typeof schemas.route> | undefined): Route | undefined {
  return route && withTarget(present(route));
}

type Present<T> = { [Key in keyof T]: Exclude<T[Key], undefined> };

/** @returns the object without members that are undefined. */
export function present<T extends object>(value: T): Present<T> {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as Present<T>;
}

/**
 * @param path of the task in the body
 * @throws {InvalidRequest} if a task continues a conversation and brings one
 */
export function checkConversation(task: Pick<NewTask, 'continue' | 'conversation'>, path: string[] = []): void {
  if (task.continue === undefined || !task.conversation) return;
  throw new InvalidRequest('body', [{ path: [...path, 'conversation'], message: 'is given by `continue`' }]);
}

/** @returns the `Idempotency-Key` of a request, or a new one. @throws {InvalidRequest} */
export function keyOf({ headers }: Pick<Request, 'headers'>): string {
  return read(schemas.keyHeader, headers, 'header')['idempotency-key'] ?? newKey();
}

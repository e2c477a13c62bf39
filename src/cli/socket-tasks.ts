/** Operations by the API of the running service. Loaded by every command: it must stay small. */
import { connect } from 'node:net';
import type { Route } from '../shared/chat.ts';
import type { StoredRows } from '../shared/map.ts';
import type { Question, ResultFile } from '../shared/result.ts';
import type { TaskReference } from '../shared/task-id.ts';
import { Problem } from '../tasks/problem.ts';
import { taskIdOf, timeOfKey } from '../tasks/task-id.ts';
import type { TaskFile } from '../shared/task.ts';
import type {
  Acknowledgement,
  Allowance,
  Attachment,
  Cancellation,
  Filter,
  NewMap,
  NewTask,
  Standing,
  StartedMap,
  StartedTask,
  TaskList,
  Tasks,
} from '../tasks/tasks.ts';
import { hasSentence } from './problem-sentence.ts';
import { routeQuery, SocketSchedules } from './socket-schedules.ts';

/** How long the service may take, in milliseconds: to read, and to wait for a worker (10 s for the end of a cancelled task). */
const TIMEOUT_MS = { GET: 5_000, POST: 15_000, DELETE: 15_000 };

/** How long the service may take to read and store a file, or to check the rows of one, in milliseconds. */
const KEEP_MS = 90_000;

/** Asks the service; `instead` does the same in this process. `isUncertain` if the service may have done it. */
export type Ask = <T>(wanted: Request, instead: (tasks: Tasks, isUncertain: boolean) => Promise<T>) => Promise<T>;

/** Errors of a connection that was never open. */
const NO_SERVICE = ['ENOENT', 'ECONNREFUSED', 'EACCES'];

interface Request {
  method: 'GET' | 'POST' | 'DELETE';
  path: string;
  query?: Record<string, string | undefined>;
  headers?: Record<string, string>;
  body?: object;
  /** A file, in place of a body. */
  file?: Buffer;
  /** By default as of its method. */
  timeoutMs?: number;
}

/** The service did not do it; `isUncertain` if that is unknown. */
class NotDone extends Error {
  constructor(
    message: string,
    readonly isUncertain: boolean,
  ) {
    super(message);
  }
}

/** Problems that the service reports before it does anything. */
const NOT_BEGUN = ['engine_unreachable', 'starting', 'not_found', 'method_not_allowed', 'invalid_request'];

/**
 * The operations, done by the service. What it does not do, because it ends, is too old, or has no engine, is done in this process
 * instead: every operation may be done twice.
 */
export class SocketTasks implements Tasks {
  readonly schedules = new SocketSchedules(async (...args) => await this.ask(...args));

  constructor(
    private readonly socket: string,
    private readonly local: () => Promise<Tasks>,
  ) {}

  async start(task: NewTask, key: string, waitMs: number): Promise<StartedTask> {
    const body = { ...task, wait_ms: Math.round(waitMs) };
    const headers = { 'idempotency-key': key };
    return await this.ask(
      { method: 'POST', path: '/v1/tasks', headers, body },
      async (tasks, isUncertain) =>
        await tasks.start(task, key, waitMs).catch((error: unknown) => {
          // The engine may have the task, but cannot be asked any more.
          const isUnknown = isUncertain && (error as Error).name === 'EngineUnreachable';
          throw isUnknown ? new Problem('engine_silent', { task_id: taskIdOf(key, new Date(timeOfKey(key))) }) : error;
        }),
    );
  }

  async keep(file: Attachment): Promise<TaskFile> {
    const { name, content } = file;
    return await this.ask(
      { method: 'POST', path: '/v1/files', query: { name }, file: content },
      async (tasks) => await tasks.keep(file),
    );
  }

  async keepRows(file: Attachment): Promise<StoredRows> {
    const { name, content } = file;
    return await this.ask(
      { method: 'POST', path: '/v1/rows', query: { name }, file: content },
      async (tasks) => await tasks.keepRows(file),
    );
  }

  async startMap(map: NewMap, key: string): Promise<StartedMap> {
    return await this.ask(
      { method: 'POST', path: '/v1/maps', headers: { 'idempotency-key': key }, body: map, timeoutMs: KEEP_MS },
      async (tasks) => await tasks.startMap(map, key),
    );
  }

  async list({ status, since, route, ...filter }: Filter, limit: number, cursor?: string): Promise<TaskList> {
    const query = {
      ...filter,
      limit: String(limit),
      cursor,
      status: status?.join(','),
      since_ms: since?.toString(),
      ...routeQuery(route),
    };
    const all = {
      ...filter,
      ...(status && { status }),
      ...(since !== undefined && { since }),
      ...(route && { route }),
    };
    return await this.ask(
      { method: 'GET', path: '/v1/tasks', query },
      async (tasks) => await tasks.list(all, limit, cursor),
    );
  }

  async find(task_id: string, chat?: Route): Promise<Standing> {
    return await this.ask(
      { method: 'GET', path: `/v1/tasks/${task_id}`, query: routeQuery(chat) },
      async (tasks) => await tasks.find(task_id, chat),
    );
  }

  async result(task_id?: string, chat?: Route): Promise<ResultFile> {
    return await this.ask(
      {
        method: 'GET',
        path: task_id === undefined ? '/v1/results/latest' : `/v1/tasks/${task_id}/result`,
        query: routeQuery(chat),
      },
      async (tasks) => await tasks.result(task_id, chat),
    );
  }

  async question(task_id: string, chat?: Route): Promise<Question> {
    return await this.ask(
      { method: 'GET', path: `/v1/tasks/${task_id}/question`, query: routeQuery(chat) },
      async (tasks) => await tasks.question(task_id, chat),
    );
  }

  async unacknowledged(): Promise<ResultFile[]> {
    const answer = await this.ask<{ results: ResultFile[] }>(
      { method: 'GET', path: '/v1/results', query: { acknowledged: 'false' } },
      async (tasks) => ({ results: await tasks.unacknowledged() }),
    );
    return answer.results;
  }

  async acknowledge(reference: TaskReference, chat?: Route): Promise<Acknowledgement> {
    const { task_id, notification } = reference;
    return await this.ask(
      { method: 'POST', path: `/v1/tasks/${task_id}/ack`, body: { notification, route: chat } },
      async (tasks) => await tasks.acknowledge(reference, chat),
    );
  }

  async cancel(task_id: string, chat?: Route): Promise<Cancellation> {
    return await this.ask(
      { method: 'POST', path: `/v1/tasks/${task_id}/cancel`, body: { route: chat } },
      async (tasks) => await tasks.cancel(task_id, chat),
    );
  }

  async allow(task_id: string, chat?: Route): Promise<Allowance> {
    return await this.ask(
      { method: 'POST', path: `/v1/tasks/${task_id}/allow`, body: { route: chat } },
      async (tasks) => await tasks.allow(task_id, chat),
    );
  }

  private async ask<T>(wanted: Request, instead: (tasks: Tasks, isUncertain: boolean) => Promise<T>): Promise<T> {
    try {
      return (await send(this.socket, wanted)) as T;
    } catch (error) {
      if (!(error instanceof NotDone)) throw error;
      return await instead(await this.local(), error.isUncertain);
    }
  }
}

/**
 * @returns the body of the answer.
 * @throws {Problem} that has a sentence
 * @throws {NotDone}
 */
async function send(
  socketPath: string,
  { method, path, query = {}, headers, body, file, ...options }: Request,
): Promise<unknown> {
  const given = Object.entries(query).filter((entry): entry is [string, string] => entry[1] !== undefined);
  const search = given.length > 0 ? `?${new URLSearchParams(given).toString()}` : '';
  const bytes = file ?? Buffer.from(body ? JSON.stringify(body) : '');
  const type = { 'content-type': file ? 'application/octet-stream' : 'application/json' };
  const { timeoutMs = file ? KEEP_MS : TIMEOUT_MS[method] } = options;
  const request = { method, path: path + search, headers: { ...headers, ...((file ?? body) && type) }, bytes };
  const { status, text } = await exchange(socketPath, request, timeoutMs);
  const answer = parsed(text);
  if (status >= 200 && status < 300) return answer;
  const { code, ...params } = answer as { code?: unknown };
  if (typeof code === 'string' && hasSentence(code)) throw new Problem(code, params);
  throw new NotDone(text, !NOT_BEGUN.includes(String(code)));
}

function parsed(text: string): object {
  try {
    return JSON.parse(text) as object;
  } catch {
    throw new NotDone(text, true);
  }
}

/**
 * Sends a request of HTTP/1.0, whose response ends with its connection: it needs no parser. Node's own client would take 3 ms more, a twentieth of `dispatch`.
 *
 * @param request nothing in its path and headers needs to be escaped: they are of these modules
 * @returns what is no response as the status `NaN`
 * @throws {NotDone} if there is no answer in time
 */
async function exchange(
  socketPath: string,
  request: { method: string; path: string; headers: Record<string, string>; bytes: Buffer },
  timeoutMs: number,
): Promise<{ status: number; text: string }> {
  const { method, path, headers, bytes } = request;
  const sent = Object.entries({ ...headers, 'content-length': bytes.length }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  return await new Promise((resolve, reject) => {
    const socket = connect(socketPath);
    const chunks: Buffer[] = [];
    socket.setTimeout(timeoutMs, () => socket.destroy(new Error('no answer in time')));
    socket.on('error', (error: NodeJS.ErrnoException) =>
      reject(new NotDone(error.message, !NO_SERVICE.includes(error.code ?? ''))),
    );
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => {
      const response = Buffer.concat(chunks);
      const [, status] = response.toString('latin1', 0, response.indexOf('\r\n')).split(' ');
      resolve({ status: Number(status), text: response.toString('utf8', response.indexOf('\r\n\r\n') + 4) });
    });
    socket.write(`${method} ${path} HTTP/1.0\r\n${sent.join('')}\r\n`);
    // What is printed later needs it, and Node takes 3 ms to open it.
    socket.write(bytes, () => void process.stdout);
  });
}

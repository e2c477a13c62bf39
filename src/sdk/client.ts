import { setTimeout as pause } from 'node:timers/promises';
import { rowsAsked } from '../shared/map.ts';
import { rowTaskId } from '../shared/task-id.ts';
import { newKey } from '../tasks/task-id.ts';
import { answerOf, ApiError, apiError, KimiDispatchError, TaskError, UnreachableError } from './errors.ts';
import { eventsOf, type TaskEvent } from './events.ts';
import { SdkSchedules } from './schedules.ts';
import { exchange, overSocket, overTcp, textOf, type Answer, type Sent, type Transport } from './transport.ts';
import type {
  Acknowledgement,
  Allowance,
  Cancellation,
  FollowUp,
  Limits,
  ListedTask,
  NewMap,
  NewTask,
  Result,
  ResultList,
  Route,
  StartedTask,
  StoredRows,
  Task,
  TaskFile,
  TaskList,
  TaskState,
} from './types.ts';

export interface ClientOptions {
  /** Address of the API, as `http://127.0.0.1:9041`. Absent: this user's service, by its socket. */
  baseUrl?: string;
  /** Made by `kimi-dispatch token create`. */
  token?: string;
  /** `KIMI_HOME` of this user's service. Absent: that of the environment, or the default. */
  home?: string;
  /** How long the service may be silent, in milliseconds. Default: 30 s; with files and rows at least 90 s. */
  timeoutMs?: number;
  /** How long a request is repeated that got no response, or 429, 502, 503 or 504, in milliseconds. Default: 60 s. */
  retryForMs?: number;
}

export interface CallOptions {
  signal?: AbortSignal | undefined;
}

export interface StreamOptions extends CallOptions {
  /** False for the events without the text of the answer. Default: true. */
  text?: boolean;
}

export interface StartOptions extends CallOptions {
  /** Starts one task only, however often it is used. Absent: a new one for each call. */
  idempotencyKey?: string;
}

export interface ListFilter {
  status?: TaskState | TaskState[];
  /** Prefix of the name. */
  name?: string;
  model?: string;
  /** Maximum age. */
  since_ms?: number;
  route?: Route;
}

/** A file: text is sent as UTF-8. */
export interface FileContent {
  /** With its extension. */
  name: string;
  content: string | Uint8Array<ArrayBuffer>;
}

/** A request of one method. */
export interface Wanted {
  method?: Sent['method'];
  path: string;
  headers?: Record<string, string>;
  body?: object;
  file?: FileContent['content'];
  timeoutMs?: number | undefined;
}

/** Shortest time that the service has to store a file or to check the rows of a map, in milliseconds. */
const STORE_MS = 90_000;

/** A stream is taken for lost after this time without a byte, in milliseconds: it has a comment every 15 s. */
const SILENCE_MS = 45_000;

/** Pause before a request is repeated, in milliseconds. It doubles. */
const BACKOFF_MS = 250;

const LONGEST_BACKOFF_MS = 8_000;

/** Tasks of one request of a list. */
const PAGE = 100;

const PASSING = [429, 502, 503, 504];

/** Problems of a passing status that last until the service's owner does something. */
const LASTING = ['no_api_key', 'tokens_unreadable'];

/** Tasks of a running Kimi Dispatch. Nothing is opened until a method is called. */
export class KimiDispatch {
  /** Tasks that are started on time. */
  readonly schedules: SdkSchedules;
  private readonly send: Transport;
  private readonly timeoutMs: number;
  private readonly retryForMs: number;
  /** Whether the service has responded: then a refused connection is one that restarts. */
  private hasResponded = false;

  constructor({ baseUrl, token, home, timeoutMs = 30_000, retryForMs = 60_000 }: ClientOptions = {}) {
    this.send = baseUrl === undefined ? overSocket(home) : overTcp(baseUrl, token);
    this.timeoutMs = timeoutMs;
    this.retryForMs = retryForMs;
    this.schedules = new SdkSchedules({
      ask: async (wanted, signal) => await this.ask(wanted, signal),
      once: async (wanted, code, signal) => await this.once(wanted, code, signal),
    });
  }

  /** Starts a task. @returns its id, once the task is durable. */
  async dispatch(task: string | Omit<NewTask, 'wait_ms'>, options: StartOptions = {}): Promise<string> {
    const body = typeof task === 'string' ? { prompt: task } : task;
    return await this.start('/v1/tasks', { ...body, wait_ms: 0 }, options);
  }

  /** Asks another question in the conversation of a task. @returns the id of the new task. */
  async continue(
    taskId: string,
    task: string | Omit<FollowUp, 'wait_ms'>,
    options: StartOptions = {},
  ): Promise<string> {
    const body = typeof task === 'string' ? { prompt: task } : task;
    return await this.start(`${pathOf(taskId)}/continue`, { ...body, wait_ms: 0 }, options);
  }

  /**
   * Asks for each row, with its values in place of `{{column}}`.
   *
   * @param rows objects, or a file: `.jsonl`, `.csv` or `.txt`
   * @returns the id of the map, a task that ends when all rows have ended.
   */
  async map(
    rows: Iterable<object> | FileContent,
    task: string | Omit<NewMap, 'rows'>,
    options: StartOptions = {},
  ): Promise<string> {
    const { name, content } = Symbol.iterator in rows ? { name: 'rows.jsonl', content: linesOf(rows) } : rows;
    const path = `/v1/rows?${new URLSearchParams({ name }).toString()}`;
    const stored = await this.ask<StoredRows>({ method: 'POST', path, file: content }, options.signal);
    const body = { ...(typeof task === 'string' ? { prompt: task } : task), rows: stored };
    return await this.start('/v1/maps', body, options, STORE_MS);
  }

  /** Stores a file. @returns what goes into `files` of a task. */
  async upload({ name, content }: FileContent, { signal }: CallOptions = {}): Promise<TaskFile> {
    const path = `/v1/files?${new URLSearchParams({ name }).toString()}`;
    return await this.ask<TaskFile>({ method: 'POST', path, file: content }, signal);
  }

  /** Waits for the result of a task. @throws {TaskError} if the task ends without its answer */
  async result(taskId: string, { signal }: CallOptions = {}): Promise<Result> {
    const result = await this.outcome(taskId, signal);
    if (result.status !== 'done') throw new TaskError(result);
    return result;
  }

  /** Waits for the end of a map. Then yields the result of each row, in order, also of those without an answer. */
  async *rows(mapId: string, { signal }: CallOptions = {}): AsyncGenerator<Result, void> {
    const result = await this.outcome(mapId, signal);
    const { map, status } = result;
    if (!map) {
      if (status !== 'done') throw new TaskError(result);
      throw new KimiDispatchError('no_map', `${mapId} is no map, so it has no rows`, { taskId: mapId });
    }
    for (const number of rowsAsked(map)) {
      const row = await this.ask<Result>({ path: `${pathOf(rowTaskId(mapId, number))}/result` }, signal).catch(
        (error: unknown) => {
          // The map was cancelled before this row began.
          if (error instanceof ApiError && error.code === 'unknown_task') return undefined;
          throw error;
        },
      );
      if (row) yield row;
    }
  }

  /** Follows a task to its outcome, with the text of its answer, also through restarts of the service. */
  async *stream(taskId: string, { signal, text = true }: StreamOptions = {}): AsyncGenerator<TaskEvent, void> {
    yield* this.follow(`${pathOf(taskId)}/events${text ? '?text=1' : ''}`, signal);
  }

  private async *follow(path: string, signal: AbortSignal | undefined): AsyncGenerator<TaskEvent, void> {
    let after: string | undefined;
    for (;;) {
      const headers = { ...(after !== undefined && { 'last-event-id': after }) };
      const wanted = { path, headers, timeoutMs: SILENCE_MS };
      const answer = await this.repeated(async () => await this.open(wanted, signal), signal);
      try {
        for await (const { id, event } of eventsOf(answer.body)) {
          after = id;
          yield event;
          if (event.type === 'end') return;
        }
        // The end was read before.
        if (answer.status === 204) return;
      } catch (error) {
        if (!(error instanceof UnreachableError)) throw error;
      }
      await wait(BACKOFF_MS, signal);
    }
  }

  async status(taskId: string, { signal }: CallOptions = {}): Promise<Task> {
    return await this.ask<Task>({ path: pathOf(taskId) }, signal);
  }

  /** Yields tasks, the newest first. */
  async *list(filter: ListFilter = {}, { signal }: CallOptions = {}): AsyncGenerator<ListedTask, void> {
    const { status, since_ms: since, route, ...words } = filter;
    const query = new URLSearchParams({ limit: String(PAGE), ...words });
    if (status) query.set('status', [status].flat().join(','));
    if (since !== undefined) query.set('since_ms', String(since));
    if (route) query.set('route', JSON.stringify(route));
    for (;;) {
      const { tasks, next } = await this.ask<TaskList>({ path: `/v1/tasks?${query.toString()}` }, signal);
      yield* tasks;
      if (next === undefined) return;
      query.set('cursor', next);
    }
  }

  /** Cancels a task, and waits for its end. A task that was cancelled before is one that is cancelled. */
  async cancel(taskId: string, { signal }: CallOptions = {}): Promise<Cancellation> {
    try {
      return await this.ask<Cancellation>({ method: 'POST', path: `${pathOf(taskId)}/cancel`, body: {} }, signal);
    } catch (error) {
      // The response to the first request may have been lost.
      const hasEnded = error instanceof ApiError && error.code === 'already_ended';
      const { state } = hasEnded ? await this.status(taskId, { signal }) : {};
      if (state !== 'cancelled') throw error;
      return { task_id: taskId, status: 'cancelled' };
    }
  }

  /** Removes a task that has ended, a map with its rows: its result, its question, and what the engine has of it. */
  async remove(taskId: string, { signal }: CallOptions = {}): Promise<void> {
    await this.once({ method: 'DELETE', path: pathOf(taskId) }, 'unknown_task', signal);
  }

  /** The user has seen the answer: the agent is not woken again, and the inbox does not list it. */
  async acknowledge(taskId: string, { signal }: CallOptions = {}): Promise<Acknowledgement> {
    return await this.ask<Acknowledgement>({ method: 'POST', path: `${pathOf(taskId)}/ack`, body: {} }, signal);
  }

  /** @returns the results that are not acknowledged, the oldest first. */
  async inbox({ signal }: CallOptions = {}): Promise<Result[]> {
    return (await this.ask<ResultList>({ path: '/v1/results?acknowledged=false' }, signal)).results;
  }

  /** @returns the limits, and how much of them is used. */
  async limits({ signal }: CallOptions = {}): Promise<Limits> {
    return await this.ask<Limits>({ path: '/v1/limits' }, signal);
  }

  /** Sends a task that is paused for a budget, whatever it costs. */
  async allow(taskId: string, { signal }: CallOptions = {}): Promise<Allowance> {
    await this.once({ method: 'POST', path: `${pathOf(taskId)}/allow`, body: {} }, 'not_paused', signal);
    return { task_id: taskId, status: 'allowed' };
  }

  private async start(path: string, body: object, options: StartOptions, timeoutMs?: number): Promise<string> {
    // One key for all repetitions.
    const { idempotencyKey = newKey(), signal } = options;
    const headers = { 'idempotency-key': idempotencyKey };
    const { task_id } = await this.ask<StartedTask>({ method: 'POST', path, headers, body, timeoutMs }, signal);
    return task_id;
  }

  private async outcome(taskId: string, signal: AbortSignal | undefined): Promise<Result> {
    for await (const { type } of this.stream(taskId, { signal, text: false })) if (type === 'end') break;
    return await this.ask<Result>({ path: `${pathOf(taskId)}/result` }, signal);
  }

  private async ask<T>(wanted: Wanted, signal: AbortSignal | undefined): Promise<T> {
    return await this.repeated(async () => answerOf(await textOf((await this.open(wanted, signal)).body)) as T, signal);
  }

  /**
   * Does what cannot be done twice.
   *
   * @param code the problem of a second time. If the request was repeated, one before has done it.
   */
  private async once(wanted: Wanted, code: string, signal: AbortSignal | undefined): Promise<void> {
    let requests = 0;
    const request = async (): Promise<string> => {
      requests += 1;
      return await textOf((await this.open(wanted, signal)).body);
    };
    await this.repeated(request, signal).catch((error: unknown) => {
      if (!(requests > 1 && error instanceof ApiError && error.code === code)) throw error;
    });
  }

  /** @throws {KimiDispatchError} */
  private async open(wanted: Wanted, signal: AbortSignal | undefined): Promise<Answer> {
    const { method = 'GET', path, body, file, timeoutMs = file === undefined ? 0 : STORE_MS } = wanted;
    const type = file === undefined ? 'application/json' : 'application/octet-stream';
    const content = file ?? (body && JSON.stringify(body));
    const headers = { ...wanted.headers, ...(content !== undefined && { 'content-type': type }) };
    const sent = { method, path, headers, ...(content !== undefined && { body: content }) };
    const answer = await exchange(this.send, sent, Math.max(timeoutMs, this.timeoutMs), signal);
    this.hasResponded = true;
    if (answer.status < 300) return answer;
    throw apiError(answer.status, answer.header('retry-after'), await textOf(answer.body), path);
  }

  /** Repeats a request: each may be done twice. */
  private async repeated<T>(request: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const end = performance.now() + this.retryForMs;
    for (let waitMs = BACKOFF_MS; ; waitMs = Math.min(2 * waitMs, LONGEST_BACKOFF_MS)) {
      try {
        return await request();
      } catch (error) {
        if (!(error instanceof KimiDispatchError) || !this.isPassing(error)) throw error;
        const pauseMs = Math.max(waitMs, (error.retryAfter ?? 0) * 1_000);
        if (performance.now() + pauseMs > end) throw error;
        await wait(pauseMs, signal);
      }
    }
  }

  private isPassing({ code, status = 0 }: KimiDispatchError): boolean {
    if (code === 'no_service') return this.hasResponded;
    return status === 0 || (PASSING.includes(status) && !LASTING.includes(code));
  }
}

async function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await pause(ms, undefined, { signal }).catch(() => signal?.throwIfAborted());
}

function pathOf(taskId: string): string {
  return `/v1/tasks/${encodeURIComponent(taskId)}`;
}

function linesOf(rows: Iterable<object>): string {
  return Array.from(rows, (row) => `${JSON.stringify(row)}\n`).join('');
}

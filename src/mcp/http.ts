/** The MCP server over Streamable HTTP: each request is answered by a server of its own, so that no session is lost with a process. */
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { createMcpHandler } from '@modelcontextprotocol/server';
import type { Request as ExpressRequest, RequestHandler, Response as ExpressResponse } from 'express';
import type { Logger } from 'pino';
import { acknowledgeOnceSent } from '../api/once-sent.ts';
import { detailsOf } from '../api/problems.ts';
import type { TaskEvents } from '../api/task-events.ts';
import { sentenceFor } from '../cli/error-sentence.ts';
import { loadText } from '../cli/text/load.ts';
import { HttpError } from '../service/http.ts';
import type { Lang } from '../shared/task.ts';
import { Problem } from '../tasks/problem.ts';
import type { Tasks } from '../tasks/tasks.ts';
import { MAX_MESSAGE_BYTES, type Door } from './door.ts';
import { createMcpServer } from './server.ts';
import { mcpText } from './text/index.ts';

/** @param tasksFor the operations that the sender of a request may use; it was authenticated before */
export function createMcp(
  tasksFor: (request: ExpressRequest) => Promise<Tasks>,
  events: Pick<TaskEvents, 'changes'>,
  lang: Lang,
  log: Logger,
): RequestHandler {
  const explain = explainerIn(lang, log);
  const onerror = (error: Error): void => log.debug({ err: error }, 'an MCP request was refused');
  return async (request, response) => {
    const door: Door = {
      lang,
      explain,
      open: async () => await tasksFor(request),
      changes: (now, signal) => events.changes(now, signal),
      sending: (result, tasks) => acknowledgeOnceSent(tasks, result, response),
    };
    const { fetch } = createMcpHandler((context) => createMcpServer(door, context), {
      maxRequestBodySize: MAX_MESSAGE_BYTES,
      onerror,
    });
    const leaving = new AbortController();
    response.on('close', () => leaving.abort());
    try {
      await send(await fetch(requestOf(request, leaving.signal)), response);
    } catch (error) {
      // A client that has disconnected gets no response.
      if (!leaving.signal.aborted) throw error;
    }
  };
}

function requestOf(request: ExpressRequest, signal: AbortSignal): Request {
  const { method, rawHeaders } = request;
  const headers = new Headers();
  for (let n = 0; n + 1 < rawHeaders.length; n += 2) headers.append(rawHeaders[n] ?? '', rawHeaders[n + 1] ?? '');
  const hasBody = method !== 'GET' && method !== 'HEAD';
  const body = hasBody ? { body: Readable.toWeb(request) as ReadableStream<Uint8Array>, duplex: 'half' as const } : {};
  // The host is not used.
  return new Request('http://localhost/mcp', { method, headers, signal, ...body });
}

async function send({ status, headers, body }: Response, response: ExpressResponse): Promise<void> {
  response.status(status);
  for (const [name, value] of headers) response.setHeader(name, value);
  if (!body) {
    response.end();
    return;
  }
  response.flushHeaders();
  for await (const chunk of body as ReadableStream<Uint8Array>) response.write(chunk);
  response.end();
}

function explainerIn(lang: Lang, log: Logger): (error: unknown, task_id?: string) => Promise<string> {
  const { problems } = mcpText(lang);
  return async (error, task_id) => {
    if (error instanceof Problem && error.code === 'no_api_key') return problems.no_api_key;
    if (error instanceof Problem && error.code === 'not_allowed') {
      return problems.not_allowed((error as Problem<'not_allowed'>).params.scope);
    }
    if (error instanceof HttpError && error.code === 'starting') return problems.starting;
    if (detailsOf(error)) return sentenceFor(error, await loadText(lang), task_id).message;
    log.error({ err: error }, 'unexpected error of the MCP server');
    return problems.unexpected;
  };
}

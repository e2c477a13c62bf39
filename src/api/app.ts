import express, { type Express, type Request, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import { openAi, type OpenAiOptions } from '../openai/router.ts';
import { allow, createApp, refuseOthers, requireUtf8, type App } from '../service/express.ts';
import { HttpError } from '../service/http.ts';
import { MAX_FILE_BYTES, MAX_PROMPT_BYTES } from '../shared/task.ts';
import { OwnTasks } from '../tasks/own.ts';
import type { CallerTasks, ServiceTasks } from '../tasks/tasks.ts';
import { callerOf, fromThisUser, tokenOf } from './callers.ts';
import { openApiDocument } from './document.ts';
import { EventStreams } from './event-stream.ts';
import { OPERATIONS } from './operations.ts';
import { problemHandler } from './problems.ts';
import { TaskEvents } from './task-events.ts';

/** Largest body, in bytes: a prompt in which every character is escaped. */
const MAX_BODY_BYTES = 7 * MAX_PROMPT_BYTES;

/** @returns the operations that the sender of a request may use, on the tasks that it may see. They throw a {@link Problem} otherwise. */
type TasksFor = (request: Request) => Promise<CallerTasks>;

/** What is served beside the operations. */
export interface ApiParts {
  /** Of OpenAI's endpoints, which are not served without it. */
  openAi?: Pick<OpenAiOptions, 'model' | 'live'>;
  /** Makes the MCP server, which is not served without it. */
  mcp?: (tasksFor: TasksFor) => RequestHandler;
  /** The streams of events. */
  streams?: EventStreams;
}

/**
 * The HTTP API (docs/openapi.json). Its routes are in operations.ts.
 *
 * Routers of other protocols are mounted here: what they get from `tasksFor` has
 * checked the caller's rights, and they need no check of their own. `callerOf(request)` says who asks.
 *
 * @param open the operations; called for each request. It throws until they can be done.
 * @param authenticate says who sent a request, before any body is read, or refuses it
 */
export function createApi(
  open: () => Promise<ServiceTasks>,
  log: Logger,
  authenticate: RequestHandler[] = [fromThisUser],
  { openAi: forOpenAi, mcp, streams = new EventStreams(new TaskEvents(open)) }: ApiParts = {},
): App {
  const app = createApp().enable('strict routing').enable('case sensitive routing').set('etag', 'weak');
  const tasksFor: TasksFor = async (request) => {
    const caller = callerOf(request);
    const tasks = await open();
    return caller.by === 'token' ? new OwnTasks(tasks, caller) : tasks;
  };
  app.use(...authenticate);
  addOperations(app, tasksFor, streams);
  if (forOpenAi) app.use('/openai/v1', ...openAi({ ...forOpenAi, open: tasksFor, ownerOf: tokenOf, streams, log }));
  if (mcp) app.all('/mcp', mcp(tasksFor));
  app.use(refuseOthers);
  app.use(problemHandler(log));
  return app;
}

function addOperations(app: Express, tasksFor: TasksFor, streams: EventStreams): void {
  const json = express.json({ limit: MAX_BODY_BYTES, strict: false, verify: requireUtf8 });
  const raw = express.raw({ limit: MAX_FILE_BYTES, type: 'application/octet-stream', inflate: false });

  app.route('/v1/openapi.json').get((_request, response) => {
    response.json(openApiDocument());
  });
  for (const path of new Set(OPERATIONS.map((operation) => operation.path))) {
    const route = app.route(path.replaceAll(/\{(\w+)\}/g, ':$1'));
    const operations = OPERATIONS.filter((operation) => operation.path === path);
    for (const { method, body, isUpload, run } of operations) {
      if (body) route.post(json);
      if (isUpload) route.post(raw);
      route[method](async (request, response) => {
        if (body && request.body === undefined && (request.get('content-length') ?? '0') !== '0') {
          throw new HttpError(415, 'not_json', 'Send application/json');
        }
        const answer = await run(await tasksFor(request), request, response, streams);
        if (answer) response.json(answer);
      });
    }
    route.all(allow(operations.map(({ method }) => method.toUpperCase()).join(', ')));
  }
}

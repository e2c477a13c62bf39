/** The tools of the MCP server. */
import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import type { TaskRequest } from '../shared/task.ts';
import { newKey } from '../tasks/task-id.ts';
import type { NewTask, StartedTask } from '../tasks/tasks.ts';
import { explain, textFor } from '../text/index.ts';
import type { Door } from './door.ts';
import { failing, resultOf, sayList, saying, sayStanding, sayStarted } from './sentences.ts';
import { inputsOf, OUTPUTS, type NewTaskArguments } from './shapes.ts';
import { createdTask, isOfTasks } from './tasks-extension.ts';
import { mcpText } from './text/index.ts';
import { waitFor } from './wait.ts';

/** How long to wait until Kimi has accepted a task, in milliseconds: as the HTTP API by default. */
const ACCEPTANCE_MS = 900;

/** Number of the newest tasks that are listed. */
const LISTED = 20;

/** @param started called with each task that a client has started */
export function addTools(server: McpServer, door: Door, started: (task: StartedTask) => void): void {
  const of = definitionsIn(door);
  const dispatch = answering(door, async (args: NewTaskArguments, ctx) => await dispatchTask(args, ctx, door, started));
  const annotations = { destructiveHint: false, openWorldHint: true };
  server.registerTool('kimi_dispatch', { ...of('kimi_dispatch'), annotations }, dispatch);
  server.registerTool('kimi_continue', { ...of('kimi_continue'), annotations }, dispatch);
  addReaders(server, door);
  server.registerTool(
    'kimi_cancel',
    { ...of('kimi_cancel'), annotations: { destructiveHint: true, idempotentHint: true, openWorldHint: false } },
    answering(door, async ({ task_id }) => {
      const say = mcpText(door.lang);
      const tasks = await door.open();
      const cancelled = await tasks.cancel(task_id);
      const said = cancelled.status === 'cancelled' ? say.cancelled(task_id) : say.streamClosed(task_id);
      return saying('kimi_cancel', said, cancelled);
    }),
  );
}

/** The tools that change nothing. */
function addReaders(server: McpServer, door: Door): void {
  const { lang } = door;
  const of = definitionsIn(door);
  const annotations = { readOnlyHint: true, openWorldHint: false };
  server.registerTool(
    'kimi_status',
    { ...of('kimi_status'), annotations },
    answering(door, async ({ task_id }) => {
      const tasks = await door.open();
      if (task_id === undefined) {
        const { tasks: newest } = await tasks.list({}, LISTED);
        return saying('kimi_status', sayList(newest, lang), { tasks: newest });
      }
      const task = await tasks.find(task_id);
      return saying('kimi_status', sayStanding(task, lang), { task });
    }),
  );
  server.registerTool(
    'kimi_wait',
    { ...of('kimi_wait'), annotations },
    answering(door, async ({ task_id, seconds }, ctx) => await waitFor(task_id, seconds, door, ctx)),
  );
  server.registerTool(
    'kimi_result',
    { ...of('kimi_result'), annotations },
    answering(door, async ({ task_id, offset }) => {
      const tasks = await door.open();
      return resultOf(await tasks.result(task_id), lang, offset);
    }),
  );
}

function definitionsIn({ lang }: Door) {
  const say = mcpText(lang);
  const inputs = inputsOf(say);
  return <Name extends keyof typeof inputs>(name: Name) => ({
    description: say.tools[name],
    inputSchema: inputs[name],
    outputSchema: OUTPUTS[name],
  });
}

/** Answers with a sentence whatever happens. */
function answering<Args extends { task_id?: string | undefined }>(
  { explain: sentenceFor }: Door,
  work: (args: Args, ctx: ServerContext) => Promise<CallToolResult>,
) {
  return async (args: Args, ctx: ServerContext): Promise<CallToolResult> => {
    try {
      return await work(args, ctx);
    } catch (error) {
      // No client reads the answer to a cancelled request.
      if (ctx.mcpReq.signal.aborted) throw error;
      return failing(await sentenceFor(error, args.task_id));
    }
  };
}

async function dispatchTask(
  args: NewTaskArguments,
  ctx: ServerContext,
  door: Door,
  notify: (task: StartedTask) => void,
): Promise<CallToolResult> {
  const { lang } = door;
  const say = mcpText(lang);
  const { key = newKey(), files: paths = [] } = args;
  if (paths.length > 0 && !door.keepFiles) return failing(say.noFilesHere);
  const tasks = await door.open();
  const files = paths.length > 0 ? await door.keepFiles?.(paths, tasks) : undefined;
  // The client asks for the answer itself, or is woken by its channel.
  const task: NewTask = { ...taskOf(args), ...(files && { files }), lang, wake: false };
  // It returns once the engine has the task.
  const started = await tasks.start(task, key, ACCEPTANCE_MS);
  if (started.status === 'refused') {
    return failing(say.refused(started.task_name, explain(started.error, textFor(lang))));
  }
  notify(started);
  const result = saying('kimi_dispatch', sayStarted(started, lang), started);
  if (!isOfTasks(ctx)) return result;
  // A client that may not read it could not ask for it.
  const standing = await tasks.find(started.task_id).catch(() => undefined);
  return standing ? { ...result, ...createdTask(standing, lang) } : result;
}

function taskOf(args: NewTaskArguments): NewTask {
  const { prompt, task_id, name, model, timeout, system, thinking, schema, tools, batch } = args;
  const request: TaskRequest = {
    ...(system !== undefined && { system }),
    ...(thinking !== undefined && { thinking }),
    ...(schema && { json_schema: schema }),
    ...(tools && { tools }),
    ...(batch && { batch }),
  };
  return {
    prompt,
    ...(task_id !== undefined && { continue: task_id }),
    ...(name !== undefined && { name }),
    ...(model !== undefined && { model }),
    ...(timeout !== undefined && { timeout_ms: timeout }),
    ...(Object.keys(request).length > 0 && { request }),
  };
}

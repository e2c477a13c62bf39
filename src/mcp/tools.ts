/** The tools of the MCP server. */
import type { CallToolResult, McpServer, ServerContext } from '@modelcontextprotocol/server';
import { rowTaskId } from '../shared/task-id.ts';
import { newKey } from '../tasks/task-id.ts';
import type { NewTask, StartedTask } from '../tasks/tasks.ts';
import { explain, textFor } from '../text/index.ts';
import { resultToSend, type Door } from './door.ts';
import { failing, resultOf, sayList, saying, sayStanding, sayStarted } from './sentences.ts';
import { addMapTool } from './map-tool.ts';
import { addScheduleTool } from './schedule-tool.ts';
import type { NewTaskArguments } from './shapes.ts';
import { createdTask, isOfTasks } from './tasks-extension.ts';
import { mcpText } from './text/index.ts';
import { ACCEPTANCE_MS, answering, askedIn, definitionsIn } from './tool.ts';
import { waitFor } from './wait.ts';

/** Number of the newest tasks that are listed. */
const LISTED = 20;

/** @param started called with each task that a client has started */
export function addTools(server: McpServer, door: Door, started: (task: Pick<StartedTask, 'task_id'>) => void): void {
  const of = definitionsIn(door);
  const dispatch = answering(door, async (args: NewTaskArguments, ctx) => await dispatchTask(args, ctx, door, started));
  const annotations = { destructiveHint: false, openWorldHint: true };
  server.registerTool('kimi_dispatch', { ...of('kimi_dispatch'), annotations }, dispatch);
  server.registerTool('kimi_continue', { ...of('kimi_continue'), annotations }, dispatch);
  addMapTool(server, door, started);
  addScheduleTool(server, door);
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
    answering(door, async ({ task_id, row, offset }) => {
      const tasks = await door.open();
      if (row === undefined) return resultOf(await resultToSend(door, tasks, task_id), lang, offset);
      const map = await tasks.result(task_id);
      const saved = await resultToSend(door, tasks, rowTaskId(map.task_id, row));
      // Rows are acknowledged by their map.
      door.sending?.(map, tasks);
      return resultOf(saved, lang, offset);
    }),
  );
}

async function dispatchTask(
  args: NewTaskArguments,
  ctx: ServerContext,
  door: Door,
  notify: (task: Pick<StartedTask, 'task_id'>) => void,
): Promise<CallToolResult> {
  const { lang } = door;
  const say = mcpText(lang);
  const { key = newKey(), files: paths = [] } = args;
  if (paths.length > 0 && !door.keepFiles) return failing(say.noFilesHere);
  const tasks = await door.open();
  const files = paths.length > 0 ? await door.keepFiles?.(paths, tasks) : undefined;
  // The client asks for the answer itself, or is woken by its channel.
  const { prompt, task_id: continues } = args;
  const asked = { prompt, ...(continues !== undefined && { continue: continues }), ...askedIn(args) };
  const task: NewTask = { ...asked, ...(files && { files }), lang, wake: false };
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

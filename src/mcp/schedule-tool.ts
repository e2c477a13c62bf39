import type { CallToolResult, McpServer } from '@modelcontextprotocol/server';
import type { Schedule } from '../schedules/schedules.ts';
import { field } from '../shared/format.ts';
import { newKey } from '../tasks/task-id.ts';
import type { Door } from './door.ts';
import { failing, saying } from './sentences.ts';
import type { ScheduleArguments } from './shapes.ts';
import { mcpText } from './text/index.ts';
import { answering, askedIn, definitionsIn } from './tool.ts';

/** How long to wait until Kimi has accepted a task, in milliseconds. */
const ACCEPTANCE_MS = 900;

export function addScheduleTool(server: McpServer, door: Door): void {
  const annotations = { destructiveHint: true, openWorldHint: true };
  server.registerTool(
    'kimi_schedule',
    { ...definitionsIn(door)('kimi_schedule'), annotations },
    answering(door, async (args) => await scheduled(args, door)),
  );
}

async function scheduled(args: ScheduleArguments, door: Door): Promise<CallToolResult> {
  const { lang } = door;
  const say = mcpText(lang);
  const { schedules } = await door.open();
  const { action, name, when, prompt, timezone, key = newKey() } = args;
  const told = (sentence: string, ...all: Schedule[]): CallToolResult =>
    saying('kimi_schedule', [sentence, all.map((one) => lineOf(one, say.schedule.paused)).join('\n')], {
      schedules: all,
    });
  if (action === 'list') {
    const all = await schedules.list();
    return told(all.length === 0 ? say.schedule.none : '', ...all);
  }
  if (action === 'add') {
    if (when === undefined || prompt === undefined) return failing(say.schedule.needs('when, prompt'));
    // Its tasks end when no agent waits for them, so the user is notified.
    const task = { ...askedIn(args), prompt, lang };
    const added = await schedules.add({ when, missed: 'last', task, ...(timezone !== undefined && { timezone }) }, key);
    return told(say.schedule.added, added);
  }
  if (name === undefined) return failing(say.schedule.needs('name'));
  if (action === 'run') {
    const { task_id, task_name } = await schedules.run(name, key, ACCEPTANCE_MS);
    const texts = [say.schedule.run(field(task_name), task_id), say.next(task_id)];
    return saying('kimi_schedule', texts, { schedules: [], started: { task_id, task_name } });
  }
  if (action === 'remove') {
    await schedules.remove(name);
    return told(say.schedule.removed(field(name)));
  }
  return told('', action === 'pause' ? await schedules.pause(name) : await schedules.resume(name));
}

function lineOf({ name, when, timezone, next, paused, question }: Schedule, pausedWord: string): string {
  return [field(name), `${when} (${timezone})`, paused ? pausedWord : next, field(question)].filter(Boolean).join('  ');
}

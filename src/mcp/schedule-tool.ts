import type { CallToolResult, McpServer } from '@modelcontextprotocol/server';
import type { Schedule } from '../schedules/schedules.ts';
import { field } from '../shared/format.ts';
import { newKey } from '../tasks/task-id.ts';
import type { Door } from './door.ts';
import { failing, saying } from './sentences.ts';
import type { ScheduleArguments } from './shapes.ts';
import { mcpText } from './text/index.ts';
import { ACCEPTANCE_MS, answering, askedIn, definitionsIn } from './tool.ts';

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
  const reply = (sentence: string, ...all: Schedule[]): CallToolResult =>
    saying('kimi_schedule', [sentence, all.map((one) => lineOf(one, say.schedule.paused)).join('\n')], {
      schedules: all,
    });
  if (action === 'list') {
    const all = await schedules.list();
    return reply(all.length === 0 ? say.schedule.none : '', ...all);
  }
  if (action === 'add') {
    if (when === undefined || prompt === undefined) return failing(say.schedule.needs('when, prompt'));
    // No agent may be running when a scheduled task ends, so `wake: false` is not set: the user is notified.
    const task = { ...askedIn(args), prompt, lang };
    const added = await schedules.add({ when, missed: 'last', task, ...(timezone !== undefined && { timezone }) }, key);
    return reply(say.schedule.added, added);
  }
  if (name === undefined) return failing(say.schedule.needs('name'));
  if (action === 'run') {
    const { task_id, task_name } = await schedules.run(name, key, ACCEPTANCE_MS);
    const texts = [say.schedule.run(field(task_name), task_id), say.next(task_id)];
    return saying('kimi_schedule', texts, { schedules: [], started: { task_id, task_name } });
  }
  if (action === 'remove') {
    await schedules.remove(name);
    return reply(say.schedule.removed(field(name)));
  }
  return reply('', action === 'pause' ? await schedules.pause(name) : await schedules.resume(name));
}

function lineOf({ name, when, timezone, next, paused, question }: Schedule, pausedWord: string): string {
  return [field(name), `${when} (${timezone})`, paused ? pausedWord : next, field(question)].filter(Boolean).join('  ');
}

import type { McpServer } from '@modelcontextprotocol/server';
import { newKey } from '../tasks/task-id.ts';
import type { StartedMap } from '../tasks/tasks.ts';
import { field } from '../shared/format.ts';
import { textFor } from '../text/index.ts';
import type { Door } from './door.ts';
import { failing, saying } from './sentences.ts';
import { mcpText } from './text/index.ts';
import { answering, askedIn, definitionsIn } from './tool.ts';

/** @param started called with each map that a client has started */
export function addMapTool(server: McpServer, door: Door, started: (map: Pick<StartedMap, 'task_id'>) => void): void {
  const annotations = { destructiveHint: false, openWorldHint: true };
  server.registerTool(
    'kimi_map',
    { ...definitionsIn(door)('kimi_map'), annotations },
    answering(door, async (args) => {
      const { lang } = door;
      const say = mcpText(lang);
      const { prompt, rows: given, file, key = newKey() } = args;
      if ((given === undefined) === (file === undefined)) return failing(say.rowsOrFile);
      if (file !== undefined && !door.readRows) return failing(say.noRowsFileHere);
      const tasks = await door.open();
      const content = (given ?? []).map((row) => JSON.stringify(row)).join('\n');
      const attached = file === undefined ? undefined : await door.readRows?.(file);
      const rows = await tasks.keepRows(attached ?? { name: 'rows.jsonl', content: Buffer.from(content) });
      const map = await tasks.startMap({ ...askedIn(args), prompt, rows, lang, wake: false }, key);
      started(map);
      const { task_id, status, paused } = map;
      const name = field(map.task_name);
      const how = paused
        ? say.started.paused(name, task_id, textFor(lang).budget.pause(paused, Date.now()))
        : say.mapStarted[status === 'known' ? status : 'started'](name, task_id, map.rows);
      return saying('kimi_map', [how, say.nextOfMap(task_id), map.simulated ? say.simulated : ''], map);
    }),
  );
}

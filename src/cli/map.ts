/** Dispatches a task for each row of a file. */
import { stat } from 'node:fs/promises';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { langOf } from '../config/early.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { readAtMost } from '../service/http.ts';
import { field } from '../shared/format.ts';
import { MAX_ROWS_BYTES } from '../shared/map.ts';
import { newKey } from '../tasks/task-id.ts';
import type { Attachment, NewMap, Tasks } from '../tasks/tasks.ts';
import { textFor } from '../text/index.ts';
import { CliError, taskIsStarted } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Dispatches a task for each row of a file. */
export async function dispatchMap(
  tasks: Tasks,
  file: string,
  task: Omit<NewMap, 'rows'>,
  say: CliText,
  json: boolean | undefined,
): Promise<Exit> {
  const rows = await tasks.keepRows(await readRowsFile(file, say));
  return await startAndSayMap(tasks, { ...task, rows }, say, json);
}

/** Starts a map, and says so. @param note on standard error, once it is started */
export async function startAndSayMap(
  tasks: Tasks,
  map: NewMap,
  say: CliText,
  json: boolean | undefined,
  note?: string,
): Promise<Exit> {
  const { simulated, retired, ...started } = await tasks.startMap(map, newKey());
  taskIsStarted();
  if (note !== undefined) console.error(note);
  const { name, encoding } = map.rows;
  if (json) console.log(JSON.stringify({ ...started, ...(encoding !== undefined && { encoding }) }));
  else {
    const { task_name, rows, task_id, paused } = started;
    const text = textFor(langOf());
    console.log(
      paused
        ? say.paused(task_name, task_id, text.budget.pause(paused, Date.now()))
        : say.maps.dispatched(task_name, rows),
    );
    // In a chat, too: what was detected may be wrong.
    if (encoding !== undefined) console.log(say.maps.readAs(field(name), encoding));
    console.error(say.taskId(started.task_id));
    if (retired) console.error(say.retiredNotice(text.detail(retired) ?? ''));
    if (simulated) console.error(say.simulatedNotice);
  }
  return EXIT.ok;
}

/** Reads a file of rows. */
export async function readRowsFile(path: string, say: CliText): Promise<Attachment> {
  const tooLarge = new CliError(EXIT.usage, say.maps.unusable({ file: path, why: 'too_large', most: MAX_ROWS_BYTES }));
  try {
    if ((await stat(path)).size > MAX_ROWS_BYTES) throw tooLarge;
    const content = await readAtMost(createReadStream(path), MAX_ROWS_BYTES);
    if (!content) throw tooLarge;
    return { name: basename(path), content };
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError(EXIT.usage, say.usage.unreadable(path, String((error as NodeJS.ErrnoException).code)));
  }
}

import type { Client } from '@temporalio/client';
import type { MapCounts } from '../shared/map.ts';
import { STATES_IN_FLIGHT, type Lang, type TaskState } from '../shared/task.ts';
import { listedTask, stateIn, tasksOn } from '../temporal/task-list.ts';
import { viewOf } from '../tasks/look-up.ts';
import { textFor } from '../text/index.ts';
import { count, inSeconds } from './format.ts';
import { html, nameOf, section, table, type Links, type Section } from './html.ts';
import { reportText } from './text/index.ts';

/** Tasks without an outcome. */
export interface InFlight {
  total: number;
  /** At most {@link LISTED} of them, the oldest first. */
  tasks: {
    task_id: string;
    task_name: string;
    model: string;
    state: TaskState;
    started: number;
    /** Of a map, if a worker knows it. */
    map?: MapCounts | undefined;
  }[];
}

/** Most tasks that are listed. */
const LISTED = 100;

/** Reads one page of open workflows, and their count, from Temporal visibility. */
export async function tasksInFlight(client: Client, taskQueue: string, timeoutMs: number): Promise<InFlight> {
  const query = `${tasksOn(taskQueue)} AND ExecutionStatus = "Running" AND ${stateIn(STATES_IN_FLIGHT)}`;
  return await client.connection.withDeadline(Date.now() + timeoutMs, async () => {
    const listed: ReturnType<typeof listedTask>[] = [];
    for await (const execution of client.workflow.list({ query, pageSize: LISTED })) {
      listed.push(listedTask(execution));
      if (listed.length === LISTED) break;
    }
    const tasks = await Promise.all(
      listed.map(async ({ isMap, ...task }) =>
        isMap ? { ...task, map: (await viewOf(client, task.task_id))?.map } : task,
      ),
    );
    const total = tasks.length < LISTED ? tasks.length : (await client.workflow.count(query)).count;
    return { total, tasks: tasks.toSorted((a, b) => a.started - b.started) };
  });
}

/** @param inFlight `undefined` if the engine is unreachable */
export function inFlightSection(inFlight: InFlight | undefined, lang: Lang, links: Links, now: number): Section {
  const say = reportText(lang);
  const text = textFor(lang);
  const words = say.inFlight;
  const rows = inFlight?.tasks.map((task) => [
    nameOf(task, links),
    html`${text.state[task.state]}${task.map && html` <small>${task.map.done}/${task.map.rows}</small>`}`,
    html`<bdi>${task.model}</bdi>`,
    inSeconds(now - task.started),
    task.task_id,
  ]);
  const more = inFlight ? inFlight.total - inFlight.tasks.length : 0;
  return section(
    'in-flight',
    words.heading,
    rows === undefined
      ? html`<p class="warn">${words.away}</p>`
      : rows.length === 0
        ? html`<p>${words.none}</p>`
        : html`${table({ label: words.heading, columns: words.columns, rows, texts: [0, 1, 2, 4] })}
          ${more > 0 && html`<p class="quiet">${words.more(count(more, lang))}</p>`}`,
  );
}

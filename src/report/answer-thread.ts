/** Worker thread that reads an answer and renders it: `dist/answer-thread.js`. Only it loads the Markdown library. */
import { parentPort, workerData } from 'node:worker_threads';
import { KeptTasks, type KeptTask } from '../results/kept.ts';
import { ResultStore } from '../results/store.ts';
import { answerPage, type AnswerPage, type Turn } from './answer.ts';
import { rendererOf } from './markdown.ts';
import { reportText } from './text/index.ts';

/** Most earlier turns on a page. */
const MOST_TURNS = 20;

const { folder, keys, task_id, ...options } = workerData as AnswerPage;
const kept = new KeptTasks(new ResultStore(folder, keys));
const turn = await read(task_id);
const render = rendererOf(reportText(options.lang).reader);
parentPort?.postMessage(turn && answerPage(turn, { ...options, earlier: await turnsBefore(turn.task), render }), []);

/** @returns the turns of the conversation before a task, the oldest first; without those before one that was removed. */
async function turnsBefore({ task_id: last, continues }: KeptTask): Promise<Turn[]> {
  const turns = new Map<string, Turn>();
  let next = continues;
  // A file that was changed by hand could name a task twice.
  while (next !== undefined && next !== last && !turns.has(next) && turns.size < MOST_TURNS) {
    const before = await read(next);
    if (!before) break;
    turns.set(next, before);
    next = before.task.continues;
  }
  return [...turns.values()].toReversed();
}

async function read(id: string): Promise<Turn | undefined> {
  const { locked } = kept;
  const task = await kept.one(id);
  return task && { task, isLocked: kept.locked > locked };
}

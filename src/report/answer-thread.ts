/** Worker thread that reads an answer and renders it: `dist/answer-thread.js`. Only it loads the Markdown library. */
import { parentPort, workerData } from 'node:worker_threads';
import { KeptTasks } from '../results/kept.ts';
import { ResultStore } from '../results/store.ts';
import { answerPage, type AnswerPage } from './answer.ts';
import { rendererOf } from './markdown.ts';
import { reportText } from './text/index.ts';

const { folder, keys, task_id, lang, webUi, link } = workerData as AnswerPage;
const kept = new KeptTasks(new ResultStore(folder, keys));
const task = await kept.one(task_id);
const words = reportText(lang).reader;
parentPort?.postMessage(
  task && answerPage(task, { lang, webUi, link, isLocked: kept.locked > 0, render: rendererOf(words) }),
  [],
);

/** The thread that reads the results and draws: `new Worker('dist/report-thread.js')`. Nothing else loads what it needs. */
import { parentPort, workerData } from 'node:worker_threads';
import { ResultStore } from '../results/store.ts';
import { entriesOf, figuresOf } from './data.ts';
import type { Made, Order } from './make.ts';
import { sectionsOf } from './sections.ts';

const { folder, since, until, lang, links } = workerData as Order;
const figures = figuresOf(entriesOf(new ResultStore(folder).savedSince(since)), since, until);
const made: Made = {
  tasks: figures.tasks,
  damaged: figures.byModel.damaged,
  sections: sectionsOf(figures, lang, links),
};
parentPort?.postMessage(made, []);

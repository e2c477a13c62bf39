/** Worker thread that reads the results and draws the charts: `dist/report-thread.js`. Only it loads the chart library. */
import { parentPort, workerData } from 'node:worker_threads';
import { ResultStore } from '../results/store.ts';
import { entriesOf, figuresOf } from './data.ts';
import type { Report, ReportOptions } from './make.ts';
import { sectionsOf } from './sections.ts';

const { folder, since, until, lang, links } = workerData as ReportOptions;
const figures = figuresOf(entriesOf(new ResultStore(folder).savedSince(since)), since, until);
const report: Report = {
  tasks: figures.tasks,
  damaged: figures.byModel.damaged,
  sections: sectionsOf(figures, lang, links),
};
parentPort?.postMessage(report, []);

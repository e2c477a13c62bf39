/** Worker thread that reads the results and draws the charts: `dist/report-thread.js`. Only it loads the chart library. */
import { parentPort, workerData } from 'node:worker_threads';
import { oneLine } from '../shared/format.ts';
import { textFor } from '../text/index.ts';
import { ResultStore } from '../results/store.ts';
import { entriesOf, figuresOf, listedIn, QUESTION_CHARS, type Figures } from './data.ts';
import type { Report, ReportOptions } from './make.ts';
import { sectionsOf } from './sections.ts';

const { folder, keys, since, until, lang, links } = workerData as ReportOptions;
const results = new ResultStore(folder, keys);
const figures = figuresOf(entriesOf(withFiles(results)), since, until);
if (keys) await addQuestions(figures, results);
const report: Report = {
  tasks: figures.tasks,
  damaged: figures.byModel.damaged,
  sections: sectionsOf(figures, lang, links),
};
parentPort?.postMessage(report, []);

/** The results with the files that went with their questions, which may be encrypted. */
function* withFiles(store: ResultStore): Generator<object | undefined> {
  for (const result of store.savedSince(since)) yield result && { ...result, files: store.filesOf(result) };
}

async function addQuestions(of: Figures, store: ResultStore): Promise<void> {
  for (const entry of listedIn(of)) {
    const saved = await store.readIfSound(entry.task_id);
    const { question, files } = saved ? store.noteOf(saved) : {};
    const text = textFor(lang);
    const attached = files ? ` · ${oneLine(text.files(files), QUESTION_CHARS)}` : '';
    const continued = saved?.continues === undefined ? '' : ` · ${text.details.continues} ${saved.continues}`;
    if (question !== undefined) entry.question = oneLine(question, QUESTION_CHARS) + attached + continued;
  }
}

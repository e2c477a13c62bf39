/** The page of a task that has a result: the conversation before it, its question and its answer. */
import type { KeyObject } from 'node:crypto';
import { cutAt, fileNote, oneLine } from '../shared/format.ts';
import { rowsAsked } from '../shared/map.ts';
import { asksForFunctions } from '../shared/result.ts';
import { rowTaskId } from '../shared/task-id.ts';
import type { FileNote, Lang } from '../shared/task.ts';
import { explain, stateOf, textFor } from '../text/index.ts';
import type { KeptTask } from '../results/kept.ts';
import { count, minute, price } from './format.ts';
import { html, section, table, type Html, type Part, type Section } from './html.ts';
import { documentOf } from './page.ts';
import { reportText, type ReportText } from './text/index.ts';

interface PageOptions {
  lang: Lang;
  /** Address of the task in the Web UI. */
  webUi: string | undefined;
  /** Query of the link that its reader came by: it opens no other page. */
  link?: string | undefined;
  /** Whether its reader may continue the conversation. */
  mayContinue: boolean;
}

/** What the thread makes a page of. */
export interface AnswerPage extends PageOptions {
  /** Folder of the result files. */
  folder: string;
  /** Of the questions in them. */
  keys: ReadonlyMap<string, KeyObject>;
  task_id: string;
}

/** A question and its answer. */
export interface Turn {
  task: KeptTask;
  /** Whether the question cannot be decrypted. */
  isLocked: boolean;
}

export interface AnswerOptions extends PageOptions {
  /** The turns before, the oldest first. */
  earlier?: Turn[];
  /** Renders Markdown; without it the answer is too hard to show. */
  render?: (markdown: string) => Html;
}

type Words = ReportText['reader'];

/** Most characters of a page's parts, and most rows: an answer may have 16 MiB, which no browser shows at once. */
const SHOWN = { question: 20_000, answer: 200_000, reasoning: 50_000, earlierAnswer: 20_000, rows: 1_000 };

/** Characters of an earlier question in the line that opens its turn. */
const SUMMARY_CHARS = 80;

export function answerPage(turn: Turn, options: AnswerOptions): string {
  const { lang, webUi, link } = options;
  const { task } = turn;
  const { reader: words, overview } = reportText(lang);
  const text = textFor(lang);
  const { task_name, task_id, tokens = task.map?.tokens, cost = task.map?.cost[0] } = task;
  const facts = [
    stateOf({ ...task, state: task.status }, text),
    html`<bdi>${task.model}</bdi>`,
    task.fallback && text.fallback(task.fallback),
    task.map && text.rows(task.map),
    task.row &&
      link === undefined &&
      html`${words.rowOf(task.row.number)} <a href="${task.row.map}">${task.row.map}</a>`,
    `${minute(task.completed_at)} (UTC)`,
    tokens && `${count(tokens.total, lang)} ${overview.tokens}`,
    cost && price(cost),
    // For the command line.
    html`<code>${task_id}</code>`,
  ].filter((fact) => fact !== undefined && fact !== false);
  return documentOf({
    lang,
    title: words.title(task_name || task_id),
    header: taskHeader(task, facts, words, { webUi, link }),
    sections: [
      ...(link === undefined ? earlierSection(task, options, words) : []),
      section('question', words.question, questionOf(turn, lang, words)),
      answerSection(task, options, words),
      ...rowsSection(task, options, words),
      ...(options.mayContinue && task.output?.trim() && !task.function_calls ? [followUpSection(words)] : []),
    ],
    script: true,
  });
}

/** @param facts the line below the heading */
export function taskHeader(
  { task_name, task_id }: { task_name: string; task_id: string },
  facts: readonly Part[],
  words: Words,
  { webUi, link }: Partial<Pick<PageOptions, 'webUi' | 'link'>>,
): Html {
  return html`${link === undefined && html`<p><a href="../">${words.back}</a></p>`}
    <h1><bdi>${task_name || task_id}</bdi></h1>
    <p>${facts.map((fact, index) => html`${index > 0 && ' · '}${fact}`)}</p>
    ${webUi !== undefined && html`<p><a href="${webUi}">${words.webUi}</a></p>`}`;
}

/** A text as it was written, in a region that scrolls. */
export function plain(text: string, label: string): Html {
  return html`<pre class="plain" tabindex="0" role="group" aria-label="${label}">${text}</pre>`;
}

/** The files that went with a question. */
export function filesOf(files: readonly FileNote[] | undefined, words: Words): Html | undefined {
  if (!files || files.length === 0) return undefined;
  return html`<h3>${words.files}</h3>
    <ul class="files">
      ${files.map((file) => html`<li><bdi>${fileNote(file)}</bdi></li>`)}
    </ul>`;
}

/** Links the task whose conversation another one continues. */
export function continuesLine({ continues }: { continues?: string }, words: Words): Html | undefined {
  return continues === undefined
    ? undefined
    : html`<p class="quiet">${words.continues} <a href="${continues}">${continues}</a></p>`;
}

/** Each turn is opened by its question. What is not shown is a link to the newest turn that is not. */
function earlierSection(task: KeptTask, options: AnswerOptions, words: Words): Section[] {
  const { lang, render, earlier = [] } = options;
  if (task.continues === undefined) return [];
  const turns = earlier.map((turn) => {
    const { task_id, task_name, prompt = task_name } = turn.task;
    const { shown, isCut } = beginningOf(answerOf(turn.task) ?? '', SHOWN.earlierAnswer);
    const summary = oneLine(prompt, SUMMARY_CHARS);
    return html`<details>
      <summary><bdi>${summary}</bdi></summary>
      <div class="turn">
        ${questionOf(turn, lang, words, summary)}
        ${render ? html`<div class="answer">${render(shown)}</div>` : html`<p class="warn">${words.tooHard}</p>`}
        <p class="quiet"><a href="${task_id}">${isCut ? words.whole : words.openTurn}</a></p>
      </div>
    </details>`;
  });
  return [section('earlier', words.earlier, html`${continuesLine(earlier[0]?.task ?? task, words)} ${turns}`)];
}

/** @param said what was said of it before: not repeated if that is all */
function questionOf({ task, isLocked }: Turn, lang: Lang, words: Words, said?: string): Html {
  const { prompt, request, files } = task;
  if (prompt === undefined) return html`<p class="quiet">${isLocked ? words.locked : words.notKept}</p>`;
  const { shown, isCut } = beginningOf(prompt, SHOWN.question);
  return html`${prompt !== said && plain(shown, words.question)}
  ${isCut && html`<p class="warn">${words.questionCut(count(SHOWN.question, lang))}</p>`} ${filesOf(files, words)}
  ${
    request?.system !== undefined &&
    html`<details>
      <summary>${words.system}</summary>
      ${plain(beginningOf(request.system, SHOWN.question).shown, words.system)}
    </details>`
  }`;
}

function answerSection(task: KeptTask, { lang, render, link = '' }: AnswerOptions, words: Words): Section {
  const { task_id, error, output, partial_output, reasoning } = task;
  const answer = answerOf(task);
  const { shown, isCut } = beginningOf(answer ?? '', SHOWN.answer);
  const isWhole = render !== undefined && !isCut;
  return section(
    'answer',
    words.answer,
    html`${error && html`<p class="warn">${explain(error, textFor(lang))}</p>`}
    ${answer !== undefined && actions(`${task_id}/answer.md${link}`, shown, isWhole, words)}
    ${asksForFunctions(task) && html`<p class="quiet">${textFor(lang).functions.sentence}</p>`}
    ${output === undefined && partial_output !== undefined && html`<p class="quiet">${words.partial}</p>`}
    ${answer !== undefined && (render ? html`<div class="answer">${render(shown)}</div>` : html`<p class="warn">${words.tooHard}</p>`)}
    ${isCut && render && html`<p class="warn">${words.cut(count(SHOWN.answer, lang))}</p>`}
    ${
      reasoning !== undefined &&
      html`<details>
        <summary>${words.reasoning}</summary>
        ${plain(beginningOf(reasoning, SHOWN.reasoning).shown, words.reasoning)}
      </details>`
    }`,
  );
}

/** The rows of a map, each with a page of its own. */
function rowsSection({ task_id, map }: KeptTask, { lang, link }: AnswerOptions, words: Words): Section[] {
  // A link opens no other page.
  if (!map || link !== undefined) return [];
  const numbers = rowsAsked({ rows: map.of ?? map.rows, ...(map.only && { only: map.only }) });
  const text = textFor(lang);
  const failures = map.failures.slice(0, SHOWN.rows).map(({ number, task_id: row, status, error }) => {
    const why = error ? explain(error, text) : text.state[status];
    return [html`<a href="${row}">${number}</a>`, why];
  });
  const links = numbers
    .slice(0, SHOWN.rows)
    .map((number) => html`<a href="${rowTaskId(task_id, number)}">${number}</a> `);
  return [
    section(
      'rows',
      words.rows,
      html`<p>${links}</p>
        ${numbers.length > SHOWN.rows && html`<p class="quiet">${words.moreRows(count(SHOWN.rows, lang), task_id)}</p>`}
        ${failures.length > 0 && table({ label: words.rows, columns: words.rowsWithout, rows: failures, texts: [0, 1] })}`,
    ),
  ];
}

/** The text to copy is in the page; a line end at its beginning is no part of a textarea. */
function actions(download: string, answer: string, isWhole: boolean, words: Words): Html {
  return html`<p class="actions">
    <a class="button" href="${download}" download>${words.download}</a>
    ${
      isWhole &&
      html`<button type="button" data-copy="source" data-done="${words.copied}" hidden>${words.copy}</button
        ><textarea id="source" hidden readonly>${answer}</textarea>`
    }
  </p>`;
}

/** The form is sent by the script of the page. */
function followUpSection(words: Words): Section {
  return section(
    'follow-up',
    words.followUp,
    html`<form data-failed="${words.notSent}" data-problems="${JSON.stringify(words.problems)}" hidden>
      <label for="prompt">${words.nextQuestion}</label>
      <textarea id="prompt" rows="4" required aria-describedby="price"></textarea>
      <p class="quiet" id="price">${words.followUpPrice}</p>
      <p class="warn" role="alert"></p>
      <p class="actions"><button>${words.send}</button></p>
    </form>`,
  );
}

/** @returns the answer of a task, or what was received of it. */
export function answerOf({ output, partial_output }: Pick<KeptTask, 'output' | 'partial_output'>): string | undefined {
  return output ?? partial_output;
}

function beginningOf(text: string, characters: number): { shown: string; isCut: boolean } {
  return { shown: text.slice(0, cutAt(text, characters)), isCut: text.length > characters };
}

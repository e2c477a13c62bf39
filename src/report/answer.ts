/** The page of a task that has a result: its question and its answer. */
import type { KeyObject } from 'node:crypto';
import { fileNotes, type Lang } from '../shared/task.ts';
import { explain, stateOf, textFor } from '../text/index.ts';
import type { KeptTask } from '../results/kept.ts';
import { count, minute, price } from './format.ts';
import { html, section, type Html, type Part, type Section } from './html.ts';
import { documentOf } from './page.ts';
import { reportText, type ReportText } from './text/index.ts';

/** What the thread makes a page of. */
export interface AnswerPage {
  /** Folder of the result files. */
  folder: string;
  /** Of the questions in them. */
  keys: ReadonlyMap<string, KeyObject>;
  task_id: string;
  lang: Lang;
  /** Address of the task in the Web UI. */
  webUi: string | undefined;
  /** Query of the link that its reader came by: it opens no other page. */
  link: string | undefined;
}

/** Most characters of a page's parts: an answer may have 16 MiB, which no browser shows at once. */
const SHOWN = { question: 20_000, answer: 200_000, reasoning: 50_000 };

export interface AnswerOptions {
  lang: Lang;
  webUi: string | undefined;
  link?: string | undefined;
  /** Whether the question cannot be decrypted. */
  isLocked: boolean;
  /** Renders Markdown; without it the answer is too hard to show. */
  render?: (markdown: string) => Html;
}

export function answerPage(task: KeptTask, options: AnswerOptions): string {
  const { lang, webUi, link } = options;
  const { reader: words, overview } = reportText(lang);
  const text = textFor(lang);
  const { task_name, task_id, tokens, cost } = task;
  const facts = [
    stateOf({ ...task, state: task.status }, text),
    html`<bdi>${task.model}</bdi>`,
    `${minute(task.completed_at)} (UTC)`,
    tokens && `${count(tokens.total, lang)} ${overview.tokens}`,
    cost && price(cost),
  ].filter((fact) => fact !== undefined);
  return documentOf({
    lang,
    title: words.title(task_name || task_id),
    header: taskHeader(task, facts, words, { webUi, link }),
    sections: [questionSection(task, options, words), answerSection(task, options, words)],
    script: true,
  });
}

/** @param facts the line below the heading */
export function taskHeader(
  { task_name, task_id }: { task_name: string; task_id: string },
  facts: readonly Part[],
  words: ReportText['reader'],
  { webUi, link }: Partial<Pick<AnswerPage, 'webUi' | 'link'>>,
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

function questionSection(task: KeptTask, { lang, isLocked }: AnswerOptions, words: ReportText['reader']): Section {
  const { prompt, request, files } = task;
  const { shown, isCut } = beginningOf(prompt ?? '', SHOWN.question);
  return section(
    'question',
    words.question,
    prompt === undefined
      ? html`<p class="quiet">${isLocked ? words.locked : words.notKept}</p>`
      : html`${plain(shown, words.question)}
        ${isCut && html`<p class="warn">${words.questionCut(count(SHOWN.question, lang))}</p>`}
        ${files && html`<p class="quiet">${words.files}: ${textFor(lang).files(fileNotes(files))}</p>`}
        ${
          request?.system !== undefined &&
          html`<details>
            <summary>${words.system}</summary>
            ${plain(beginningOf(request.system, SHOWN.question).shown, words.system)}
          </details>`
        }`,
  );
}

function answerSection(
  task: KeptTask,
  { lang, render, link = '' }: AnswerOptions,
  words: ReportText['reader'],
): Section {
  const { task_id, error, output, partial_output, reasoning } = task;
  const answer = answerOf(task);
  const { shown, isCut } = beginningOf(answer ?? '', SHOWN.answer);
  const isWhole = render !== undefined && !isCut;
  return section(
    'answer',
    words.answer,
    html`${error && html`<p class="warn">${explain(error, textFor(lang))}</p>`}
    ${answer !== undefined && actions(`${task_id}/answer.md${link}`, shown, isWhole, words)}
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

/** The text to copy is in the page; a line end at its beginning is no part of a textarea. */
function actions(download: string, answer: string, isWhole: boolean, words: ReportText['reader']): Html {
  return html`<p class="actions">
    <a class="button" href="${download}" download>${words.download}</a>
    ${
      isWhole &&
      html`<button type="button" data-copy="source" data-done="${words.copied}" hidden>${words.copy}</button
        ><textarea id="source" hidden readonly>${answer}</textarea>`
    }
  </p>`;
}

/** @returns the answer of a task, or what was received of it. */
export function answerOf({ output, partial_output }: Pick<KeptTask, 'output' | 'partial_output'>): string | undefined {
  return output ?? partial_output;
}

function beginningOf(text: string, characters: number): { shown: string; isCut: boolean } {
  const isCut = text.length > characters;
  return { shown: isCut ? text.slice(0, characters).replace(/[\uD800-\uDBFF]$/, '') : text, isCut };
}

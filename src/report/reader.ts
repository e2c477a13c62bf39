import { existsSync } from 'node:fs';
import type { KeyObject } from 'node:crypto';
import type { Client } from '@temporalio/client';
import pLimit from 'p-limit';
import type { Logger } from 'pino';
import { ResultStore } from '../results/store.ts';
import { onThread } from '../service/thread.ts';
import type { Lang } from '../shared/task.ts';
import { hasEnded, lookUp } from '../tasks/look-up.ts';
import type { Found, Tasks } from '../tasks/tasks.ts';
import { grpcErrorIn } from '../temporal/client.ts';
import { explain, stateOf, textFor } from '../text/index.ts';
import { answerOf, answerPage, continuesLine, filesOf, plain, taskHeader, type AnswerPage } from './answer.ts';
import { inSeconds } from './format.ts';
import { html, section, type Html } from './html.ts';
import { documentOf, stateLine } from './page.ts';
import { reportText } from './text/index.ts';

export interface ReaderOptions {
  client: Client;
  /** Opens the operations on tasks. */
  tasks: () => Promise<Tasks>;
  /** Folder of the result files. */
  folder: string;
  /** Of the questions in them. */
  keys: ReadonlyMap<string, KeyObject>;
  lang: Lang;
  /** Address of the Web UI's list of tasks. */
  webUi?: string | undefined;
  /** What its readers may do. */
  may: { cancel: boolean; continue: boolean };
  log: Logger;
}

/** A page, and the HTTP status that says what it is. */
export interface TaskPage {
  status: 200 | 404;
  page: string;
}

/** A large answer takes a fifth of the memory; an answer may be made to exceed either. */
const LIMITS = { memoryMb: 512, timeMs: 10_000 };

/** Answers that are rendered at the same time. */
const MOST_THREADS = 2;

/** Timeout of a question to the engine, in milliseconds. */
const ENGINE_MS = 2_000;

/** How long a new task may take until Kimi has accepted it, before its page shows the rest. Milliseconds. */
const START_MS = 900;

/** The pages of single tasks: what was asked and answered, or how far the answer is. */
export class Reader {
  private readonly results: ResultStore;
  private readonly slots = pLimit(MOST_THREADS);

  constructor(private readonly options: ReaderOptions) {
    this.results = new ResultStore(options.folder, options.keys);
  }

  get may(): ReaderOptions['may'] {
    return this.options.may;
  }

  /** @param link query of a link to this answer, if its reader has no password: such a reader sees the answer, and nothing else */
  async page(task_id: string, link?: string): Promise<TaskPage> {
    const words = reportText(this.options.lang).reader;
    const saved = await this.answer(task_id, link);
    if (saved !== undefined) return { status: 200, page: saved };
    if (link !== undefined) return { status: 404, page: this.unknownPage(task_id, link) };
    let found: Found | undefined;
    try {
      found = await this.ask(async (client) => await lookUp(client, task_id));
    } catch (error) {
      if (!grpcErrorIn(error)) throw error;
      return { status: 200, page: this.progressPage(task_id, task_id, html`<p class="warn">${words.away}</p>`) };
    }
    if (found && (found.ended !== undefined || !hasEnded(found.view))) {
      return { status: 200, page: this.progressPage(task_id, found.view.task_name, this.progressOf(found)) };
    }
    // It may have ended since the first look: its result is saved by then.
    const page = found && (await this.answer(task_id));
    return page === undefined ? { status: 404, page: this.unknownPage(task_id) } : { status: 200, page };
  }

  /** @returns the answer as it is, and the name of its task; `undefined` if there is none. */
  async markdown(task_id: string): Promise<{ name: string; text: string } | undefined> {
    const result = await this.results.readIfSound(task_id);
    const text = result && answerOf(result);
    return text === undefined ? undefined : { name: result?.task_name ?? task_id, text };
  }

  /** Cancels a task. @throws {Problem} */
  async cancel(task_id: string): Promise<void> {
    await (await this.options.tasks()).cancel(task_id);
  }

  /**
   * Continues the conversation of a task.
   *
   * @param key starts one task only, however often it is used
   * @returns the id of the new task
   * @throws {Problem}
   */
  async continue(task_id: string, prompt: string, key: string): Promise<string> {
    const tasks = await this.options.tasks();
    return (await tasks.start({ prompt, continue: task_id }, key, START_MS)).task_id;
  }

  /** @returns the page of a result; `undefined` if it was removed or is damaged. */
  private async answer(task_id: string, link?: string): Promise<string | undefined> {
    const { folder, keys, lang, may, log } = this.options;
    const isLinked = link !== undefined;
    if (!existsSync(this.results.resultPath(task_id))) return undefined;
    const webUi = isLinked ? undefined : this.webUiOf(task_id);
    const common = { lang, webUi, link, mayContinue: may.continue && !isLinked };
    const data: AnswerPage = { ...common, folder, keys, task_id };
    try {
      return await this.slots(async () => await onThread('answer-thread.js', data, LIMITS));
    } catch (error) {
      log.warn({ task_id }, `the answer cannot be shown: ${(error as Error).message}`);
      const result = await this.results.readIfSound(task_id);
      return result && answerPage({ task: result, isLocked: false }, common);
    }
  }

  private async ask<T>(work: (client: Client) => Promise<T>): Promise<T> {
    const { client } = this.options;
    return await client.connection.withDeadline(Date.now() + ENGINE_MS, async () => await work(client));
  }

  private progressOf({ view, progress, retrying, ended }: Found): Html {
    const { lang } = this.options;
    const text = textFor(lang);
    const words = reportText(lang).reader;
    const rows = [
      [words.state, view.queue ? `${stateOf(view, text)} · ${text.queuePosition(view.queue)}` : stateOf(view, text)],
      [words.model, html`<bdi>${view.model}</bdi>`],
      [words.passed, inSeconds(Date.now() - Date.parse(view.created_at))],
    ];
    const why = view.error ?? (retrying && { type: retrying.type ?? '', message: retrying.why });
    return html`<dl class="tiles">
        ${rows.map(
          ([name, value]) =>
            html`<div class="tile">
              <dt>${name}</dt>
              <dd>${value}</dd>
            </div>`,
        )}
      </dl>
      ${ended !== undefined && html`<p class="warn">${words.ended(ended)}</p>`}
      ${view.paused && html`<p class="warn">${text.budget.pause(view.paused, Date.now())}</p>`}
      ${why && html`<p class="warn">${explain(why, text)}</p>`} ${progress && html`<p>${text.stream(progress)}</p>`}
      ${
        progress?.tail !== undefined &&
        progress.tail !== '' &&
        html`<h3>${words.tail}</h3>
          ${plain(`…${progress.tail}`, words.tail)}`
      }
      ${
        view.question !== undefined &&
        html`<h3>${words.question}</h3>
          ${plain(view.question, words.question)}`
      }
      ${filesOf(view.files, words)} ${continuesLine(view, words)}
      ${
        this.may.cancel &&
        !hasEnded(view) &&
        html`<p class="actions">
          <button type="button" data-confirm="${words.sureToCancel}" data-failed="${words.notCancelled}" hidden>
            ${words.cancel}
          </button>
        </p>`
      }`;
  }

  private progressPage(task_id: string, task_name: string, body: Html): string {
    const { lang } = this.options;
    const words = reportText(lang).reader;
    return documentOf({
      lang,
      title: words.title(task_name),
      header: html`${taskHeader({ task_id, task_name }, [task_id], words, { webUi: this.webUiOf(task_id) })}
      ${stateLine(Date.now(), lang, true)}`,
      sections: [section('progress', words.progress, body)],
      script: true,
    });
  }

  private unknownPage(task_id: string, link?: string): string {
    const { lang } = this.options;
    const words = reportText(lang).reader;
    return documentOf({
      lang,
      title: words.title(task_id),
      header: taskHeader({ task_id, task_name: task_id }, [], words, { link }),
      sections: [section('unknown', words.answer, html`<p class="warn">${words.unknown}</p>`)],
      script: false,
    });
  }

  private webUiOf(task_id: string): string | undefined {
    const { webUi } = this.options;
    return webUi === undefined ? undefined : `${webUi}/${task_id}`;
  }
}

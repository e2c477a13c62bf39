import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import pico from 'picocolors';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import { oneLine } from '../../shared/format.ts';
import type { Question, ResultFile } from '../../shared/result.ts';
import { parseTaskId } from '../../shared/task-id.ts';
import { Problem } from '../../tasks/problem.ts';
import { endingOf, explain, textFor, type Text } from '../../text/index.ts';
import { CliError, exitFor } from '../exit.ts';
import { questionIfKept } from '../kept.ts';
import { namedTask } from '../named-task.ts';
import { command, printing, route } from '../options.ts';
import { withoutControls } from '../output/terminal.ts';
import { printAnswer } from '../output/answer.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the question above an answer. */
const QUESTION_CHARS = 200;

interface ResultOptions {
  all?: true;
  csv?: true;
  route?: Route;
  json?: true;
  raw?: true;
  code?: string;
  output: string;
}

export function resultCommand(say: CliText): Command {
  return command('result', say, say.help.result, [
    'kimi-dispatch result',
    'kimi-dispatch result kimi-1707654321-12345 > answer.md',
    'kimi-dispatch result kimi-1707654321-12345 --code python -o src',
  ])
    .argument('[TASK]', say.help.resultTask)
    .option('--all', say.help.allRows)
    .option('--csv', say.help.allAsCsv)
    .option('--raw', say.help.raw)
    .option('--code <LANG>', say.help.code)
    .option('-o, --output <FOLDER>', say.help.codeFolder, '.')
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(async (word: string | undefined, options: ResultOptions) => await result(word, options, say)));
}

async function result(
  word: string | undefined,
  { route: chat, json, raw, code, output: folder, all, csv }: ResultOptions,
  say: CliText,
): Promise<Exit> {
  const text = textFor(langOf());
  const tasks = await openTasks();
  const named = word === undefined ? undefined : await namedTask(word, tasks, say, { route: chat });
  const saved = await tasks.result(named?.task_id, chat);
  if (all || csv) {
    if (!saved.map) throw new Problem('no_map', { task_id: saved.task_id });
    return await (await import('../map-rows.ts')).printRows(saved, csv);
  }
  if (saved.map && !json && (raw || code !== undefined)) {
    throw new CliError(EXIT.usage, say.maps.noAnswer(saved.task_id));
  }
  if (json) {
    // The agent of a chat knows what it asked, and its context is short.
    const question = chat ? undefined : await questionIfKept(tasks, saved.task_id);
    console.log(JSON.stringify({ ...saved, ...question }, null, 2));
  } else if (saved.output !== undefined) {
    if (code !== undefined) await extract(saved.task_name, saved.output, code, folder, say);
    else {
      if (process.stdout.isTTY && !raw) printQuestion(await questionIfKept(tasks, saved.task_id));
      await printAnswer(saved.output, raw);
    }
    if (saved.fallback) console.error(text.fallback(saved.fallback));
    const ending = endingOf(saved, text);
    if (ending) console.error(ending.sentence);
    if (saved.continues !== undefined) console.error(say.continuing(saved.continues));
    if (saved.simulated) console.error(say.simulatedNotice);
    // Whose answer it is, where the newest was asked for, or a chat named it otherwise. The plugin reads the last id.
    if (word === undefined || (chat && !parseTaskId(word))) console.error(say.taskId(saved.task_id));
  } else if (saved.map) {
    const { outcomeText } = await import('../../notify/message.ts');
    console.log(withoutControls(outcomeText(saved, text)));
    console.error(`\n${say.maps.all(saved.task_id)}`);
  } else console.error(say.noOutput(saved.task_id, whyWithout(saved, text)));
  return exitFor(saved);
}

/** @returns why a task has no answer. */
function whyWithout(saved: ResultFile, text: Text): string {
  if (saved.error) return explain(saved.error, text);
  return endingOf(saved, text)?.sentence ?? text.state[saved.status];
}

/** On a terminal only, where it is not taken for the answer. */
function printQuestion(question: Question | undefined): void {
  if (question) console.log(`${pico.dim(`> ${oneLine(question.prompt, QUESTION_CHARS)}`)}\n`);
}

/** Writes each code block of a language to a new file and prints the names. Existing files are not overwritten. */
async function extract(name: string, answer: string, lang: string, folder: string, say: CliText): Promise<void> {
  const { codeBlocks } = await import('../output/markdown.ts');
  const blocks = codeBlocks(answer);
  if (!blocks) throw new CliError(EXIT.usage, say.codeNotRead);
  const wanted = blocks.filter((block) => extensionOf(block.lang) === extensionOf(lang.toLowerCase()));
  if (wanted.length === 0) {
    throw new CliError(EXIT.usage, say.noCode(lang, [...new Set(blocks.map((block) => block.lang || '-'))].join(', ')));
  }
  const notWritten = (path: string, { code: why = '' }: NodeJS.ErrnoException): CliError =>
    new CliError(EXIT.config, say.codeNotWritten(path, why));
  await mkdir(folder, { recursive: true }).catch((error: unknown) => {
    throw notWritten(folder, error as NodeJS.ErrnoException);
  });
  for (const [index, { code }] of wanted.entries()) {
    const number = wanted.length > 1 ? `-${index + 1}` : '';
    const file = join(folder, `${name.replaceAll(' ', '-')}${number}.${extensionOf(lang.toLowerCase())}`);
    try {
      await writeFile(file, `${code}\n`, { flag: 'wx' });
    } catch (error) {
      const isThere = (error as NodeJS.ErrnoException).code === 'EEXIST';
      throw isThere
        ? new CliError(EXIT.config, say.fileIsThere(file))
        : notWritten(file, error as NodeJS.ErrnoException);
    }
    console.log(file);
  }
}

/** File extensions that differ from the name of the language. */
const EXTENSIONS: Record<string, string> = {
  bash: 'sh',
  csharp: 'cs',
  javascript: 'js',
  kotlin: 'kt',
  markdown: 'md',
  python: 'py',
  ruby: 'rb',
  rust: 'rs',
  shell: 'sh',
  typescript: 'ts',
  yml: 'yaml',
  zsh: 'sh',
};

function extensionOf(lang: string): string {
  return EXTENSIONS[lang] ?? lang.replaceAll(/[^a-z0-9+]/g, '');
}

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Client } from '@temporalio/client';
import type { Command } from 'commander';
import type { Route } from '../../shared/chat.ts';
import { isTruncated, type ResultFile } from '../../shared/result.ts';
import type { TaskReference } from '../../shared/task-id.ts';
import { explain } from '../../text/index.ts';
import { openContext, withClient, type Context } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError, exitFor } from '../exit.ts';
import { newestTasks } from '../../temporal/task-list.ts';
import { checkChat, lookUpWithResult, noResult } from '../look-up.ts';
import { codeBlocks, renderMarkdown } from '../output/markdown.ts';
import { command, printing, route, task } from '../options.ts';
import { withoutControls } from '../output/terminal.ts';
import type { CliText } from '../text/index.ts';

/** Most tasks of a chat that are searched for its newest result. */
const RECENT = 20;

interface ResultOptions {
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
    .argument('[TASK]', say.help.resultTask, task(say))
    .option('--raw', say.help.raw)
    .option('--code <LANG>', say.help.code)
    .option('-o, --output <FOLDER>', say.help.codeFolder, '.')
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(result));
}

async function result(
  named: TaskReference | undefined,
  { route: chat, json, raw, code, output: folder }: ResultOptions,
): Promise<Exit> {
  const context = await openContext();
  const { say, text } = context;
  const task_id = named?.task_id;
  if (task_id !== undefined) await checkChat(context, task_id, chat);
  const saved = task_id === undefined ? await newestResult(context, chat) : await savedResult(context, task_id);
  if (!saved) throw new CliError(EXIT.unfinished, say.noResults);
  if (json) console.log(JSON.stringify(saved, null, 2));
  else if (saved.output !== undefined) {
    if (code !== undefined) await extract(saved.task_name, saved.output, code, folder, say);
    else printAnswer(saved.output, raw);
    if (isTruncated(saved)) console.error(text.truncated.sentence);
  } else
    console.error(say.noOutput(saved.task_id, saved.error ? explain(saved.error, text) : text.state[saved.status]));
  return exitFor(saved);
}

/** @throws {CliError} if the task is unknown, unfinished, or its result is gone */
async function savedResult(context: Context, task_id: string): Promise<ResultFile> {
  const { say, results } = context;
  const here = await results.readIfSound(task_id);
  if (here) return here;
  const { found, saved } = await lookUpWithResult(context, task_id);
  if (saved) return saved;
  if (found) throw noResult(context, task_id, found);
  // Reports a damaged file.
  await results.read(task_id);
  throw new CliError(EXIT.unknown_task, say.unknownTask(task_id));
}

/** The results folder knows the newest result; only the engine knows the newest of a chat. */
async function newestResult(context: Context, chat: Route | undefined): Promise<ResultFile | undefined> {
  const { results, taskQueue } = context;
  if (!chat) return await results.latest();
  const find = async (client: Client) => await newestTasks(client, taskQueue, { route: chat }, RECENT);
  for (const { task_id } of await withClient(context, find)) {
    const saved = await results.read(task_id);
    if (saved) return saved;
  }
  return undefined;
}

/** A pipe or a file gets the exact bytes of the answer; a terminal gets it without control sequences. */
function printAnswer(answer: string, raw = false): void {
  const { stdout } = process;
  if (stdout.isTTY) stdout.write(raw ? withoutControls(answer) : `${renderMarkdown(answer)}\n`);
  else stdout.write(Buffer.from(raw ? answer : `${answer.replace(/\n$/, '')}\n`));
}

/** Writes each code block of a language to a new file and prints the names. Existing files are not overwritten. */
async function extract(name: string, answer: string, lang: string, folder: string, say: CliText): Promise<void> {
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

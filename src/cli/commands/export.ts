import { once } from 'node:events';
import type { Command } from 'commander';
import { FORMATS, writerFor, type Format } from '../../results/export.ts';
import { byCompletion } from '../../results/file.ts';
import { KeptTasks, type KeptTask } from '../../results/kept.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { openContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { reportUnread } from '../kept.ts';
import { age, command, printing } from '../options.ts';
import { withoutMaps } from '../../results/usage.ts';
import type { CliText } from '../text/index.ts';

interface ExportOptions extends Partial<Record<Format, true>> {
  since?: number;
  name?: string;
}

export function exportCommand(say: CliText): Command {
  return command('export', say, say.help.export, [
    'kimi-dispatch export > answers.md',
    'kimi-dispatch export --since 30d --name report --csv > answers.csv',
  ])
    .option('--since <TIME>', say.help.since, age(say))
    .option('--name <NAME>', say.help.nameBegins)
    .option('--markdown', say.help.asMarkdown)
    .option('--json', say.help.asJson)
    .option('--csv', say.help.asCsv)
    .action(printing(exportTasks));
}

/** Reads the results folder only, twice: for the order, then one after the other, however long the answers are. */
async function exportTasks({ since, name = '', ...formats }: ExportOptions): Promise<Exit> {
  const { config, say, results } = await openContext();
  const [format = 'markdown', ...others] = FORMATS.filter((each) => formats[each]);
  if (others.length > 0) throw new CliError(EXIT.usage, say.usage.oneFormat);
  const from = since === undefined ? 0 : Date.now() - since;
  const kept = new KeptTasks(results);
  const found: Pick<KeptTask, 'task_id' | 'completed_at'>[] = [];
  for (const result of withoutMaps(results.savedSince(from))) {
    if (!result) kept.damaged += 1;
    else if (result.task_name.startsWith(name))
      found.push({ task_id: result.task_id, completed_at: result.completed_at });
  }
  const wanted = found.toSorted(byCompletion);
  const writer = writerFor(format, config.KIMI_LANG, say.kept);
  await write(writer.before);
  for (const [index, { task_id }] of wanted.entries()) {
    const task = await kept.one(task_id);
    if (task) await write(`${index > 0 ? writer.between : ''}${writer.one(task)}`);
  }
  await write(writer.after);
  if (wanted.length === 0) console.error(say.kept.none);
  reportUnread(kept, say);
  return EXIT.ok;
}

/**
 * A pipe or a file gets exact bytes; the guard of a terminal makes control characters visible. A failed stream takes nothing more;
 * `watchStandardOutput` reports why.
 */
async function write(text: string): Promise<void> {
  const { stdout } = process;
  if (text === '' || stdout.destroyed) return;
  if (!stdout.write(stdout.isTTY ? text : Buffer.from(text))) await once(stdout, 'drain').catch(() => {});
}

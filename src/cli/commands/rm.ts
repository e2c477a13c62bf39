import type { Command } from 'commander';
import { oneLine } from '../../shared/format.ts';
import type { ResultStore } from '../../results/store.ts';
import type { ResultFile } from '../../shared/result.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { removable, removeTask, type Kept } from '../../tasks/remove.ts';
import { isAgreed } from '../ask.ts';
import { openContext, withClient } from '../context.ts';
import { CliError } from '../exit.ts';
import { namedTask } from '../named-task.ts';
import { command, ending } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the question that are shown. */
const QUESTION_CHARS = 80;

export function rmCommand(say: CliText): Command {
  return command('rm', say, say.help.rm, ['kimi-dispatch rm kimi-1707654321-12345'])
    .argument('<TASK>', say.help.task)
    .option('-y, --yes', say.help.rmYes)
    .action(ending(async (word: string, options: { yes?: true }) => await remove(word, options, say)));
}

/** @returns why a task is not removed. An open one: how it ends. */
async function whyKept(task_id: string, kept: Kept, results: ResultStore, say: CliText): Promise<string> {
  if (kept.kept === 'row') return say.rm.row(task_id, kept.by);
  if (kept.kept === 'retried') return say.rm.retried(task_id, kept.by);
  const saved = await results.readIfSound(task_id);
  if (!saved) return say.rm.open(task_id);
  return saved.acknowledged ? say.rm.awaitsLate(task_id) : say.rm.unacknowledged(task_id);
}

/** @returns name and question of a task; empty if its result is gone. */
function describe(saved: ResultFile | undefined, results: ResultStore): string {
  if (!saved) return '';
  const { question } = results.noteOf(saved);
  return [saved.task_name, question && oneLine(question, QUESTION_CHARS)].filter(Boolean).join('  ');
}

async function remove(word: string, { yes }: { yes?: true }, say: CliText): Promise<Exit> {
  const { task_id } = await namedTask(word, await openTasks(), say, { purpose: 'remove' });
  const context = await openContext();
  const { results } = context;
  await withClient(context, async (client) => {
    const found = await removable(client, results, task_id);
    if ('kept' in found) throw new CliError(EXIT.unfinished, await whyKept(task_id, found, results, say));
    if (!yes && !process.stdin.isTTY) throw new CliError(EXIT.usage, say.rm.noTerminal(task_id));
    const later = results.continuationsOf([task_id, ...found.rows]);
    if (later > 0) console.error(say.rm.continued(later));
    if (!yes && !(await isAgreed(say.rm.question(task_id, describe(found.saved, results))))) {
      console.log(say.rm.left);
      return;
    }
    await removeTask(client, results, found);
    console.log(say.rm.done(task_id));
  });
  return EXIT.ok;
}

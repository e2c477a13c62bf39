import type { Command } from 'commander';
import { EngineUnreachable } from '../temporal.ts';
import { isTruncated } from '../contract.ts';
import { explain } from '../text/index.ts';
import { openContext, withClient } from './context.ts';
import { EXIT, type Exit } from '../exit.ts';
import { CliError, exitFor } from './exit.ts';
import { checkTaskId, lookUp } from './look-up.ts';
import { command, ending } from './options.ts';
import type { CliText } from './text/index.ts';

export function resultCommand(say: CliText): Command {
  return command('result', say, say.help.result, [
    'kimi-dispatch result',
    'kimi-dispatch result kimi-1707654321-12345 > answer.md',
  ])
    .argument('[TASK]', say.help.resultTask)
    .option('--json', say.help.json)
    .action(ending(result));
}

async function result(task: string | undefined, { json }: { json?: true }): Promise<Exit> {
  const context = await openContext();
  const { say, text, results } = context;
  const saved = task === undefined ? await results.latest() : await results.read(checkTaskId(task, say));
  if (!saved) {
    if (task === undefined) throw new CliError(EXIT.unfinished, say.noResults);
    const known = await withClient(context, async (client) => await lookUp(client, task)).catch((error: unknown) => {
      if (error instanceof EngineUnreachable) return undefined;
      throw error;
    });
    throw known
      ? new CliError(EXIT.unfinished, say.unfinished(task))
      : new CliError(EXIT.unknown_task, say.unknownTask(task));
  }
  if (json) console.log(JSON.stringify(saved, null, 2));
  else if (saved.output !== undefined) {
    process.stdout.write(saved.output.endsWith('\n') ? saved.output : `${saved.output}\n`);
    if (isTruncated(saved)) console.error(text.truncated.sentence);
  } else
    console.error(say.noOutput(saved.task_id, saved.error ? explain(saved.error, text) : text.state[saved.status]));
  return exitFor(saved);
}

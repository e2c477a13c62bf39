import type { Command } from 'commander';
import { notificationId } from '../../shared/task-id.ts';
import { openContext } from '../context.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { stateOf } from '../../text/index.ts';
import { viewOfResult } from '../look-up.ts';
import { command, printing } from '../options.ts';
import { table } from '../output/table.ts';
import type { CliText } from '../text/index.ts';

export function inboxCommand(say: CliText): Command {
  return command('inbox', say, say.help.inbox, [
    'kimi-dispatch inbox',
    'kimi-dispatch inbox --json | jq -r .[].task_id',
  ])
    .option('--json', say.help.json)
    .action(printing(inbox));
}

/** Reads the results folder only, so it works while no service runs. */
async function inbox({ json }: { json?: true }): Promise<Exit> {
  const { say, text, results } = await openContext();
  const waiting = await results.unacknowledged();
  if (json)
    console.log(
      JSON.stringify(
        waiting.map((result) => ({ news: notificationId(result), ...result })),
        null,
        2,
      ),
    );
  else if (waiting.length === 0) console.log(say.inbox.none);
  else {
    const rows = waiting.map((result) => [
      notificationId(result),
      result.task_name,
      stateOf(viewOfResult(result), text),
      result.model,
      result.tokens?.total.toString() ?? '',
      result.completed_at,
    ]);
    console.log(table(say.inbox.columns, rows));
  }
  return EXIT.ok;
}

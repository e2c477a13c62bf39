import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { notificationId } from '../../shared/task-id.ts';
import { viewOfResult } from '../../tasks/view.ts';
import { stateOf, textFor } from '../../text/index.ts';
import { command, printing } from '../options.ts';
import { when } from '../output/time.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function inboxCommand(say: CliText): Command {
  return command('inbox', say, say.help.inbox, [
    'kimi-dispatch inbox',
    'kimi-dispatch inbox --json | jq -r .[].task_id',
  ])
    .option('--json', say.help.json)
    .action(printing(async (options: { json?: true }) => await inbox(options, say)));
}

/** Works while no service runs. */
async function inbox({ json }: { json?: true }, say: CliText): Promise<Exit> {
  const text = textFor(langOf());
  const waiting = await (await openTasks()).unacknowledged();
  if (json) {
    const shown = waiting.map((result) => ({ news: notificationId(result), ...result }));
    console.log(JSON.stringify(shown, null, 2));
  } else if (waiting.length === 0) console.log(say.inbox.none);
  else {
    const rows = waiting.map((result) => [
      notificationId(result),
      result.task_name,
      stateOf(viewOfResult(result), text),
      result.model,
      result.tokens?.total.toString() ?? '',
      when(result.completed_at, langOf()),
    ]);
    const { table } = await import('../output/table.ts');
    console.log(table(say.inbox.columns, rows));
  }
  return EXIT.ok;
}

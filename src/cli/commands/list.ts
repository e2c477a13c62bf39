import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Filter } from '../../tasks/tasks.ts';
import { age, command, count, model, printing, route, states } from '../options.ts';
import { openIn, openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

interface ListOptions extends Filter {
  limit: number;
  json?: true;
}

export function listCommand(say: CliText): Command {
  return command('list', say, say.help.list, [
    'kimi-dispatch list',
    'kimi-dispatch list --status failed,timed_out --since 1d',
    'kimi-dispatch list -l 100 --json | jq -r .[].task_id',
  ])
    .option('-l, --limit <N>', say.help.limit, count(say), 20)
    .option('--status <STATES>', say.help.states, states(say))
    .option('--since <TIME>', say.help.since, age(say))
    .option('--name <NAME>', say.help.nameBegins)
    .option('-m, --model <MODEL>', say.help.ofModel, model(say))
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(async (options: ListOptions) => await list(options, say)));
}

async function list({ limit, json, ...filter }: ListOptions, say: CliText): Promise<Exit> {
  const { tasks, from_disk: isFromDisk } = await (await openTasks()).list(filter, limit);

  if (json) {
    const shown = tasks.map(({ late: _late, ...task }) => task);
    console.log(JSON.stringify(shown, null, 2));
  } else if (tasks.length === 0) console.log(Object.keys(filter).length > 0 ? say.list.noneSuch : say.list.none);
  else {
    const { taskTable } = await import('../output/task-table.ts');
    console.log(taskTable(tasks, langOf(), say));
  }
  if (isFromDisk) {
    const { startCommand } = await import('../local-tasks.ts');
    console.error(`\n${say.list.fromDisk(await startCommand(), openIn(tasks))}`);
    return EXIT.engine;
  }
  return EXIT.ok;
}

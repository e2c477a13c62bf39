import type { Command } from 'commander';
import { KeptTasks, type KeptTask } from '../../results/kept.ts';
import { snippetOf } from '../../results/search.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { openContext } from '../context.ts';
import { reportUnread } from '../kept.ts';
import { age, command, count, printing } from '../options.ts';
import { table } from '../output/table.ts';
import { when } from '../output/time.ts';
import type { CliText } from '../text/index.ts';

interface SearchOptions {
  since?: number;
  limit: number;
  json?: true;
}

export function searchCommand(say: CliText): Command {
  return command('search', say, say.help.search, [
    'kimi-dispatch search 半導體',
    'kimi-dispatch search contract termination --since 30d',
  ])
    .argument('<WORDS...>', say.help.words)
    .option('--since <TIME>', say.help.since, age(say))
    .option('-l, --limit <N>', say.help.limit, count(say), 20)
    .option('--json', say.help.json)
    .action(printing(search));
}

type Match = Pick<KeptTask, 'task_id' | 'task_name' | 'completed_at'> & { snippet: string };

/** Reads the results folder only, so it works while no service runs. */
async function search(words: string[], { since, limit, json }: SearchOptions): Promise<Exit> {
  const { config, say, results } = await openContext();
  const kept = new KeptTasks(results);
  const matches: Match[] = [];
  for (const task of kept.all(since === undefined ? 0 : Date.now() - since)) {
    const { task_id, task_name, completed_at } = task;
    const snippet = snippetOf(task, words);
    if (snippet !== undefined) matches.push({ task_id, task_name, completed_at, snippet });
  }
  const newest = matches.toSorted((a, b) => b.completed_at.localeCompare(a.completed_at)).slice(0, limit);
  if (json) console.log(JSON.stringify(newest, null, 2));
  else if (newest.length === 0) console.log(say.kept.noMatch(words.join(' ')));
  else {
    const rows = newest.map(({ task_id, task_name, completed_at, snippet }) => [
      task_id,
      task_name,
      when(completed_at, config.KIMI_LANG),
      snippet,
    ]);
    console.log(table(say.kept.columns, rows));
  }
  if (matches.length > newest.length) console.error(`\n${say.kept.more(matches.length - newest.length)}`);
  reportUnread(kept, say);
  return EXIT.ok;
}

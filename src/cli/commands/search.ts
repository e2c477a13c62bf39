import type { Command } from 'commander';
import { KeptTasks, type KeptTask } from '../../results/kept.ts';
import { snippetOf } from '../../results/search.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Route } from '../../shared/chat.ts';
import { openContext } from '../context.ts';
import { CliError } from '../exit.ts';
import { reportUnread } from '../kept.ts';
import { age, command, count, printing, route } from '../options.ts';
import { table } from '../output/table.ts';
import { when } from '../output/time.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

interface SearchOptions {
  since?: number;
  limit: number;
  route?: Route;
  json?: true;
}

/** Newest tasks of a chat that are searched. */
const OF_CHAT = 1_000;

export function searchCommand(say: CliText): Command {
  return command('search', say, say.help.search, [
    'kimi-dispatch search 半導體',
    'kimi-dispatch search contract termination --since 30d',
  ])
    .argument('<WORDS...>', say.help.words)
    .option('--since <TIME>', say.help.since, age(say))
    .option('-l, --limit <N>', say.help.limit, count(say), 20)
    .option('--route <JSON>', say.help.ofRoute, route(say))
    .option('--json', say.help.json)
    .action(printing(search));
}

type Match = Pick<KeptTask, 'task_id' | 'task_name' | 'completed_at'> & { snippet: string };

/** Reads the results folder only, so it works while no service runs. Which tasks are a chat's, only the engine knows. */
async function search(words: string[], { since, limit, route: chat, json }: SearchOptions): Promise<Exit> {
  const { config, say, results } = await openContext();
  if (words.some((word) => word.trim() === '')) throw new CliError(EXIT.usage, say.usage.emptyWord);
  const ofChat = chat && new Set((await (await openTasks()).list({ route: chat }, OF_CHAT)).tasks.map(idOf));
  const kept = new KeptTasks(results);
  const matches: Match[] = [];
  for (const task of kept.all(since === undefined ? 0 : Date.now() - since)) {
    const { task_id, task_name, completed_at } = task;
    if (ofChat && !ofChat.has(task_id)) continue;
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

function idOf({ task_id }: { task_id: string }): string {
  return task_id;
}

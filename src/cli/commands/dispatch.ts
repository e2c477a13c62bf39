import type { Command } from 'commander';
import { EXIT, type Exit } from '../../service/exit.ts';
import { CliError } from '../exit.ts';
import { conversationOf, keepFiles, readTask, type PromptOptions, type TaskOptions } from '../job.ts';
import { command, ending, route } from '../options.ts';
import { startAndSay } from '../start-task.ts';
import { addTaskOptions } from '../task-options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

interface DispatchOptions extends PromptOptions, TaskOptions {
  map?: string;
  json?: true;
}

export function dispatchCommand(say: CliText): Command {
  const { help } = say;
  const examples = [
    `kimi-dispatch dispatch "${help.examplePrompt}" -n calculator`,
    'kimi-dispatch dispatch -f prompt.md --model kimi-k2.6 --timeout 5m',
    'git diff | kimi-dispatch dispatch -p - -n review',
    `kimi-dispatch dispatch --map reviews.csv -p "${help.exampleMap}"`,
    `kimi-dispatch dispatch --continue last "${help.exampleFollowUp}"`,
    `kimi-dispatch dispatch --message "Kimi: ${help.examplePrompt}" --json`,
  ];
  const dispatch = command('dispatch', say, help.dispatch, examples)
    .argument('[PROMPT]', help.runPrompt)
    .option('-p, --prompt <PROMPT>', help.prompt)
    .option('-f, --file <FILE>', help.file)
    .option('--map <FILE>', help.map)
    .option('--message <MESSAGE>', help.message)
    .option('--route <JSON>', help.route, route(say));
  return addTaskOptions(dispatch, say)
    .option('--json', help.json)
    .action(
      ending(async (argument: string | undefined, options: DispatchOptions) => await run(argument, options, say)),
    );
}

async function run(argument: string | undefined, options: DispatchOptions, say: CliText): Promise<Exit> {
  const task = await readTask({ ...options, argument }, options, say);
  const tasks = await openTasks();
  if (options.map !== undefined) {
    const { name: _, ...asked } = task;
    const files = await keepFiles(options, async (file) => await tasks.keep(file), say);
    const map = { ...asked, ...files, ...(options.name !== undefined && { name: options.name }) };
    if (options.continue !== undefined) throw new CliError(EXIT.usage, say.maps.noContinue);
    return await (await import('../map.ts')).dispatchMap(tasks, options.map, map, say, options.json);
  }
  const before = await conversationOf(options, async () => tasks, say);
  const files = await keepFiles(options, async (file) => await tasks.keep(file), say);
  return await startAndSay(tasks, { ...task, ...before, ...files }, say, options.json);
}

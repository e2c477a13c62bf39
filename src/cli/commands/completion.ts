import { readdirSync } from 'node:fs';
import tab from '@bomb.sh/tab/commander';
import type { Command } from 'commander';
import { readConfig } from '../../config/index.ts';
import { TASK_ID } from '../../shared/task-id.ts';
import type { CliText } from '../text/index.ts';

/** Most task ids that are offered, the newest first. */
const MOST_IDS = 20;

/**
 * The library's script for bash needs bash-completion, which many machines do not load, and evaluates the typed words:
 * `-p "$(command)"` would run the command at each Tab. This script needs only bash (3.2, as on macOS, or newer).
 */
const BASH = [
  '# bash completion for kimi-dispatch',
  '__kimi_dispatch() {',
  '  local word',
  '  COMPREPLY=()',
  String.raw`  while IFS=$'\t' read -r word _; do`,
  '    case $word in :*) ;; *) COMPREPLY+=("$word") ;; esac',
  '  done < <(kimi-dispatch complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)',
  '}',
  'complete -o default -F __kimi_dispatch kimi-dispatch',
].join('\n');

/** The library's script for zsh needs `compinit`, which a plain zsh has not run. */
const ZSH = '(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }';

/** Adds `completion SHELL`, which prints the script, and the command that the script calls for the next words. */
export function addCompletion(program: Command, say: CliText): void {
  const completions = tab(program, { completionCommandName: 'completion' });
  for (const name of ['status', 'watch', 'wait', 'result', 'cancel', 'retry', 'rm', 'ack']) {
    completions.commands.get(name)?.argument('TASK', (complete) => {
      for (const id of savedIds()) complete(id, '');
    });
  }
  const [command, completion] = [
    program.commands.find((each) => each.name() === 'completion'),
    completions.commands.get('completion'),
  ];
  command?.description(say.help.completion).action((shell: string) => {
    if (shell === 'zsh') console.log(ZSH);
    if (shell === 'bash') console.log(BASH);
    else completions.setup(program.name(), program.name(), shell);
  });
  if (completion) completion.description = say.help.completion;
}

/** Task ids from the results folder only, since the shell waits for them. */
function savedIds(): string[] {
  try {
    return readdirSync(readConfig().KIMI_RESULTS_DIR)
      .map((name) => name.replace(/^pending-/, '').replace(/\.json$/, ''))
      .filter((id) => TASK_ID.test(id))
      .toSorted()
      .toReversed()
      .slice(0, MOST_IDS);
  } catch {
    return [];
  }
}

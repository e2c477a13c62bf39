import type { Command } from 'commander';
import { amount, duration, maxTokens, model, priority, repeated, temperature, thinking, tools } from './options.ts';
import type { CliText } from './text/index.ts';

/** Adds the options of both `dispatch` and `run`. */
export function addTaskOptions(command: Command, say: CliText): Command {
  const { help } = say;
  return command
    .option('-n, --name <NAME>', help.name)
    .option('-m, --model <MODEL>', help.model, model(say))
    .option('--system <FILE>', help.system)
    .option('--continue <TASK>', help.continue)
    .option('--attach <FILE>', help.attach, repeated)
    .option('--search', help.searchWeb)
    .option('--tools <NAMES>', help.tools, tools(say))
    .option('--batch', help.batch)
    .option('--thinking <HOW>', help.thinking, thinking(say))
    .option('--temperature <T>', help.temperature, temperature(say))
    .option('--max-tokens <N>', help.maxTokens, maxTokens(say))
    .option('--json-schema <FILE>', help.jsonSchema)
    .option('--budget <AMOUNT>', help.budget, amount(say))
    .option('--timeout <TIME>', help.timeout, duration(say))
    .option('--priority <N>', help.priority, priority(say))
    .option('--notify <URL>', help.notify)
    .option('--resend-unknown', help.resendUnknown);
}

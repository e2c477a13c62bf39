import { Option, type Command } from 'commander';
import { CLIENTS, REPLIES } from '../setup/choices.ts';
import { command, ending } from '../options.ts';
import type { CliText } from '../text/index.ts';
import type { McpSetupOptions } from '../setup/mcp.ts';
import type { OpenClawOptions } from '../setup/openclaw.ts';

export function setupCommand(say: CliText): Command {
  const { help } = say;
  const setup = command('setup', say, help.setup, [
    'kimi-dispatch setup openclaw',
    'kimi-dispatch setup mcp --client claude-code',
  ]).helpCommand(false);
  const openclaw = command('openclaw', say, help.setupOpenClaw, [
    'kimi-dispatch setup openclaw',
    'kimi-dispatch setup openclaw --reply agent --yes',
    'kimi-dispatch setup openclaw --undo',
  ])
    .addOption(new Option('--reply <HOW>', help.reply).choices(REPLIES).default('deliver'))
    .option('--profile <NAME>', help.profile)
    .option('--start', help.setupStart)
    .option('--no-start', help.setupNoStart);
  setup.addCommand(
    written(openclaw, say).action(
      ending(async (options: OpenClawOptions) => await (await import('../setup/openclaw.ts')).setUpOpenClaw(options)),
    ),
  );
  const mcp = command('mcp', say, help.setupMcp, [
    'kimi-dispatch setup mcp --client claude-code',
    'kimi-dispatch setup mcp --client codex --undo',
  ]).addOption(new Option('--client <NAME>', help.setupClient).choices(CLIENTS).makeOptionMandatory());
  setup.addCommand(
    written(mcp, say).action(
      ending(async (options: McpSetupOptions) => await (await import('../setup/mcp.ts')).setUpMcp(options, say)),
    ),
  );
  return setup;
}

/** Adds the options of what writes files. */
function written(part: Command, say: CliText): Command {
  return part.option('-y, --yes', say.help.yes).option('--undo', say.help.undo);
}

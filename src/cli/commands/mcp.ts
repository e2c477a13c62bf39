import type { Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { GIVEN_ENV, loadEnvFiles } from '../../config/env-file.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import type { Tasks } from '../../tasks/tasks.ts';
import { keepFiles } from '../job.ts';
import { command, ending } from '../options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

export function mcpCommand(say: CliText): Command {
  return command('mcp', say, say.help.mcp, ['kimi-dispatch setup mcp --client claude-code', 'kimi-dispatch mcp'])
    .option('--channel', say.help.mcpChannel)
    .action(ending(async ({ channel }: { channel?: true }) => await mcp(say, channel)));
}

/** Clients keep the server for days: `.env` may have changed, and other services run. */
async function open(): Promise<Tasks> {
  process.env = { ...GIVEN_ENV };
  loadEnvFiles();
  return await openTasks();
}

async function mcp(say: CliText, channel = false): Promise<Exit> {
  // Other commands, and shell completion, do not need it.
  const { serveOnStdio } = await import('../../mcp/stdio.ts');
  const { taskChanges } = await import('../task-changes.ts');
  await serveOnStdio({
    lang: langOf(),
    channel,
    open,
    changes: taskChanges(open),
    keepFiles: async (attach, tasks) =>
      (await keepFiles({ attach }, async (file) => await tasks.keep(file), say)).files ?? [],
    readRows: async (path) => await (await import('../map.ts')).readRowsFile(path, say),
    explain: async (error, task_id) => {
      const { sentenceFor } = await import('../error-sentence.ts');
      return sentenceFor(error, say, task_id).message;
    },
  });
  return EXIT.ok;
}

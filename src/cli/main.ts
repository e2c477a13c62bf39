/** The commands that the running service does. This module is loaded by every command: it must stay small. */
import { isQuick, namedCommand, type QuickCommand } from './command-name.ts';
import { useNodesCache } from './node-cache.ts';
import { runProgram, TAKES, type Load, type WriteHelp } from './program.ts';

/** A new command is registered in every-command.ts; CONTRIBUTING.md, "How to add", lists what else it needs. */
const QUICK: Record<QuickCommand, Load> = {
  dispatch: async () => (await import('./commands/dispatch.ts')).dispatchCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  list: async () => (await import('./commands/list.ts')).listCommand,
  result: async () => (await import('./commands/result.ts')).resultCommand,
  cancel: async () => (await import('./commands/cancel.ts')).cancelCommand,
  inbox: async () => (await import('./commands/inbox.ts')).inboxCommand,
  ack: async () => (await import('./commands/ack.ts')).ackCommand,
};

/**
 * Runs `kimi-dispatch`. Every error ends as a sentence on standard error and an exit status.
 *
 * @param writeHelp see {@link Runnable}
 */
export async function main(argv: string[], writeHelp?: WriteHelp): Promise<void> {
  const name = namedCommand(argv.slice(2));
  const isOther = name.startsWith('complet') || (Object.hasOwn(TAKES, name) && !isQuick(name));
  if (isOther) {
    useNodesCache();
    await (await import('./every-command.ts')).main(argv);
  } else await runProgram(argv, { commands: QUICK, writeHelp });
}

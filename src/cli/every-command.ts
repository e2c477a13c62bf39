import { namedCommand } from './command-name.ts';
import { runProgram, type CommandName, type Load } from './program.ts';

/**
 * Each is loaded on demand, without the dependencies of the others. A new command also needs `TAKES` (program.ts), help texts in both
 * languages and a row in docs/cli.md: CONTRIBUTING.md has the list. Completion needs nothing.
 */
export const COMMANDS: Record<CommandName, Load> = {
  dispatch: async () => (await import('./commands/dispatch.ts')).dispatchCommand,
  run: async () => (await import('./commands/run.ts')).runCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  list: async () => (await import('./commands/list.ts')).listCommand,
  result: async () => (await import('./commands/result.ts')).resultCommand,
  watch: async () => (await import('./commands/watch.ts')).watchCommand,
  wait: async () => (await import('./commands/wait.ts')).waitCommand,
  cancel: async () => (await import('./commands/cancel.ts')).cancelCommand,
  allow: async () => (await import('./commands/allow.ts')).allowCommand,
  retry: async () => (await import('./commands/retry.ts')).retryCommand,
  rm: async () => (await import('./commands/rm.ts')).rmCommand,
  inbox: async () => (await import('./commands/inbox.ts')).inboxCommand,
  ack: async () => (await import('./commands/ack.ts')).ackCommand,
  limits: async () => (await import('./commands/limits.ts')).limitsCommand,
  schedule: async () => (await import('./commands/schedule.ts')).scheduleCommand,
  export: async () => (await import('./commands/export.ts')).exportCommand,
  search: async () => (await import('./commands/search.ts')).searchCommand,
  prune: async () => (await import('./commands/prune.ts')).pruneCommand,
  models: async () => (await import('./commands/models.ts')).modelsCommand,
  usage: async () => (await import('./commands/usage.ts')).usageCommand,
  report: async () => (await import('./commands/report.ts')).reportCommand,
  up: async () => (await import('./commands/up.ts')).upCommand,
  down: async () => (await import('./commands/down.ts')).downCommand,
  logs: async () => (await import('./commands/logs.ts')).logsCommand,
  doctor: async () => (await import('./commands/doctor.ts')).doctorCommand,
  service: async () => (await import('./commands/service.ts')).serviceCommand,
  backup: async () => (await import('./commands/backup.ts')).backupCommand,
  restore: async () => (await import('./commands/backup.ts')).restoreCommand,
  mcp: async () => (await import('./commands/mcp.ts')).mcpCommand,
  token: async () => (await import('./commands/token.ts')).tokenCommand,
  webhook: async () => (await import('./commands/webhook.ts')).webhookCommand,
  setup: async () => (await import('./commands/setup.ts')).setupCommand,
  version: async () => (await import('./commands/version.ts')).versionCommand,
};

/** Commands of the library for shell completion. */
const COMPLETION = ['completion', 'complete'];

/** Runs any command. */
export async function main(argv: string[]): Promise<void> {
  const completion = COMPLETION.includes(namedCommand(argv.slice(2))) && (await import('./commands/completion.ts'));
  await runProgram(argv, { commands: COMMANDS, ...(completion && { completion: completion.addCompletion }) });
}

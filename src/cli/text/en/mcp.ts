import type { CliText } from '../zh-TW/index.ts';

const NEXT: Record<string, string> = {
  'claude-code':
    'Restart Claude Code; /mcp lists kimi-dispatch. To be woken when a task has ended, start it with claude --dangerously-load-development-channels server:kimi-dispatch',
};

/** Texts of `setup mcp`. */
export const mcp: CliText['mcp'] = {
  unusable: (file, why) => `${file} cannot be used (${why}), so no file was changed. Correct it and run this again.`,
  nothingToUndo: (client) => `The configuration of ${client} has no kimi-dispatch; there is nothing to revert.`,
  undone: (client) => `Reverted. Restart ${client}.`,
  done: (title, client) =>
    [
      'Written.',
      NEXT[client] ?? `Restart ${title}; it has the tools kimi_dispatch and others then.`,
      'The services have to run: kimi-dispatch up --detach',
      `To revert: kimi-dispatch setup mcp --client ${client} --undo`,
    ].join('\n'),
};

/** Which command the words of a command line name. Loaded before everything else: it must stay small. */

/** The commands that the running service does. */
const QUICK_COMMANDS = ['dispatch', 'status', 'list', 'result', 'cancel', 'inbox', 'ack'] as const;

export type QuickCommand = (typeof QUICK_COMMANDS)[number];

export function isQuick(name: string): name is QuickCommand {
  return (QUICK_COMMANDS as readonly string[]).includes(name);
}

/** @returns the command that the words name, `help` left out; an empty text if they name none. */
export function namedCommand(words: string[]): string {
  const [first = '', second = ''] = words.filter((word) => !word.startsWith('-'));
  return first === 'help' ? second : first;
}

/**
 * Finds the contract's triggers at the start of a chat message, in any case:
 * `Kimi:`, `Kimi：` (full-width colon), or the word `kimi` followed by a space.
 *
 * @returns the task that follows the trigger, trimmed; `undefined` where there is no trigger or nothing follows it.
 */
export function taskFromMessage(message: string): string | undefined {
  const task = /^\s*kimi(?:[:：]|\s)(?<task>.*)$/isu.exec(message)?.groups?.['task']?.trim();
  return task === '' ? undefined : task;
}

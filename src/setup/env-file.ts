/** A `.env` file, edited line by line: what is not ours stays as it is written. */

/**
 * Sets variables in the text of a `.env` file.
 *
 * @param values by name; `undefined` takes one out. They hold no line ends and no quotation marks.
 */
export function withVariables(text: string, values: Record<string, string | undefined>): string {
  const rest = new Map(Object.entries(values));
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const name = /^\s*(?:export\s+)?(?<name>\w+)\s*=/.exec(line)?.groups?.['name'] ?? '';
    if (!(name in values)) lines.push(line);
    // The last one of a name counts; one is enough.
    else if (rest.has(name)) {
      const value = rest.get(name);
      rest.delete(name);
      if (value !== undefined) lines.push(`${name}=${value}`);
    }
  }
  if (lines.at(-1) === '') lines.pop();
  for (const [name, value] of rest) if (value !== undefined) lines.push(`${name}=${value}`);
  return lines.length > 0 ? `${lines.join('\n')}\n` : '';
}

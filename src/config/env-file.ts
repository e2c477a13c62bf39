/** A `.env` file: which of its lines say nothing, and edits that leave what is not ours as it is written. */

/** A variable, whose value may go on over lines where it is quoted. Node takes what is none of these for part of the next name. */
const VARIABLE =
  /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(?:(?:"[^"]*"|'[^']*'|`[^`]*`)[ \t]*(?:#.*)?|(?!["'`]).*)$/gm;

/** @returns the numbers of the lines that are neither a variable nor a comment, and not empty. */
export function malformedLines(text: string): number[] {
  const rest = text.replaceAll('\r', '').replaceAll(VARIABLE, (variable) => variable.replaceAll(/[^\n]/g, ''));
  return rest.split('\n').flatMap((line, index) => (/^\s*(?:#|$)/.test(line) ? [] : [index + 1]));
}

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

import { firstCharacters } from './characters.ts';

/** @returns the first characters of a Markdown text. A code block that this cuts in two is closed. */
export function excerptOf(markdown: string, count: number): string {
  return closeCodeBlock(firstCharacters(markdown, count));
}

/** Closes a fenced code block (CommonMark) that is still open at the end. */
function closeCodeBlock(markdown: string): string {
  let open: string | undefined;
  for (const line of markdown.split('\n')) {
    const [, fence = '', rest = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? [];
    if (open === undefined) open = fence || undefined;
    else if (fence.startsWith(open) && rest.trim() === '') open = undefined;
  }
  return open === undefined ? markdown : `${markdown}\n${open}`;
}

/** The Markdown of answers, as models write it: one grammar for the page of a task and for the terminal. Loaded only where one is shown. */
import MarkdownIt from 'markdown-it';
import cjkFriendly from 'markdown-it-cjk-friendly';

export type Token = ReturnType<MarkdownIt['parse']>[number];

/** An address after its scheme. It ends at full-width punctuation, which the library takes for a part of it: `見 https://a.example/b。` */
const ADDRESS =
  /\/\/[\w-]+(?:\.[\w-]+)*(?::\d+)?(?:[/?#](?:[\p{L}\p{M}\p{N}\-._~:/?#@!$&'*+,;=%()]*[\p{L}\p{M}\p{N}/=#&~%_-])?)?/uy;

function lengthOfAddress(text: string, position: number): number {
  ADDRESS.lastIndex = position;
  return ADDRESS.exec(text)?.[0].length ?? 0;
}

/**
 * Raw HTML stays text, as does every link but `http`, `https` and `mailto`. What nests so deep that it overflows the stack throws a
 * `RangeError`: by default the library would leave out what is deeper than 100 levels.
 */
export function markdownParser(): MarkdownIt {
  // Emphasis next to full-width punctuation, `**「…」**是`, is none in CommonMark, and Kimi writes it in every answer.
  const markdown = new MarkdownIt({ html: false, linkify: true, breaks: true }).use(cjkFriendly);
  Object.assign(markdown.options, { maxNesting: Infinity });
  const address = { validate: lengthOfAddress };
  markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false }).add('http:', address).add('https:', address);
  markdown.validateLink = (address) => /^(?:https?:\/\/|mailto:)/i.test(address);
  markdown.core.ruler.push('task lists', ({ tokens }) => markTasks(tokens));
  return markdown;
}

/** Items of lists that begin with `[x]` or `[ ]` begin with a box. */
function markTasks(tokens: readonly Token[]): void {
  for (const [index, { type, children }] of tokens.entries()) {
    const [first] = children ?? [];
    if (type !== 'inline' || first?.type !== 'text' || tokens[index - 2]?.type !== 'list_item_open') continue;
    first.content = first.content.replace(/^\[([ xX])\](?= )/, (_, mark: string) => (mark === ' ' ? '☐' : '☑'));
  }
}

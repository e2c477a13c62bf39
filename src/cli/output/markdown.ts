/** Markdown, as models write it, for a terminal; and the code in it. */
import { runInNewContext } from 'node:vm';
import pico from 'picocolors';
import { markdownParser, type Token } from '../../results/markdown.ts';
import { columns } from './table.ts';
import { withoutControls } from './terminal.ts';

/** Addresses need no links: terminals find them. */
const markdown = markdownParser().disable('linkify');

/** A block of code. */
export interface CodeBlock {
  /** The language it says it is in, in lower case; empty where it says none. */
  lang: string;
  code: string;
}

/**
 * How long a text may take, in milliseconds. 100 kB of ordinary Markdown took 200 to 700 on a busy machine; nested lists take time by
 * the square of their depth.
 */
const LIMIT_MS = 2_000;

/**
 * Bounds what a text can make of its parser: the time it takes, regular expressions included, and how deep it nests.
 *
 * @returns `undefined` where a bound was reached.
 */
function bounded<T>(work: () => T, timeout: number): T | undefined {
  try {
    // Called from a script, since scripts are what has a timeout.
    return runInNewContext('work()', { work }, { timeout }) as T;
  } catch (error) {
    const isTooLong = (error as NodeJS.ErrnoException).code === 'ERR_SCRIPT_EXECUTION_TIMEOUT';
    // What overflows the stack.
    if (isTooLong || error instanceof RangeError) return undefined;
    throw error;
  }
}

/**
 * @returns the blocks of code of a text, in their order, those in lists and quotations too; `undefined` where it takes too
 *   long or nests too deep to be read.
 */
export function codeBlocks(text: string, limitMs = LIMIT_MS): CodeBlock[] | undefined {
  return bounded(() => codeBlocksIn(text), limitMs);
}

function codeBlocksIn(text: string): CodeBlock[] {
  return markdown
    .parse(text, {})
    .filter(({ type }) => CODE.includes(type))
    .map(({ info, content }) => ({
      lang: info.trim().split(/\s/)[0]?.toLowerCase() ?? '',
      code: content.replace(/\n$/, ''),
    }));
}

/** Fenced, and indented. */
const CODE = ['fence', 'code_block'];

/**
 * @param text from a stranger: what would drive the terminal is left out
 * @returns lines for a terminal, in colours where it has them; the text as it is where it takes too long or nests too deep.
 *   Nothing is wrapped: the terminal does that.
 */
export function renderMarkdown(text: string, limitMs = LIMIT_MS): string {
  const clean = withoutControls(text);
  return bounded(() => blocks(treeOf(markdown.parse(clean, {}))), limitMs)?.trimEnd() ?? clean;
}

/** A token, and what is between it and the token that closes it. */
interface Node {
  token: Token;
  children: Node[];
}

function treeOf(tokens: readonly Token[]): Node[] {
  const root: Node[] = [];
  const open = [root];
  for (const token of tokens) {
    const node = { token, children: treeOf(token.children ?? []) };
    if (token.nesting >= 0) open.at(-1)?.push(node);
    if (token.nesting > 0) open.push(node.children);
    if (token.nesting < 0) open.pop();
  }
  return root;
}

function blocks(nodes: readonly Node[]): string {
  return nodes.map(block).join('');
}

function block({ token, children }: Node): string {
  switch (token.type) {
    case 'heading_open': {
      const words = inline(children);
      return `${pico.bold(token.tag === 'h1' ? pico.underline(words) : words)}\n\n`;
    }
    case 'fence':
    case 'code_block':
      return `${indent(token.content.replace(/\n$/, ''), '  ', pico.cyan)}\n\n`;
    case 'blockquote_open':
      return `${indent(blocks(children).trimEnd(), pico.dim('│ '))}\n\n`;
    case 'bullet_list_open':
    case 'ordered_list_open':
      return `${list(children)}\n`;
    case 'table_open':
      return `${table(children)}\n\n`;
    case 'hr':
      return `${pico.dim('─'.repeat(20))}\n\n`;
    default:
      // A paragraph; those of a tight list are hidden.
      return `${inline(children)}\n${token.hidden ? '' : '\n'}`;
  }
}

function list(items: readonly Node[]): string {
  const isLoose = items.some(({ children }) =>
    children.some(({ token }) => token.type === 'paragraph_open' && !token.hidden),
  );
  return items
    .map(({ token, children }) => {
      const text = blocks(children).trimEnd();
      // The number of an ordered list; the box of a task is its mark.
      const mark = token.info === '' ? (/^[☐☑] /.test(text) ? '' : '• ') : `${token.info}. `;
      const [first = '', ...rest] = text.split('\n');
      const margin = ' '.repeat(mark.length || 2);
      return [`${mark}${first}`, ...rest.map((line) => (line ? margin + line : ''))].join('\n') + (isLoose ? '\n' : '');
    })
    .join('\n')
    .concat('\n');
}

function table(parts: readonly Node[]): string {
  const [header = [], ...rows] = parts.flatMap(({ children }) =>
    children.map((row) => row.children.map((cell) => inline(cell.children))),
  );
  return columns([header.map((cell) => pico.bold(cell)), ...rows], Infinity);
}

function inline(nodes: readonly Node[]): string {
  return nodes.map(words).join('');
}

function words({ token, children }: Node): string {
  const inner = children.length > 0 ? inline(children) : withoutControls(token.content);
  switch (token.type) {
    case 'strong_open':
      return pico.bold(inner);
    case 'em_open':
      return pico.italic(inner);
    case 's_open':
      return pico.strikethrough(inner);
    case 'code_inline':
      return pico.cyan(inner);
    case 'softbreak':
    case 'hardbreak':
      return '\n';
    case 'image':
      return withAddress(inner, token.attrGet('src'));
    case 'link_open':
      return token.info === 'auto' ? inner : withAddress(inner, token.attrGet('href'));
    default:
      return inner;
  }
}

function withAddress(inner: string, address: string | null): string {
  const shown = withoutControls(markdown.normalizeLinkText(address ?? ''));
  return shown === inner ? inner : `${inner} ${pico.dim(`(${shown})`)}`;
}

function indent(text: string, margin: string, paint: (line: string) => string = (line) => line): string {
  return text
    .split('\n')
    .map((line) => margin + paint(line))
    .join('\n');
}

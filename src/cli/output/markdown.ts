/** Markdown, as models write it, for a terminal; and the code in it. */
import { runInNewContext } from 'node:vm';
import { lexer, type Token, type Tokens } from 'marked';
import pico from 'picocolors';
import { columns } from './table.ts';
import { withoutControls } from './terminal.ts';

/** A fenced block of code. */
export interface CodeBlock {
  /** The language it says it is in, in lower case; empty where it says none. */
  lang: string;
  code: string;
}

/**
 * How long a text may take, in milliseconds. 100 kB of ordinary Markdown take about 50; nested lists and quotations take
 * time by the square of their depth.
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
  const blocks: CodeBlock[] = [];
  const look = (tokens: readonly Token[]): void => {
    for (const token of tokens) {
      if (token.type === 'code') {
        const { lang = '', text: code } = token as Tokens.Code;
        blocks.push({ lang: lang.trim().split(/\s/)[0]?.toLowerCase() ?? '', code });
      }
      look((token as { tokens?: Token[] }).tokens ?? (token as { items?: Token[] }).items ?? []);
    }
  };
  look(lexer(text));
  return blocks;
}

/**
 * @param text from a stranger: what would drive the terminal is left out
 * @returns lines for a terminal, in colours where it has them; the text as it is where it takes too long or nests too deep.
 *   Nothing is wrapped: the terminal does that.
 */
export function renderMarkdown(text: string, limitMs = LIMIT_MS): string {
  const clean = withoutControls(text);
  return bounded(() => blocks(lexer(clean)), limitMs)?.trimEnd() ?? clean;
}

function blocks(tokens: readonly Token[]): string {
  return tokens.map((token) => block(token as MarkedToken)).join('');
}

type MarkedToken = Tokens.Generic;

function block(token: MarkedToken): string {
  switch (token.type) {
    case 'heading': {
      const { depth, tokens } = token as Tokens.Heading;
      const words = inline(tokens);
      return `${pico.bold(depth === 1 ? pico.underline(words) : words)}\n\n`;
    }
    case 'code':
      return `${indent((token as Tokens.Code).text, '  ', pico.cyan)}\n\n`;
    case 'blockquote':
      return `${indent(blocks((token as Tokens.Blockquote).tokens).trimEnd(), pico.dim('│ '))}\n\n`;
    case 'list':
      return `${list(token as Tokens.List)}\n`;
    case 'table':
      return `${table(token as Tokens.Table)}\n\n`;
    case 'hr':
      return `${pico.dim('─'.repeat(20))}\n\n`;
    case 'space':
    case 'def':
    // The item's mark shows it.
    case 'checkbox':
      return '';
    // The words of a list's item; paragraphs end with an empty line.
    case 'text':
      return `${inline((token as Tokens.Text).tokens ?? [token])}\n`;
    default:
      return `${inline(token.tokens ?? [token])}\n\n`;
  }
}

function list({ items, ordered, start, loose }: Tokens.List): string {
  return items
    .map((item, index) => {
      const mark = ordered ? `${Number(start) + index}. ` : item.task ? (item.checked ? '☑ ' : '☐ ') : '• ';
      const [first = '', ...rest] = blocks(item.tokens).trimEnd().split('\n');
      const margin = ' '.repeat(mark.length);
      return [`${mark}${first}`, ...rest.map((line) => (line ? margin + line : ''))].join('\n') + (loose ? '\n' : '');
    })
    .join('\n')
    .concat('\n');
}

function table({ header, rows }: Tokens.Table): string {
  return columns([cells(header).map((cell) => pico.bold(cell)), ...rows.map(cells)], Infinity);
}

function cells(row: Tokens.TableCell[]): string[] {
  return row.map(({ tokens }) => inline(tokens));
}

function inline(tokens: readonly Token[]): string {
  return tokens.map(words).join('');
}

function words(token: MarkedToken): string {
  const inner = token.tokens ? inline(token.tokens) : String(token['text'] ?? token.raw);
  switch (token.type) {
    case 'strong':
      return pico.bold(inner);
    case 'em':
      return pico.italic(inner);
    case 'del':
      return pico.strikethrough(inner);
    case 'codespan':
      return pico.cyan(inner);
    case 'br':
      return '\n';
    case 'image':
    case 'link': {
      const { href } = token as Tokens.Link;
      return href === inner || href === `mailto:${inner}` ? inner : `${inner} ${pico.dim(`(${href})`)}`;
    }
    default:
      return inner;
  }
}

function indent(text: string, margin: string, paint: (line: string) => string = (line) => line): string {
  return text
    .split('\n')
    .map((line) => margin + paint(line))
    .join('\n');
}

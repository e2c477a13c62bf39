/** The pages of the repository, as Markdown tokens. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import MarkdownIt from 'markdown-it';
import { PACKAGE_ROOT } from '../../src/service/files.ts';

/** @returns the files of the repository, new ones included, as paths from its root. */
export function filesOf(...patterns: string[]): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns];
  return execFileSync('git', args, { cwd: PACKAGE_ROOT, encoding: 'utf8' }).trim().split('\n');
}

export function textOf(file: string): string {
  return readFileSync(join(PACKAGE_ROOT, file), 'utf8');
}

type Token = ReturnType<MarkdownIt['parse']>[number];

/** @returns every token of a page, nested ones included, in order */
export function tokensOf(file: string): Token[] {
  return new MarkdownIt({ html: true }).parse(textOf(file), {}).flatMap((token) => [token, ...(token.children ?? [])]);
}

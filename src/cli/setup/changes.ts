/** Shows what a set-up would change in files that are not ours, asks, and writes it after a copy of each. */
import { readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { structuredPatch } from 'diff';
import pico from 'picocolors';
import writeFileAtomic from 'write-file-atomic';
import { langOf } from '../../config/early.ts';
import { EXIT } from '../../service/exit.ts';
import { tildePath } from '../../service/files.ts';
import { sayCause } from '../../text/system-errors.ts';
import { isAgreed } from '../ask.ts';
import { CliError } from '../exit.ts';
import type { CliText } from '../text/index.ts';
import type { SettingsError } from './json5.ts';

/** A file with its current text and its new text. */
export interface Change {
  file: string;
  /** `undefined` if the file is missing. */
  now: string | undefined;
  next: string;
}

/** The backup beside a file, from before the first set-up. */
export const BACKUP = '.before-kimi-dispatch';

export function readFileUtf8(file: string): string {
  return readFileSync(file, 'utf8');
}

/** @returns the text of a file; `undefined` if it is missing. */
export function read(file: string, say: CliText): string | undefined {
  try {
    return readFileUtf8(file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw new CliError(EXIT.config, say.setup.unreadable(tildePath(file), String(code)));
  }
}

/** Prints the changes, with secrets masked. */
export function show({ file, now = '', next }: Change): void {
  console.log(pico.bold(tildePath(file)));
  const { hunks } = structuredPatch(file, file, masked(now), masked(next), undefined, undefined, { context: 1 });
  for (const { lines } of hunks) {
    for (const line of lines) {
      console.log(line.startsWith('+') ? pico.green(line) : line.startsWith('-') ? pico.red(line) : pico.dim(line));
    }
  }
  // Masked, an old and a new token look the same.
  if (hunks.length === 0) console.log(pico.green('+ …'));
  console.log('');
}

/** Names of secrets, as JSON5 and TOML may write them, with their strings. */
const SECRET =
  /((?:"[^"\n]*(?:token|secret|key|password|authorization)[^"\n]*"|'[^'\n]*(?:token|secret|key|password|authorization)[^'\n]*'|[\w$]*(?:token|secret|key|password|authorization)[\w$]*)\s*[:=]\s*)(?:"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*')/gi;

/** Masks the values of secrets, in JSON5, TOML and `.env`. */
function masked(text: string): string {
  return text
    .replaceAll(SECRET, '$1"…"')
    .replaceAll(/^(\s*(?:export\s+)?\w*(?:TOKEN|SECRET|KEY|PASSWORD)\w*\s*=).*$/gim, '$1…');
}

/** Asks whether to write what was shown, and says so if not. */
export async function agreed(say: CliText): Promise<boolean> {
  if (!process.stdin.isTTY) throw new CliError(EXIT.usage, say.setup.nobodyToAsk);
  const isWanted = await isAgreed(say.setup.question);
  if (!isWanted) console.log(say.setup.left);
  return isWanted;
}

/** @returns why a configuration cannot be read or edited, in the user's language. */
export function reasonOf({ wrong, message }: SettingsError, say: CliText): string {
  return wrong ? say.setup.wrong[wrong.kind](wrong.path) : sayCause(message, langOf());
}

/**
 * Writes a file that only its user can read, since it may hold a token. An empty one is removed.
 *
 * @param keepsMode whether the file keeps its mode
 */
export async function writeOwn(file: string, text: string, keepsMode = false): Promise<void> {
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  if (text === '') await rm(file, { force: true });
  else await writeFileAtomic(file, text, keepsMode ? {} : { mode: 0o600 });
}

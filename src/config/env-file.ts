/** The `.env` files: reading them into the environment, and edits that keep every other line. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseEnv } from 'node:util';
import { PACKAGE_ROOT } from '../service/files.ts';
import { homeFolder } from './early.ts';
import { ConfigError } from './problems.ts';

/** The environment of this process before `.env` files are added. */
export const GIVEN_ENV: NodeJS.ProcessEnv = { ...process.env };

/**
 * Adds the `.env` files to the environment; a variable that is set already wins. They are read from beside package.json and from
 * `KIMI_HOME`, never from the current folder: agents work in other people's repositories, and a stranger's `.env` must not
 * redirect the key.
 *
 * @throws {ConfigError} if one cannot be read, or has malformed lines, whose variables would be missing without a warning.
 */
export function loadEnvFiles(env: NodeJS.ProcessEnv = process.env): void {
  load(PACKAGE_ENV_FILE, env);
  // The first file may set KIMI_HOME.
  load(homeEnvFile(env), env);
}

const PACKAGE_ENV_FILE = join(PACKAGE_ROOT, '.env');

function homeEnvFile(env: NodeJS.ProcessEnv): string {
  return join(homeFolder(env), '.env');
}

function load(file: string, env: NodeJS.ProcessEnv): void {
  if (!existsSync(file)) return;
  let text: string;
  try {
    text = readEnvFile(file);
  } catch (error) {
    const params = { cause: String((error as NodeJS.ErrnoException).code) };
    throw new ConfigError([{ subject: file, code: 'unreadable', params }]);
  }
  const lines = malformedLines(text);
  // Their numbers only: a line may hold a secret.
  if (lines.length > 0) throw new ConfigError([{ subject: file, code: 'malformed_lines', params: { lines } }]);
  for (const [name, value] of Object.entries(parseEnv(text))) {
    if (!env[name]?.trim()) env[name] = value;
  }
}

function readEnvFile(file: string): string {
  return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
}

/** @returns the variables that each existing `.env` file sets. */
export function envFiles(env: NodeJS.ProcessEnv): { file: string; variables: NodeJS.Dict<string> }[] {
  return [PACKAGE_ENV_FILE, homeEnvFile(env)]
    .filter((file) => existsSync(file))
    .map((file) => ({ file, variables: parseEnv(readEnvFile(file)) }));
}

/** A variable; a quoted value may span lines. Node takes any other text as part of the next name. */
const VARIABLE =
  /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*=[ \t]*(?:(?:"[^"]*"|'[^']*'|`[^`]*`)[ \t]*(?:#.*)?|(?!["'`]).*)$/gm;

/** @returns the numbers of the lines that are not a variable, a comment or empty. */
function malformedLines(text: string): number[] {
  const rest = text.replaceAll('\r', '').replaceAll(VARIABLE, (variable) => variable.replaceAll(/[^\n]/g, ''));
  return rest.split('\n').flatMap((line, index) => (/^\s*(?:#|$)/.test(line) ? [] : [index + 1]));
}

/**
 * Sets variables in the text of a `.env` file.
 *
 * @param values by name, without line ends and quotation marks; `undefined` removes a variable.
 */
export function withVariables(text: string, values: Record<string, string | undefined>): string {
  const rest = new Map(Object.entries(values));
  const lines: string[] = [];
  for (const line of text.split('\n')) {
    const name = /^\s*(?:export\s+)?(?<name>\w+)\s*=/.exec(line)?.groups?.['name'] ?? '';
    if (!(name in values)) lines.push(line);
    // Only the last line of a name counts: its other lines go.
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

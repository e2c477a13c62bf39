/** `setup mcp`: adds the MCP server to a client's own configuration, and takes it out again. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { GIVEN_ENV } from '../../config/env-file.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { DIST, tildePath } from '../../service/files.ts';
import { CliError } from '../exit.ts';
import type { CliText } from '../text/index.ts';
import { agreed, BACKUP, read, reasonOf, show, writeOwn } from './changes.ts';
import type { ClientName } from './choices.ts';
import { CLIENT_CONFIGS, type ClientConfig, type Program } from './clients.ts';
import { isObject, SettingsError, valueAt } from './json5.ts';

export interface McpSetupOptions {
  client: ClientName;
  yes?: boolean;
  undo?: boolean;
}

export async function setUpMcp({ client, yes = false, undo = false }: McpSetupOptions, say: CliText): Promise<Exit> {
  const config = CLIENT_CONFIGS[client];
  const file = config.file();
  const now = read(file, say);
  const backup = read(file + BACKUP, say);
  let next: string;
  try {
    next = undo ? undone(config, now ?? '', backup) : added(config, now ?? '');
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    throw new CliError(EXIT.config, say.mcp.unusable(tildePath(file), reasonOf(error, say)));
  }
  if ((now ?? '') === next) {
    console.log(undo ? say.mcp.nothingToUndo(config.title) : say.setup.nothing);
    return EXIT.ok;
  }
  show({ file, now, next });
  if (!yes && !(await agreed(say))) return EXIT.ok;
  if (!undo && now !== undefined && backup === undefined) await writeOwn(file + BACKUP, now);
  await writeOwn(file, next, now !== undefined);
  if (undo) await rm(file + BACKUP, { force: true });
  console.log(undo ? say.mcp.undone(config.title) : say.mcp.done(config.title, client));
  return EXIT.ok;
}

function added({ open, path, entry }: ClientConfig, text: string): string {
  const document = open(text);
  const { value } = document;
  if (!isObject(value)) throw new SettingsError('it holds no JSON object', { kind: 'root', path: '' });
  document.set(path(value), entry(program(), value));
  // Without anything to keep the form of, it is written as people write it.
  return /^\s*(?:\{\s*\})?\s*$/.test(text) && document.text.startsWith('{')
    ? `${JSON.stringify(document.value, null, 2)}\n`
    : document.text;
}

/** @returns the text from before the set-up, if nothing else was changed since; otherwise the present one without the entry. */
function undone({ open, path }: ClientConfig, text: string, backup: string | undefined): string {
  const document = open(text);
  const before = open(backup ?? '');
  const place = path(document.value);
  document.set(place, valueAt(before.value, place) as object | undefined);
  for (let length = place.length - 1; length > 0; length -= 1) {
    const parent = place.slice(0, length);
    const at = document.at(parent);
    const isOurs = before.at(parent) === undefined && isObject(at) && Object.keys(at).length === 0;
    if (isOurs) document.set(parent, undefined);
  }
  return isDeepStrictEqual(document.value, before.value) ? (backup ?? '') : document.text;
}

/** As a service starts it: agents and editors may have another `PATH`. Secrets are read from `KIMI_HOME/.env`. */
function program(): Program {
  const home = GIVEN_ENV['KIMI_HOME']?.trim();
  return {
    command: process.execPath,
    args: [join(DIST, 'kimi-dispatch.cjs'), 'mcp'],
    ...(home && { env: { KIMI_HOME: home } }),
  };
}

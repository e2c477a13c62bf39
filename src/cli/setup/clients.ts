/** Where each MCP client keeps its servers for all projects of a user, and in which form; docs/mcp.md names the sources. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { GIVEN_ENV } from '../../config/env-file.ts';
import type { ClientName } from './choices.ts';
import { isObject, Json5Document, valueAt, type Path } from './json5.ts';
import { TomlDocument } from './toml.ts';

const NAME = 'kimi-dispatch';

/** How a client starts the server. */
export interface Program {
  command: string;
  args: string[];
  /** Only where the environment of the client may lack it. */
  env?: Record<string, string>;
}

export interface ClientConfig {
  /** As the client calls itself. */
  title: string;
  file: () => string;
  open: (text: string) => Json5Document | TomlDocument;
  /** Path of the server's entry in a configuration. */
  path: (value: unknown) => Path;
  entry: (program: Program, value: unknown) => object;
}

const inHome = (...names: string[]): string => join(homedir(), ...names);

/** A folder that a variable of the client may name. */
const folder = (variable: string, ...names: string[]): string => GIVEN_ENV[variable]?.trim() || inHome(...names);

const json = (text: string): Json5Document => new Json5Document(text === '' ? '{}' : text);

const SERVERS = { open: json, path: (): Path => ['mcpServers', NAME], entry: (program: Program): object => program };

export const CLIENT_CONFIGS: Record<ClientName, ClientConfig> = {
  'claude-code': {
    ...SERVERS,
    title: 'Claude Code',
    file: () => join(folder('CLAUDE_CONFIG_DIR'), '.claude.json'),
    entry: ({ command, args, ...env }) => ({ type: 'stdio', command, args: [...args, '--channel'], ...env }),
  },
  codex: {
    title: 'Codex',
    file: () => join(folder('CODEX_HOME', '.codex'), 'config.toml'),
    open: (text) => new TomlDocument(text),
    path: () => ['mcp_servers', NAME],
    entry: (program) => program,
  },
  kimi: { ...SERVERS, title: 'Kimi', file: kimiFile },
  gemini: { ...SERVERS, title: 'Gemini CLI', file: () => inHome('.gemini', 'settings.json') },
  opencode: {
    open: json,
    title: 'OpenCode',
    file: openCodeFile,
    path: (value) => (isOpenCode1(value) ? ['mcp', NAME] : ['mcp', 'servers', NAME]),
    entry: ({ command, args, env }, value) => ({
      type: 'local',
      command: [command, ...args],
      ...(env && { environment: env }),
      ...(isOpenCode1(value) && { enabled: true }),
    }),
  },
  cursor: { ...SERVERS, title: 'Cursor', file: () => inHome('.cursor', 'mcp.json') },
};

/** Kimi Code, or kimi-cli, its predecessor, where only that was used. */
function kimiFile(): string {
  const isOld = !GIVEN_ENV['KIMI_CODE_HOME'] && !existsSync(inHome('.kimi-code')) && existsSync(inHome('.kimi'));
  return isOld ? inHome('.kimi', 'mcp.json') : join(folder('KIMI_CODE_HOME', '.kimi-code'), 'mcp.json');
}

function openCodeFile(): string {
  const config = join(folder('XDG_CONFIG_HOME', '.config'), 'opencode');
  const files = ['opencode.jsonc', 'opencode.json'].map((name) => join(config, name));
  return files.find((file) => existsSync(file)) ?? join(config, 'opencode.json');
}

/** Release 1 has the servers in `mcp` itself. Where the configuration has none, the program is asked; without it, the newer form is written. */
function isOpenCode1(value: unknown): boolean {
  const mcp = valueAt(value, ['mcp']);
  const names = isObject(mcp) ? Object.entries(mcp).filter(([name]) => name !== NAME) : [];
  if (names.some(([name, each]) => name !== 'servers' && isObject(each) && 'type' in each)) return true;
  return names.length === 0 && /^[01]\./.test(openCodeVersion());
}

function openCodeVersion(): string {
  try {
    return execFileSync('opencode', ['--version'], { env: GIVEN_ENV, encoding: 'utf8', stdio: 'pipe' }).trim();
  } catch {
    return '';
  }
}

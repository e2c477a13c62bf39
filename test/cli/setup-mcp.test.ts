/** `setup mcp`: what it writes into the configuration of each client, what it shows, and how it is undone. */
import { existsSync } from 'node:fs';
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parse } from '@decimalturn/toml-patch';
import JSON5 from 'json5';
import { expect, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { cleanHome, cli } from '../support/cli.ts';

const COMMAND = join(DIST, 'kimi-dispatch.cjs');
const PROGRAM = { command: process.execPath, args: [COMMAND, 'mcp'] };
const LOCAL = { type: 'local', command: [process.execPath, COMMAND, 'mcp'] };

/** Its client, its file, its text before (`undefined` if it is missing), and what it holds afterwards. */
const CASES: [client: string, file: string, before: string | undefined, after: object][] = [
  [
    'claude-code',
    '.claude.json',
    '{\n  "numStartups": 3,\n  "mcpServers": {\n    "other": { "command": "npx", "env": { "API_KEY": "other-secret" } }\n  }\n}',
    {
      numStartups: 3,
      mcpServers: {
        other: { command: 'npx', env: { API_KEY: 'other-secret' } },
        'kimi-dispatch': { type: 'stdio', command: process.execPath, args: [COMMAND, 'mcp', '--channel'] },
      },
    },
  ],
  [
    'codex',
    '.codex/config.toml',
    '# mine\r\nmodel = "gpt-5" # best\r\n\r\n[mcp_servers.other] # docs\r\ncommand = "npx"\r\nenv = { API_KEY = "other-secret" }',
    {
      model: 'gpt-5',
      mcp_servers: { other: { command: 'npx', env: { API_KEY: 'other-secret' } }, 'kimi-dispatch': PROGRAM },
    },
  ],
  ['codex', '.codex/config.toml', undefined, { mcp_servers: { 'kimi-dispatch': PROGRAM } }],
  ['kimi', '.kimi-code/mcp.json', undefined, { mcpServers: { 'kimi-dispatch': PROGRAM } }],
  ['kimi', '.kimi/mcp.json', '{}', { mcpServers: { 'kimi-dispatch': PROGRAM } }],
  [
    'gemini',
    '.gemini/settings.json',
    '{\n  // mine\n  "theme": "dark", /* too */\n  "mcpServers": {}\n}\n',
    { theme: 'dark', mcpServers: { 'kimi-dispatch': PROGRAM } },
  ],
  [
    'opencode',
    '.config/opencode/opencode.jsonc',
    '{\n  "mcp": {\n    "servers": {\n      "other": { "type": "local", "command": ["x"] }, // docs\n    },\n  },\n}\n',
    { mcp: { servers: { other: { type: 'local', command: ['x'] }, 'kimi-dispatch': LOCAL } } },
  ],
  [
    'opencode',
    '.config/opencode/opencode.json',
    '{ "mcp": { "other": { "type": "remote", "url": "https://mcp.example.com" } } }\n',
    {
      mcp: { other: { type: 'remote', url: 'https://mcp.example.com' }, 'kimi-dispatch': { ...LOCAL, enabled: true } },
    },
  ],
  ['cursor', '.cursor/mcp.json', '', { mcpServers: { 'kimi-dispatch': PROGRAM } }],
];

const comments = (text: string): string[] => text.match(/(?:#|\/\/|\/\*) ?(?:mine|best|docs|too)/g) ?? [];

it.each(CASES)('%s: %s', async (client, name, before, after) => {
  const env = await cleanHome({ KIMI_LANG: 'en' });
  const file = join(env['HOME'] ?? '', name);
  await mkdir(dirname(file), { recursive: true });
  if (before !== undefined) {
    await writeFile(file, before);
    await chmod(file, 0o644);
  }
  const setup = async (...args: string[]) => await cli(['setup', 'mcp', '--client', client, ...args], env);
  const text = async (): Promise<string> => await readFile(file, 'utf8');
  const valueOf = (content: string): unknown => (name.endsWith('.toml') ? parse(content) : JSON5.parse(content));

  const asked = await setup();
  expect({ code: asked.code, stdout: asked.stdout }).toMatchObject({
    code: 2,
    stdout: expect.stringMatching(/^\+.*kimi-dispatch/m) as string,
  });
  expect(asked.stdout).not.toContain('other-secret');
  expect(existsSync(file) ? await text() : undefined).toBe(before);

  expect((await setup('--yes')).code).toBe(0);
  expect(valueOf(await text())).toEqual(after);
  // A client that reads plain JSON still can.
  if (before === undefined || comments(before).length === 0) {
    if (name.endsWith('.json')) JSON.parse(await text());
  }
  // Line ends and indentation are those of the file.
  const isInLines = /\n./.test(before ?? '');
  const heading = isInLines ? /^(?:(?: {2})+"kimi-dispatch": \{|\[mcp_servers.kimi-dispatch\])\r?$/m : 'kimi-dispatch';
  expect(await text()).toMatch(heading);
  expect(/(?<!\r)\n/.test(await text())).toBe(!before?.includes('\r\n'));
  expect(comments(await text())).toEqual(comments(before ?? ''));
  expect((await stat(file)).mode & 0o777).toBe(before === undefined ? 0o600 : 0o644);

  expect((await setup('--undo', '--yes')).code).toBe(0);
  expect(existsSync(file) ? await text() : undefined).toBe(before === '' ? undefined : before);
  expect(existsSync(`${file}.before-kimi-dispatch`)).toBe(false);
});

it('the undo keeps what was changed since; another home is named; a broken file, and another client, are refused with a sentence', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', KIMI_HOME: '/srv/kimi' });
  const file = join(env['HOME'] ?? '', '.codex/config.toml');
  await mkdir(dirname(file));
  await writeFile(file, 'model = "a" # best\n');
  expect((await cli(['setup', 'mcp', '--client', 'codex', '--yes'], env)).code).toBe(0);
  expect(parse(await readFile(file, 'utf8'))).toMatchObject({
    mcp_servers: { 'kimi-dispatch': { ...PROGRAM, env: { KIMI_HOME: '/srv/kimi' } } },
  });
  const again = await cli(['setup', 'mcp', '--client', 'codex', '--yes'], env);
  expect(again.stdout).toBe('It is already set up; there is nothing to change.\n');
  await writeFile(file, (await readFile(file, 'utf8')).replace('"a"', '"b"'));
  expect((await cli(['setup', 'mcp', '--client', 'codex', '--undo', '--yes'], env)).code).toBe(0);
  expect((await readFile(file, 'utf8')).trim()).toBe('model = "b" # best');
  const none = await cli(['setup', 'mcp', '--client', 'codex', '--undo', '--yes'], env);
  expect(none.stdout).toContain('nothing to revert');

  await writeFile(file, 'model = ');
  const broken = await cli(['setup', 'mcp', '--client', 'codex', '--yes'], env);
  expect(broken).toMatchObject({ code: 3, stdout: '' });
  expect(broken.stderr).toMatch(/^~\/\.codex\/config\.toml cannot be used \([^\n]+\), so no file was changed\./);
  expect(await readFile(file, 'utf8')).toBe('model = ');
  const { code, stderr } = await cli(['setup', 'mcp', '--client', 'emacs'], { ...env, KIMI_LANG: 'zh-TW' });
  expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining('claude-code') as string });
  expect((await cli(['setup', 'mcp'], env)).code).toBe(2);
});

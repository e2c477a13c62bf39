/** `setup openclaw`: what it writes into the gateway's configuration and ours, what it shows, and how it is undone. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import JSON5 from 'json5';
import { describe, expect, it } from 'vitest';
import { withVariables } from '../../src/config/env-file.ts';
import { OpenClawConfigError } from '../../src/cli/openclaw/json5.ts';
import { readGateway, withKimiDispatch, withoutKimiDispatch } from '../../src/cli/openclaw/settings.ts';
import { cleanHome, cli } from '../support/cli.ts';

const parse = (text: string): unknown => JSON5.parse(text);

const WANTED = { plugin: '/x/openclaw/plugin', hooksToken: 'hook-secret', hooks: false };

const COMMENTED = `{
  // The owner's own notes stay.
  "gateway": { "port": 18800, "auth": { "mode": "token", "token": "gw-secret" } },
  "plugins": {
    "allow": ["telegram"],
    "load": { "paths": ["/other/plugin"] }, // and these
  },
}
`;

/** As the gateway reads it: names without quotation marks, either kind of them, trailing commas. */
const UNQUOTED = `// Javis
{
  gateway: { port: 18800, auth: { mode: 'token', token: 'gw-secret' } },
  plugins: {
    load: { paths: [ '/other/plugin', ], }, /* and these */
  },
  'agents': { defaults: { heartbeat: { every: '0m' } } },
  timeout: .5, // s
}
// the end
`;

/** What JSON5 allows beyond JSON. */
const WHOLE_JSON5 = [
  `{ agents: { list: [{ id: 'ops', default: true }] } }`,
  `{ channels: { telegram: { accounts: { default: { botToken: 'x' } } } } }`,
  `{ new: 1, null: 2, true: 3, $a_: 4, 任務: 5, toString: 6, constructor: { a: 1 } }`,
  `{ a: 'it"s', b: "it's", c: '\\x41\\v\\0\\q', d: 'two \\\n lines' }`,
  String.raw`{ \u0061b: 1, 'a\u0062c': 2 }`,
  '{ a: "line\u2028paragraph\u2029", b: 1,\u2028 c: 2, // d\u2029 e: 3 }',
  '{ a: "\u2028\ue000", "k\u2029": "\\\u2028continued" }',
  '\ufeff{\u00a0a: .5, b: 5., c: +1, d: -Infinity, e: 0xFF, f: 1e3, }',
  '{ a: 1, a: 2 } // twice',
];

/** The comments of a text, and its settings other than ours. */
function othersOf(text: string): object {
  const { plugins: _plugins, hooks: _hooks, ...others } = parse(text) as Record<string, unknown>;
  return { comments: [...text.matchAll(/(?<![:"'/\w])\/\/.*|\/\*[^]*?\*\//g)].map(String), others };
}

/** Sets up and undoes a configuration. */
function setUp(before: string): { edited: string; undone: string } {
  const edited = withKimiDispatch(before, { ...WANTED, hooksToken: readGateway(before).hooksToken ?? 'hook-secret' });
  return { edited, undone: withoutKimiDispatch(edited, before) };
}

const startsServices = (start: boolean): object => ({
  plugins: { entries: { 'kimi-dispatch': { enabled: true, config: { startServices: start } } } },
});

describe('the gateway’s configuration', () => {
  it('gets the needed settings, and keeps comments and everything else', () => {
    const edited = withKimiDispatch(COMMENTED, WANTED);
    expect(edited).toContain("// The owner's own notes stay.");
    expect(edited).toContain('// and these');
    expect(parse(edited)).toEqual({
      gateway: { port: 18800, auth: { mode: 'token', token: 'gw-secret' } },
      plugins: {
        allow: ['telegram', 'kimi-dispatch'],
        load: { paths: ['/other/plugin', '/x/openclaw/plugin'] },
        entries: { 'kimi-dispatch': { enabled: true } },
      },
      hooks: { token: 'hook-secret' },
    });
  });

  it.each(['{}', COMMENTED, UNQUOTED, '{"hooks":{"enabled":false,"token":"theirs","path":"/h"},"plugins":{}}'])(
    'is changed once, and restored by undo: %s',
    (before) => {
      const settings = { ...WANTED, hooksToken: readGateway(before).hooksToken ?? 'hook-secret', hooks: true };
      const edited = withKimiDispatch(before, settings);
      expect(edited).not.toBe(before);
      expect(parse(edited)).toMatchObject({ hooks: { enabled: true } });
      expect(withKimiDispatch(edited, settings)).toBe(edited);
      expect(withoutKimiDispatch(edited, before)).toBe(before);
    },
  );

  it('may be JSON5, and stays JSON5', () => {
    const edited = withKimiDispatch(UNQUOTED, WANTED);
    expect(parse(edited)).toEqual({
      ...(parse(UNQUOTED) as object),
      plugins: {
        load: { paths: ['/other/plugin', '/x/openclaw/plugin'] },
        entries: { 'kimi-dispatch': { enabled: true } },
      },
      hooks: { token: 'hook-secret' },
    });
    for (const line of UNQUOTED.split('\n').filter((each) => !each.includes('paths'))) expect(edited).toContain(line);
    expect(edited).toContain('/* and these */');
    expect(readGateway(edited)).toEqual({
      port: 18800,
      hooksPath: '/hooks',
      hooksToken: 'hook-secret',
      heartbeat: '0m',
    });
  });

  it.each(WHOLE_JSON5)('may be anything that the gateway reads: %j', (before) => {
    const { edited, undone } = setUp(before);
    expect(parse(edited)).toMatchObject({ plugins: { entries: { 'kimi-dispatch': { enabled: true } } } });
    expect(othersOf(edited)).toEqual(othersOf(before));
    expect(undone).toBe(before);
  });

  it('may be any example of the gateway’s own documentation', async () => {
    const file = new URL('../fixtures/openclaw/examples.json', import.meta.url);
    const { examples } = JSON.parse(await readFile(file, 'utf8')) as { examples: { text: string }[] };
    expect(examples).toHaveLength(79);
    for (const { text: before } of examples) {
      const { edited, undone } = setUp(before);
      expect(parse(edited)).toMatchObject({ plugins: { entries: { 'kimi-dispatch': { enabled: true } } } });
      expect(othersOf(edited)).toEqual(othersOf(before));
      expect(undone).toBe(before);
    }
  });

  it('keeps a comment on the line of what it is about', () => {
    const before = `{
  plugins: {
    load: {
      paths: [
        '/a', // A
        '/b' // B
      ]
    } // load
  } // plugins
}
`;
    expect(withKimiDispatch(before, WANTED)).toBe(`{
  plugins: {
    load: {
      paths: [
        '/a', // A
        '/b', // B
        '/x/openclaw/plugin'
      ]
    }, // load
    entries: {
      'kimi-dispatch': {
        enabled: true
      }
    }
  }, // plugins
  hooks: {
    token: 'hook-secret'
  }
}
`);
    expect(withKimiDispatch(before.replaceAll('\n', '\r\n'), WANTED)).not.toMatch(/(?<!\r)\n/);
  });

  it.each([
    ['{"plugins": 5}', 'plugins is no object'],
    ['{"plugins": {"load": {"paths": "x"}}}', 'plugins.load.paths is no list'],
    ['{"hooks": null}', 'hooks is no object'],
  ])('with another type in place of our settings is not changed: %s', (text, why) => {
    expect(() => withKimiDispatch(text, WANTED)).toThrow(why);
  });

  it('starts the services with the gateway only where that was chosen', () => {
    const started = withKimiDispatch(COMMENTED, { ...WANTED, start: true });
    expect(parse(started)).toMatchObject(startsServices(true));
    expect(withKimiDispatch(started, WANTED)).toBe(started);
    expect(parse(withKimiDispatch(started, { ...WANTED, start: false }))).toMatchObject(startsServices(false));
    expect(withoutKimiDispatch(started, COMMENTED)).toBe(COMMENTED);
    expect(parse(withKimiDispatch(COMMENTED, WANTED))).not.toHaveProperty('plugins.entries.kimi-dispatch.config');
  });

  it('keeps what the user changed since, when it is undone', () => {
    const since = withKimiDispatch(COMMENTED, WANTED).replace('18800', '18900');
    const undone = withoutKimiDispatch(since, COMMENTED);
    expect(parse(undone)).toEqual(parse(COMMENTED.replace('18800', '18900')));
    expect(undone).toContain('// and these');
  });

  it('contains the address of the gateway', () => {
    expect(readGateway('{}')).toEqual({
      port: 18789,
      hooksPath: '/hooks',
      hooksToken: undefined,
      heartbeat: undefined,
    });
    const text =
      '{"gateway":{"port":1},"hooks":{"path":"/h/","token":"t"},"agents":{"defaults":{"heartbeat":{"every":"0m"}}}}';
    expect(readGateway(text)).toEqual({ port: 1, hooksPath: '/h', hooksToken: 't', heartbeat: '0m' });
  });

  it.each([
    ['{\n  key 1 }', 'at 2:7'],
    ['[]', 'no JSON object'],
    ['', 'at 1:1'],
    ['null', 'no JSON object'],
  ])('that is not JSON is not changed: %j', (text, why) => {
    expect(() => withKimiDispatch(text, WANTED)).toThrow(OpenClawConfigError);
    expect(() => readGateway(text)).toThrow(why);
  });
});

it('a .env file keeps its lines; ours are written once', () => {
  const text = '# mine\nexport KIMI_REPLY=hooks\nA=1\nKIMI_REPLY=agent\n';
  const edited = withVariables(text, { KIMI_REPLY: 'deliver', OPENCLAW_WAKE_TOKEN: 't' });
  expect(edited).toBe('# mine\nKIMI_REPLY=deliver\nA=1\nOPENCLAW_WAKE_TOKEN=t\n');
  expect(withVariables(edited, { KIMI_REPLY: undefined, OPENCLAW_WAKE_TOKEN: undefined })).toBe('# mine\nA=1\n');
  expect(withVariables('', { A: undefined })).toBe('');
});

async function text(path: string): Promise<string | undefined> {
  return existsSync(path) ? await readFile(path, 'utf8') : undefined;
}

async function machine(config?: string, changes: Record<string, string> = {}) {
  const env = await cleanHome({ KIMI_LANG: 'en', ...changes });
  const home = env['HOME'] ?? '';
  const file = join(home, '.openclaw/openclaw.json');
  const envFile = join(home, '.local/share/kimi-dispatch/.env');
  await mkdir(dirname(file), { recursive: true });
  if (config !== undefined) await writeFile(file, config);
  return { env, file, envFile };
}

describe('setup openclaw', () => {
  it('shows the change without secrets, writes it with a backup, and undoes it', async () => {
    const { env, file, envFile } = await machine(COMMENTED);
    const { code, stdout } = await cli(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('~/.openclaw/openclaw.json');
    expect(stdout).toMatch(/^\+.*"kimi-dispatch"/m);
    expect(stdout).toContain('+KIMI_REPLY=deliver');
    expect(stdout).toContain('+OPENCLAW_WAKE_TOKEN=…');
    expect(stdout).toContain('openclaw gateway restart');
    expect(stdout).toContain('heartbeat.every 0m');

    const { token } = (parse((await text(file)) ?? '') as { hooks: { token: string } }).hooks;
    expect(token).toMatch(/^[0-9a-f]{64}$/);
    for (const secret of [token, 'gw-secret']) expect(stdout).not.toContain(secret);
    expect(parseEnv((await text(envFile)) ?? '')).toEqual({
      OPENCLAW_WAKE_URL: 'http://127.0.0.1:18800/hooks/wake',
      OPENCLAW_WAKE_TOKEN: token,
      KIMI_REPLY: 'deliver',
    });
    for (const path of [file, envFile]) expect((await stat(path)).mode & 0o777).toBe(0o600);

    expect(await cli(['setup', 'openclaw', '--yes'], env)).toMatchObject({
      code: 0,
      stdout: 'It is already set up; there is nothing to change.\n',
    });
    // Another KIMI_REPLY: the backup still has the original content.
    expect((await cli(['setup', 'openclaw', '--reply', 'hooks', '--yes'], env)).code).toBe(0);
    expect(parseEnv((await text(envFile)) ?? '')).toMatchObject({
      OPENCLAW_WAKE_URL: 'http://127.0.0.1:18800/hooks/wake',
      OPENCLAW_WAKE_TOKEN: token,
    });
    expect(await cli(['setup', 'openclaw', '--undo', '--yes'], env)).toMatchObject({ code: 0 });
    expect(await text(file)).toBe(COMMENTED);
    expect(existsSync(envFile)).toBe(false);
    expect(existsSync(`${file}.before-kimi-dispatch`)).toBe(false);
    expect(await cli(['setup', 'openclaw', '--undo', '--yes'], env)).toMatchObject({ code: 3 });
  });

  it('changes nothing without an interactive terminal, and says what to do', async () => {
    const { env, file, envFile } = await machine('{}');
    const { code, stdout, stderr } = await cli(['setup', 'openclaw'], env);
    expect(code).toBe(2);
    expect(stdout).toContain('+KIMI_REPLY=deliver');
    expect(stderr).toBe(
      'This is not an interactive terminal, so no file was changed. Check the changes above, then run this again with --yes.\n',
    );
    expect(await text(file)).toBe('{}');
    expect(existsSync(envFile)).toBe(false);
  });

  it.each([
    ['no configuration', undefined, 'Run openclaw onboard first'],
    ['invalid JSON', '{ key }', 'at 1:7'],
    ['an unexpected structure', '{"plugins": 5}', 'plugins is no object'],
    ['a token from a variable', '{"hooks":{"token":"${HOOKS_TOKEN}"}}', 'Set OPENCLAW_WAKE_TOKEN'],
    ['a token that is a reference', '{"hooks":{"token":{"source":"env","id":"T"}}}', 'Set OPENCLAW_WAKE_TOKEN'],
  ])('with %s says what to do', async (_, config, words) => {
    const { env, file } = await machine(config);
    const { code, stdout, stderr } = await cli(['setup', 'openclaw', '--yes'], env);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain(words);
    expect(stderr).toMatch(/no file was changed/);
    expect(await text(file)).toBe(config);
  });

  it('says in Chinese what is wrong with the file, and quotes the parser', async () => {
    const wrong = [
      ['5', '（內容不是 JSON 物件）'],
      ['{"plugins": 5}', '（plugins 不是物件）'],
      ['{"plugins": {"load": {"paths": 5}}}', '（plugins.load.paths 不是清單）'],
      ['{ key }', '（「invalid character'],
    ];
    for (const [config, words] of wrong) {
      const { env } = await machine(config);
      const { stderr } = await cli(['setup', 'openclaw', '--yes'], { ...env, KIMI_LANG: 'zh-TW' });
      expect(stderr).toContain(words);
    }
  });

  it('with a folder in place of the file says so', async () => {
    const { env, file } = await machine();
    await mkdir(file);
    const { code, stderr } = await cli(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^[^\n]+openclaw\.json cannot be read \(it is a folder\)[^\n]+\n$/);
  });

  it('shows no secret of JSON5', async () => {
    const config = `{ gateway: { auth: { token: 'gw-\\'secret' } }, botToken: "bot-secret", 'api key': 'key-secret' }`;
    const { env, file } = await machine(config);
    const { code, stdout } = await cli(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('token: "…"');
    expect(stdout).not.toMatch(/\w+-\W*secret/);
    expect(await text(file)).toContain(config.slice(0, -2));
  });

  it('uses the token that the user sets if the file only refers to it, and leaves the reference', async () => {
    const { env, envFile, file } = await machine('{"hooks":{"token":"${HOOKS_TOKEN}"}}', {
      OPENCLAW_WAKE_TOKEN: 'theirs',
    });
    expect((await cli(['setup', 'openclaw', '--yes'], env)).code).toBe(0);
    expect(parseEnv((await text(envFile)) ?? '')['OPENCLAW_WAKE_TOKEN']).toBe('theirs');
    expect(parse((await text(file)) ?? '')).toMatchObject({ hooks: { token: '${HOOKS_TOKEN}' } });
  });

  it('knows only one gateway', async () => {
    expect((await cli(['setup', 'x'], (await machine()).env)).code).toBe(2);
  });
});

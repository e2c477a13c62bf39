/** The gateway's configuration: what `setup openclaw` reads in it, what it adds, and that nothing else changes. */
import { readFile } from 'node:fs/promises';
import JSON5 from 'json5';
import { describe, expect, it } from 'vitest';
import { ConfigFiles } from '../../src/cli/openclaw/config-files.ts';
import { SettingsError } from '../../src/cli/setup/json5.ts';
import { gatewayPort } from '../../src/cli/openclaw/location.ts';
import {
  addKimiDispatch,
  readGateway,
  removeKimiDispatch,
  undoneText,
  type GatewayFacts,
  type Wanted,
} from '../../src/cli/openclaw/settings.ts';

const parse = (text: string): unknown => JSON5.parse(text);

const MAIN = '/state/openclaw.json';

/** A configuration of one file, or of several by name. */
function configOf(texts: string | Record<string, string>): ConfigFiles {
  const files: Record<string, string> = typeof texts === 'string' ? { 'openclaw.json': texts } : texts;
  return new ConfigFiles(MAIN, (file) => {
    const text = files[file.replace('/state/', '')];
    if (text === undefined) throw Object.assign(new Error(file), { code: 'ENOENT' });
    return text;
  });
}

function factsOf(texts: string | Record<string, string>, env: NodeJS.ProcessEnv = {}): GatewayFacts {
  return readGateway(configOf(texts), { env, stateDir: '/state', pathOf: (path) => path });
}

function withKimiDispatch(text: string, wanted: Wanted): string {
  const config = configOf(text);
  addKimiDispatch(config, wanted);
  return config.texts.get(MAIN) ?? '';
}

function withoutKimiDispatch(text: string, before: string): string {
  const [config, then] = [configOf(text), configOf(before)];
  removeKimiDispatch(config, then);
  return undoneText(MAIN, config, then, before);
}

const WANTED: Wanted = { plugin: '/x/openclaw/plugin', hooksToken: 'hook-secret', hooks: false };

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
  const edited = withKimiDispatch(before, {
    ...WANTED,
    hooksToken: factsOf(before).hooksToken === 'none' ? 'hook-secret' : undefined,
  });
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

  it.each([
    '{}',
    COMMENTED,
    UNQUOTED,
    '{"hooks":{"enabled":false,"token":"theirs","path":"/h"},"plugins":{}}',
    '{"hooks":{"token":""}}',
  ])('is changed once, and restored by undo: %s', (before) => {
    const settings = {
      ...WANTED,
      hooksToken: factsOf(before).hooksToken === 'none' ? 'hook-secret' : undefined,
      hooks: true,
    };
    const edited = withKimiDispatch(before, settings);
    expect(edited).not.toBe(before);
    expect(parse(edited)).toMatchObject({ hooks: { enabled: true } });
    expect(withKimiDispatch(edited, { ...settings, hooksToken: undefined })).toBe(edited);
    expect(withoutKimiDispatch(edited, before)).toBe(before);
  });

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
    expect(factsOf(edited)).toMatchObject({
      wakeUrl: 'http://127.0.0.1:18800/hooks/wake',
      hooksToken: { value: 'hook-secret' },
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

  it.each([
    ['{\n  key 1 }', 'at 2:7'],
    ['[]', 'no JSON object'],
    ['', 'at 1:1'],
    ['null', 'no JSON object'],
  ])('that is not JSON is not changed: %j', (text, why) => {
    expect(() => withKimiDispatch(text, WANTED)).toThrow(SettingsError);
    expect(() => factsOf(text)).toThrow(why);
  });
});

describe('the address of the gateway', () => {
  it.each([
    [{}, {}, 'http://127.0.0.1:18789/hooks/wake'],
    [{ gateway: { port: 1 }, hooks: { path: '/h/' } }, {}, 'http://127.0.0.1:1/h/wake'],
    [{ hooks: { path: 'my-hooks' } }, {}, 'http://127.0.0.1:18789/my-hooks/wake'],
    [{ hooks: { path: '/${PLACE}' } }, { PLACE: 'p' }, 'http://127.0.0.1:18789/p/wake'],
    [{ hooks: { path: '/$${PLACE}' } }, {}, 'http://127.0.0.1:18789/${PLACE}/wake'],
    [{ env: { vars: { PLACE: 'q' } }, hooks: { path: '/${PLACE}' } }, {}, 'http://127.0.0.1:18789/q/wake'],
    [{ gateway: { tls: { enabled: true } } }, {}, 'https://127.0.0.1:18789/hooks/wake'],
    [{ gateway: { port: 1 } }, { OPENCLAW_GATEWAY_PORT: '2' }, 'http://127.0.0.1:2/hooks/wake'],
    [{ gateway: { port: 1 } }, { OPENCLAW_GATEWAY_PORT: '127.0.0.1:3' }, 'http://127.0.0.1:3/hooks/wake'],
    [{ gateway: { port: 1 } }, { OPENCLAW_GATEWAY_PORT: 'x' }, 'http://127.0.0.1:1/hooks/wake'],
  ])('of %j with %j is %s', (config, env, url) => {
    expect(factsOf(JSON.stringify(config), env).wakeUrl).toBe(url);
  });

  it('has the port of the profile', () => {
    // As `openclaw --profile rescue gateway status` of 2026.9.6 prints it.
    expect(gatewayPort(undefined, { OPENCLAW_PROFILE: 'rescue' })).toBe(23_532);
    expect(gatewayPort(1, { OPENCLAW_PROFILE: 'rescue' })).toBe(1);
    expect(gatewayPort(undefined, { OPENCLAW_PROFILE: 'default' })).toBe(18_789);
  });

  it('is not guessed from a variable that is not set', () => {
    expect(() => factsOf('{ hooks: { path: "/${PLACE}" } }')).toThrow('hooks.path names a variable');
  });
});

describe('the token of the gateway', () => {
  it.each([
    [undefined, {}, 'none'],
    [' ', {}, 'none'],
    ['t', {}, { value: 't' }],
    ['${T}', { T: 'of the environment' }, { value: 'of the environment' }],
    ['${T}', {}, 'hidden'],
    [{ source: 'env', id: 'T' }, {}, 'hidden'],
  ])('%j with %j is %j', (token, env, is) => {
    expect(factsOf(JSON.stringify({ hooks: { token } }), env).hooksToken).toEqual(is);
  });
});

it.each([
  [{ enabled: false }, 'plugins.enabled'],
  [{ deny: ['kimi-dispatch'] }, 'plugins.deny'],
  [{ enabled: true, deny: ['other'] }, undefined],
])('plugins %j is blocked by %s', (plugins, blocked) => {
  expect(factsOf(JSON.stringify({ plugins })).blocked).toBe(blocked);
});

/** Sets up, and @returns the texts that differ, with the whole configuration. */
function changed(texts: Record<string, string>, wanted: Partial<Wanted> = {}) {
  const config = configOf(texts);
  const token = factsOf(texts).hooksToken;
  addKimiDispatch(config, { ...WANTED, hooksToken: token === 'none' ? 'new' : undefined, ...wanted });
  const names = [...config.texts].filter(([file, text]) => text !== texts[file.replace('/state/', '')]);
  return { files: Object.fromEntries(names), config };
}

describe('a configuration of several files', () => {
  it('keeps the token of an included file', () => {
    const texts = {
      'openclaw.json': '{ hooks: { $include: "./h.json5" } }',
      'h.json5': '{ enabled: true, token: "theirs", path: "/h" }',
    };
    expect(factsOf(texts)).toMatchObject({ hooksToken: { value: 'theirs' }, wakeUrl: 'http://127.0.0.1:18789/h/wake' });
    const { files, config } = changed(texts, { hooks: true });
    expect(Object.keys(files)).toEqual([MAIN]);
    expect(files[MAIN]).toContain('hooks: { $include: "./h.json5" }');
    expect(config.at(['hooks'])).toEqual({ enabled: true, token: 'theirs', path: '/h' });
  });

  it('is changed in the file that is the section', () => {
    const texts = {
      'openclaw.json': '{\n  plugins: { $include: "parts/p.json5" },\n  hooks: { token: "t" },\n}\n',
      'parts/p.json5': '{ allow: ["telegram"], load: { $include: "./load.json5" } } // theirs\n',
      'parts/load.json5': '{ paths: ["/other/plugin"] }',
    };
    const { files, config } = changed(texts);
    expect(Object.keys(files).toSorted()).toEqual(['/state/parts/load.json5', '/state/parts/p.json5']);
    expect(config.at(['plugins'])).toEqual({
      allow: ['telegram', 'kimi-dispatch'],
      load: { paths: ['/other/plugin', '/x/openclaw/plugin'] },
      entries: { 'kimi-dispatch': { enabled: true } },
    });
    const now = configOf(
      Object.fromEntries([...config.texts].map(([file, text]) => [file.replace('/state/', ''), text])),
    );
    const before = configOf(texts);
    removeKimiDispatch(now, before);
    for (const [name, text] of Object.entries(texts)) {
      expect(undoneText(`/state/${name}`, now, before, text)).toBe(text);
    }
  });

  it('is changed beside several included files, which the gateway merges', () => {
    const texts = {
      'openclaw.json': '{ plugins: { $include: ["./a.json5", "./b.json5"] }, hooks: { token: "t" } }',
      'a.json5': '{ load: { paths: ["/a"] } }',
      'b.json5': '{ load: { paths: ["/b"] } }',
    };
    const { files, config } = changed(texts);
    expect(Object.keys(files)).toEqual([MAIN]);
    expect(config.at(['plugins', 'load', 'paths'])).toEqual(['/a', '/b', '/x/openclaw/plugin']);
  });

  it.each([
    ['a file used twice', { 'openclaw.json': '{ plugins: { $include: "./a" }, x: { $include: "./a" } }', a: '{}' }],
    ['a file of another folder', { 'openclaw.json': '{ plugins: { $include: "../a" } }', '/a': '{}' }],
    [
      'our other folder in one of several files',
      { 'openclaw.json': '{ plugins: { $include: ["./a"] } }', a: '{ load: { paths: ["/old/openclaw/plugin"] } }' },
    ],
  ])('is not changed where that would change something else: %s', (_, texts) => {
    expect(() => changed(texts)).toThrow('cannot be changed without changing something else');
  });

  it.each([
    ['is missing', { 'openclaw.json': '{ hooks: { $include: "./no.json5" } }' }, '$include ./no.json5: ENOENT'],
    [
      'is no JSON5',
      { 'openclaw.json': '{ hooks: { $include: "./a" } }', a: '{' },
      '$include ./a: invalid end of input',
    ],
    [
      'includes itself',
      { 'openclaw.json': '{ hooks: { $include: "./a" } }', a: '{ $include: "./a" }' },
      'includes itself',
    ],
    ['is no path', { 'openclaw.json': '{ hooks: { $include: 5 } }' }, '$include 5: it is no path'],
  ])('says which included file %s', (_, texts, why) => {
    expect(() => factsOf(texts)).toThrow(why);
  });
});

it('a set-up from another folder replaces this plugin, and no other one', () => {
  const before = `{ plugins: { load: { paths: ['/a', '/old/openclaw/plugin', '/b', '/older/openclaw/plugin'] } } }`;
  const edited = withKimiDispatch(before, WANTED);
  expect(parse(edited)).toMatchObject({ plugins: { load: { paths: ['/a', '/x/openclaw/plugin', '/b'] } } });
  expect(withoutKimiDispatch(edited, before)).toContain('/old/openclaw/plugin');
});

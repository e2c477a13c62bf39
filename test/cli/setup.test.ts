/** `setup openclaw`: what it writes into the gateway's configuration and ours, what it shows, and how it is undone. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { parseEnv } from 'node:util';
import JSON5 from 'json5';
import { describe, expect, it } from 'vitest';
import { withVariables } from '../../src/config/env-file.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { cleanHome, cli } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';

const parse = (text: string): unknown => JSON5.parse(text);

const COMMENTED = `{
  // The owner's own notes stay.
  "gateway": { "port": 18800, "auth": { "mode": "token", "token": "gw-secret" } },
  "plugins": {
    "allow": ["telegram"],
    "load": { "paths": ["/other/plugin"] }, // and these
  },
}
`;

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

const PLUGIN = join(PACKAGE_ROOT, 'openclaw/plugin');

/** Puts an `openclaw` before others on `PATH`. @returns its folder, with a file of its arguments */
async function openclawThatSays(words: string | undefined, env: Record<string, string>): Promise<string> {
  const bin = join(env['HOME'] ?? '', 'bin');
  await mkdir(bin);
  const says = words === undefined ? 'echo no plugin >&2; exit 1' : `echo '${words}'`;
  await writeFile(join(bin, 'openclaw'), `#!/bin/sh\necho "$@" > '${bin}/args'\n${says}\n`, { mode: 0o755 });
  env['PATH'] = `${bin}:${env['PATH']}`;
  return bin;
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
    const { code, stdout, stderr } = await inProcess(['setup', 'openclaw'], env);
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
    const { code, stdout, stderr } = await inProcess(['setup', 'openclaw', '--yes'], env);
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
      const { stderr } = await inProcess(['setup', 'openclaw', '--yes'], { ...env, KIMI_LANG: 'zh-TW' });
      expect(stderr).toContain(words);
    }
  });

  it('with a folder in place of the file says so', async () => {
    const { env, file } = await machine();
    await mkdir(file);
    const { code, stderr } = await inProcess(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(3);
    expect(stderr).toMatch(/^[^\n]+openclaw\.json cannot be read \(it is a folder\)[^\n]+\n$/);
  });

  it('shows no secret of JSON5', async () => {
    const config = `{ gateway: { auth: { token: 'gw-\\'secret' } }, botToken: "bot-secret", 'api key': 'key-secret' }`;
    const { env, file } = await machine(config);
    const { code, stdout } = await inProcess(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('token: "…"');
    expect(stdout).not.toMatch(/\w+-\W*secret/);
    expect(await text(file)).toContain(config.slice(0, -2));
  });

  it('uses the token that the user sets if the file only refers to it, and leaves the reference', async () => {
    const { env, envFile, file } = await machine('{"hooks":{"token":"${HOOKS_TOKEN}"}}', {
      OPENCLAW_WAKE_TOKEN: 'theirs',
    });
    expect((await inProcess(['setup', 'openclaw', '--yes'], env)).code).toBe(0);
    expect(parseEnv((await text(envFile)) ?? '')['OPENCLAW_WAKE_TOKEN']).toBe('theirs');
    expect(parse((await text(file)) ?? '')).toMatchObject({ hooks: { token: '${HOOKS_TOKEN}' } });
  });

  it('changes included files, backs each of them up, and undoes it', async () => {
    const { env, file } = await machine('{ plugins: { $include: "./plugins.json5" }, hooks: { token: "${TOKEN}" } }');
    const included = join(dirname(file), 'plugins.json5');
    await writeFile(included, '{ load: { paths: [] } } // theirs\n');
    await writeFile(join(dirname(file), '.env'), 'TOKEN=of-the-gateway\n');
    const { code, stdout } = await inProcess(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('~/.openclaw/plugins.json5');
    expect(stdout).not.toContain('openclaw.json\n');
    expect(await text(included)).toMatch(/"?openclaw\/plugin.*\/\/ theirs\n$/s);
    expect(parseEnv((await text(join(env['HOME'] ?? '', '.local/share/kimi-dispatch/.env'))) ?? '')).toMatchObject({
      OPENCLAW_WAKE_TOKEN: 'of-the-gateway',
    });
    expect((await inProcess(['setup', 'openclaw', '--undo', '--yes'], env)).code).toBe(0);
    expect(await text(included)).toBe('{ load: { paths: [] } } // theirs\n');
    expect(existsSync(`${included}.before-kimi-dispatch`)).toBe(false);
  });

  it('sets up the profile of the gateway that is named', async () => {
    const { env, file, envFile } = await machine('{}');
    const ofProfile = join(env['HOME'] ?? '', '.openclaw-rescue/openclaw.json');
    await mkdir(dirname(ofProfile));
    await writeFile(ofProfile, '{ gateway: { tls: { enabled: true } } }');
    const { code, stdout } = await inProcess(['setup', 'openclaw', '--profile', 'rescue', '--yes'], env);
    expect(code).toBe(0);
    expect(stdout).toContain('openclaw --profile rescue gateway restart');
    expect(await text(file)).toBe('{}');
    expect(parse((await text(ofProfile)) ?? '')).toMatchObject({ plugins: { entries: { 'kimi-dispatch': {} } } });
    expect(parseEnv((await text(envFile)) ?? '')).toMatchObject({
      OPENCLAW_WAKE_URL: 'https://127.0.0.1:23532/hooks/wake',
      NODE_EXTRA_CA_CERTS: join(dirname(ofProfile), 'gateway/tls/gateway-cert.pem'),
    });
    expect((await inProcess(['setup', 'openclaw', '--profile', 'rescue', '--undo', '--yes'], env)).code).toBe(0);
    expect(existsSync(envFile)).toBe(false);
    expect((await inProcess(['setup', 'openclaw', '--profile', '../x', '--yes'], env)).code).toBe(2);
  });

  it.each([
    ['{"plugins":{"enabled":false}}', 'openclaw config set plugins.enabled true'],
    ['{"plugins":{"deny":["kimi-dispatch"]}}', 'plugins.deny names kimi-dispatch'],
  ])('says that the gateway would not load the plugin: %s', async (config, words) => {
    const { env, file } = await machine(config);
    const { code, stderr } = await inProcess(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(3);
    expect(stderr).toContain(words);
    expect(await text(file)).toBe(config);
  });

  it.each([
    ['this plugin', { status: 'loaded', rootDir: PLUGIN }, 0, 'OpenClaw loads this plugin.'],
    ['that of another folder', { status: 'loaded', rootDir: '/' }, 3, 'OpenClaw loads the plugin from / and not from'],
    ['none', { status: 'error', rootDir: PLUGIN, error: 'it is broken' }, 3, 'does not load the plugin: it is broken'],
    ['what it does not say', undefined, 0, 'OpenClaw could not be asked (no plugin)'],
  ])('asks OpenClaw which plugin it loads: %s', async (_, plugin, status, words) => {
    const { env } = await machine('{}');
    const bin = await openclawThatSays(plugin && JSON.stringify({ plugin }), env);
    const { code, stdout, stderr } = await cli(['setup', 'openclaw', '--yes'], env);
    expect(code).toBe(status);
    expect(stdout + stderr).toContain(words);
    expect(await text(join(bin, 'args'))).toBe('plugins inspect kimi-dispatch --runtime --json\n');
  });

  it('keeps results where OpenClaw keeps its state', async () => {
    const { env, envFile } = await machine();
    const state = join(env['HOME'] ?? '', 'state');
    await mkdir(state);
    await writeFile(join(state, 'openclaw.json'), '{}');
    env['OPENCLAW_STATE_DIR'] = state;
    expect((await inProcess(['setup', 'openclaw', '--yes'], env)).code).toBe(0);
    const results = join(state, 'workspace/kimi-dispatch/results');
    expect(parseEnv((await text(envFile)) ?? '')).toMatchObject({ KIMI_RESULTS_DIR: results });
    expect((await inProcess(['setup', 'openclaw', '--yes'], env)).stdout).toContain('already set up');
    // What is there stays in sight.
    await mkdir(results, { recursive: true });
    await writeFile(join(results, 'latest.json'), '{}');
    expect((await inProcess(['setup', 'openclaw', '--undo', '--yes'], env)).code).toBe(0);
    expect(parseEnv((await text(envFile)) ?? '')).toEqual({ KIMI_RESULTS_DIR: results });
  });

  it('leaves results where there are some, and says how to move them', async () => {
    const { env, envFile } = await machine('{}');
    const old = join(env['HOME'] ?? '', '.openclaw/workspace/kimi-dispatch/results');
    await mkdir(old, { recursive: true });
    await writeFile(join(old, 'latest.json'), '{}');
    await mkdir(join(env['HOME'] ?? '', '.openclaw-rescue'));
    await writeFile(join(env['HOME'] ?? '', '.openclaw-rescue/openclaw.json'), '{}');
    const { stdout } = await inProcess(['setup', 'openclaw', '--profile', 'rescue', '--yes'], env);
    expect(stdout).toContain('Results stay in ~/.openclaw/workspace/kimi-dispatch/results');
    expect(stdout).toContain('KIMI_RESULTS_DIR=~/.openclaw-rescue/workspace/kimi-dispatch/results');
    expect(await text(envFile)).not.toContain('KIMI_RESULTS_DIR');
  });

  it('knows only one gateway', async () => {
    expect((await inProcess(['setup', 'x'], (await machine()).env)).code).toBe(2);
  });
});

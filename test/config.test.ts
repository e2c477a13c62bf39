import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { ConfigError, loadEnvFiles, readConfig } from '../src/config.ts';
import { PACKAGE_ROOT } from '../src/paths.ts';
import { temporaryFolder } from './support/world.ts';

it('has the contract’s defaults', () => {
  expect(readConfig({})).toMatchObject({
    KIMI_API_KEY: undefined,
    KIMI_API_URL: 'https://api.moonshot.cn/v1',
    KIMI_MODEL: 'moonshot-v1-128k',
    KIMI_LANG: 'zh-TW',
    KIMI_TASK_TIMEOUT_MS: 120_000,
    KIMI_RESULTS_DIR: join(homedir(), '.openclaw/workspace/kimi-dispatch/results'),
    WEBHOOK_PORT: 9001,
    WEBHOOK_HOST: '127.0.0.1',
    OPENCLAW_WAKE_URL: 'http://127.0.0.1:18789/hooks/wake',
  });
});

it('names everything that is wrong at once, with an example, and repeats no value', () => {
  const wrong = {
    WEBHOOK_SECRET: 'short-secret',
    WEBHOOK_PORT: '70000',
    KIMI_API_URL: 'ftp://user:hunter2@example.com',
    KIMI_LANG: 'fr',
    KIMI_TASK_TIMEOUT_MS: '-1',
  };
  const error = (() => {
    try {
      return readConfig(wrong);
    } catch (problem) {
      return problem;
    }
  })();
  expect(error).toBeInstanceOf(ConfigError);
  const { problems, message } = error as ConfigError;
  expect(new Set(problems.map((problem) => problem.split(':')[0]))).toEqual(new Set(Object.keys(wrong)));
  for (const name of Object.keys(wrong)) expect(message).toContain(`(e.g. ${name}=`);
  for (const value of ['short-secret', 'hunter2', '70000']) expect(message).not.toContain(value);
});

it('takes an empty variable as not set, and knows which were set', () => {
  const config = readConfig({ KIMI_API_KEY: '', KIMI_MODEL: '  ', WEBHOOK_PORT: '9002' });
  expect(config).toMatchObject({ KIMI_API_KEY: undefined, KIMI_MODEL: 'moonshot-v1-128k', WEBHOOK_PORT: 9002 });
  expect([config.isSet('WEBHOOK_PORT'), config.isSet('KIMI_MODEL')]).toEqual([true, false]);
});

it('reads ~ as the home folder', () => {
  expect(readConfig({ KIMI_RESULTS_DIR: '~/r' }).KIMI_RESULTS_DIR).toBe(join(homedir(), 'r'));
});

it('reads .env from KIMI_HOME, lets the environment win, and never looks in the current folder', async () => {
  const home = await temporaryFolder();
  const here = await temporaryFolder();
  await writeFile(join(home, '.env'), 'KIMI_MODEL=from-file\nWEBHOOK_PORT=9005\n');
  await mkdir(join(here, 'project'));
  await writeFile(join(here, 'project', '.env'), 'KIMI_API_URL=http://stranger.example\n');
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(join(here, 'project'));
  const env: NodeJS.ProcessEnv = { KIMI_HOME: home, WEBHOOK_PORT: '9006' };
  loadEnvFiles(env);
  expect(env).toMatchObject({ KIMI_MODEL: 'from-file', WEBHOOK_PORT: '9006' });
  expect(env['KIMI_API_URL']).not.toBe('http://stranger.example');
});

it('.env.example documents every variable, each with a value that is valid', () => {
  const file = join(PACKAGE_ROOT, '.env.example');
  expect(existsSync(file)).toBe(true);
  const lines = readFileSync(file, 'utf8').matchAll(/^#?(?<name>[A-Z_]+)=(?<value>.*)$/gm);
  const documented = Object.fromEntries([...lines].map(({ groups }) => [groups?.['name'], groups?.['value']]));
  const variables = Object.keys(readConfig(documented)).filter((name) => name !== 'isSet');
  expect(Object.keys(documented)).toEqual(expect.arrayContaining(variables));
});

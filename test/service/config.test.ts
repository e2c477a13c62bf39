/** The configuration and its sources. */
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { langOf } from '../../src/config/early.ts';
import { loadEnvFiles } from '../../src/config/env-file.ts';
import {
  acknowledgedBy,
  pluginReply,
  readConfig,
  simulatedConfig,
  usesRelay,
  wakeUrl,
} from '../../src/config/index.ts';
import { misspeltVariables } from '../../src/config/misspelt.ts';
import { ConfigError, describeProblem, type ConfigProblem } from '../../src/config/problems.ts';
import { secretsIn, withoutSecrets } from '../../src/config/secrets.ts';
import { SECRETS } from '../../src/config/variables.ts';
import { amount } from '../../src/cli/options.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { engineOptions } from '../../src/temporal/client.ts';
import { PACKAGE_ROOT, shellPath } from '../../src/service/files.ts';
import { budgetRows } from '../../src/text/budget.ts';
import { textFor } from '../../src/text/index.ts';
import { cleanHome, cli } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder } from '../support/resources.ts';

function problemsOf(env: NodeJS.ProcessEnv): string[] {
  return catching(() => readConfig(env)).message.split('\n');
}

function catching(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('without any variable', () => {
  it('every value is the documented default', () => {
    expect(readConfig({})).toMatchObject({
      KIMI_API_URL: 'https://api.moonshot.cn/v1',
      KIMI_LANG: 'zh-TW',
      KIMI_TASK_TIMEOUT_MS: undefined,
      KIMI_RESULTS_DIR: join(homedir(), '.openclaw/workspace/kimi-dispatch/results'),
      WEBHOOK_PORT: 9001,
      OPENCLAW_WAKE_URL: 'http://127.0.0.1:18789/hooks/wake',
      KIMI_TASK_QUEUE: 'kimi-dispatch',
      KIMI_MAX_TASKS_PER_MINUTE: 10,
      KIMI_MAX_CONCURRENT_TASKS: 5,
      KIMI_MAX_QUEUED_TASKS: 1000,
      KIMI_MAX_TASKS_PER_CHAT_HOUR: 0,
      KIMI_ON_INTERRUPT: 'fail',
      KIMI_ON_REPEAT: 'continue',
      KIMI_STALL_TIMEOUT_MS: 120_000,
      KIMI_RELAY_STREAMS: 100,
      KIMI_RELAY_PORT: 9031,
    });
  });

  it('the webhook and the relay are reachable from this machine only', () => {
    expect(readConfig({}).WEBHOOK_HOST).toBe('127.0.0.1');
    expect(readConfig({}).KIMI_RELAY_HOST).toBe('127.0.0.1');
    expect(readConfig({}).KIMI_METRICS_HOST).toBe('127.0.0.1');
  });

  it.each([
    'KIMI_API_KEY',
    'KIMI_MODEL',
    'WEBHOOK_SECRET',
    'OPENCLAW_WAKE_TOKEN',
    'KIMI_CALLBACK_BASE_URL',
    'KIMI_METRICS_PORT',
  ] as const)('there is no %s', (name) => {
    expect(readConfig({})[name]).toBeUndefined();
    expect(readConfig({}).isSet(name)).toBe(false);
  });
});

describe('a budget', () => {
  it.each(['1.5', '0.0001'])('%s is one', (value) => {
    expect(readConfig({ KIMI_BUDGET_PER_TASK: value }).KIMI_BUDGET_PER_TASK).toBe(Number(value));
  });

  it.each(['0', '0.00009', '1e-9', '1e3', '-1', '¥5'])('%s is refused, as by --budget', (value) => {
    expect(problemsOf({ KIMI_BUDGET_PER_TASK: value })).toEqual([
      expect.stringMatching(/^KIMI_BUDGET_PER_TASK: needs an amount of 0\.0001 or more/),
    ]);
    expect(() => amount(cliText('en'))(value)).toThrow('0.0001');
  });

  it('is shown in the currency of the host before anything is spent', () => {
    const view = { day: '2026-11-30', timezone: 'Asia/Taipei', spent: 0, reserved: 0, per_day: 1.5, paused: [] };
    expect(budgetRows(view, textFor('zh-TW'), 'CNY')).toEqual([
      ['2026-11-30 的預算', '已花 ¥0.00，進行中的任務最多再花 ¥0.00（上限 ¥1.50）'],
    ]);
  });
});

describe('KIMI_FALLBACK', () => {
  it.each([
    ['kimi-k3:high,kimi-k2.6', 600_000, [{ model: 'kimi-k3', thinking: 'high' }, { model: 'kimi-k2.6' }]],
    ['90s, kimi-k2.6:off', 90_000, [{ model: 'kimi-k2.6', thinking: 'off' }]],
    ['other/model:low', 600_000, [{ model: 'other/model', thinking: 'low' }]],
  ])('%s has a time, and models in order', (value, after_ms, models) => {
    expect(readConfig({ KIMI_FALLBACK: value }).KIMI_FALLBACK).toEqual({ after_ms, models });
  });

  it('names no model that the host has retired; elsewhere it may', () => {
    const KIMI_FALLBACK = 'kimi-k2.6,kimi-k2.5';
    expect(problemsOf({ KIMI_FALLBACK })).toEqual([
      expect.stringMatching(/names kimi-k2\.5, which was retired at Moonshot on 2026-08-31; use kimi-k2\.6/),
    ]);
    const elsewhere = readConfig({ KIMI_FALLBACK, KIMI_API_URL: 'https://kimi.example.com/v1' });
    expect(elsewhere.KIMI_FALLBACK?.models).toHaveLength(2);
  });
});

describe('the key', () => {
  it('may have the name that Moonshot’s other tools use; ours has precedence', () => {
    const config = readConfig({ MOONSHOT_API_KEY: 'sk-moonshot', KIMI_API_KEY: ' ' });
    expect(config.KIMI_API_KEY).toBe('sk-moonshot');
    expect(config.isSet('KIMI_API_KEY')).toBe(true);
    expect(readConfig({ MOONSHOT_API_KEY: 'sk-moonshot', KIMI_API_KEY: 'sk-kimi' }).KIMI_API_KEY).toBe('sk-kimi');
  });
});

async function fileOf(content: string): Promise<string> {
  const file = join(await temporaryFolder(), 'secret');
  await writeFile(file, content);
  return file;
}

describe('a secret in a file', () => {
  it.each([...SECRETS])('%s_FILE names it', async (name) => {
    const others: Partial<Record<(typeof SECRETS)[number], string>> = {
      KIMI_PAYLOAD_KEYS: `a:${'A'.repeat(43)}=`,
      KIMI_NOTIFY_SECRET: `whsec_${'A'.repeat(43)}= whsec_${'B'.repeat(42)}A=`,
      KIMI_NOTIFY_URL: 'https://hooks.example.com/a-secret',
    };
    const value = others[name] ?? 'a-secret-of-a-file';
    const inFile = readConfig({ [`${name}_FILE`]: await fileOf(`${value}\n`) });
    expect(inFile[name]).toEqual(readConfig({ [name]: value })[name]);
    expect(inFile.isSet(name)).toBe(true);
  });

  it('is not set if its file is empty, and the key’s other name is used then', async () => {
    const env = { KIMI_API_KEY_FILE: await fileOf('\n'), MOONSHOT_API_KEY: 'sk-moonshot' };
    expect(readConfig(env).KIMI_API_KEY).toBe('sk-moonshot');
  });

  it('is refused beside the variable itself, and if the file cannot be read, without its content', async () => {
    const file = await fileOf('short');
    expect(problemsOf({ WEBHOOK_SECRET: 'the-secret-that-is-set', WEBHOOK_SECRET_FILE: file })).toEqual([
      'WEBHOOK_SECRET: is set, and so is WEBHOOK_SECRET_FILE; keep one of the two',
    ]);
    expect(problemsOf({ WEBHOOK_SECRET_FILE: `${file}-gone` })).toEqual([
      'WEBHOOK_SECRET_FILE: its file cannot be read: it does not exist (e.g. WEBHOOK_SECRET_FILE=/run/secrets/webhook_secret)',
    ]);
    expect(problemsOf({ WEBHOOK_SECRET_FILE: file })).toEqual([
      'WEBHOOK_SECRET: needs at least 16 characters (e.g. WEBHOOK_SECRET=$(openssl rand -hex 32))',
    ]);
  });

  it('is passed to the process that needs it, and to no other', () => {
    const env = { WEBHOOK_SECRET_FILE: '/run/a', KIMI_API_KEY: 'sk-1', MOONSHOT_API_KEY: 'sk-2', PATH: '/bin' };
    expect(withoutSecrets(env)).toEqual({ PATH: '/bin' });
    expect(secretsIn(env, 'WEBHOOK_SECRET')).toEqual({ WEBHOOK_SECRET_FILE: '/run/a' });
    expect(secretsIn(env, 'KIMI_API_KEY')).toEqual({ KIMI_API_KEY: 'sk-1' });
  });
});

it('Moonshot’s hosts are relayed, others call back by themselves, unless configured otherwise', () => {
  expect(usesRelay(readConfig({}))).toBe(true);
  expect(usesRelay(readConfig({ KIMI_API_URL: 'https://api.moonshot.ai/v1' }))).toBe(true);
  expect(usesRelay(readConfig({ KIMI_API_URL: 'http://localhost:8000/v1' }))).toBe(false);
  expect(usesRelay(readConfig({}), true)).toBe(false);
  expect(usesRelay(readConfig({ KIMI_CALLBACKS: 'relay', KIMI_API_URL: 'http://localhost:8000/v1' }))).toBe(true);
  expect(usesRelay(readConfig({ KIMI_CALLBACKS: 'relay' }), true)).toBe(true);
  expect(usesRelay(readConfig({ KIMI_CALLBACKS: 'native' }))).toBe(false);
});

describe('a variable', () => {
  it.each([
    ['KIMI_API_KEY', 'sk-1', 'sk-1'],
    ['KIMI_API_URL', 'http://localhost:8000/v1', 'http://localhost:8000/v1'],
    ['KIMI_MODEL', 'kimi-k3', 'kimi-k3'],
    ['KIMI_LANG', 'en', 'en'],
    ['KIMI_TASK_TIMEOUT_MS', '1', 1],
    ['KIMI_GRACE_MS', '86400000', 86_400_000],
    ['KIMI_MAX_CONCURRENT_TASKS', '0', 0],
    ['KIMI_RESULTS_KEEP', '90d', 7_776_000_000],
    ['KIMI_RESULTS_KEEP', '1.5h', 5_400_000],
    ['KIMI_RESULTS_DIR', '/var/kimi/../results', '/var/results'],
    ['KIMI_RESULTS_DIR', 'results', resolve('results')],
    ['KIMI_RESULTS_DIR', '~/results', join(homedir(), 'results')],
    ['KIMI_RESULTS_DIR', '~', homedir()],
    ['KIMI_RESULTS_DIR', '~other/results', resolve('~other/results')],
    ['KIMI_RESULTS_DIR', '/a/~/b', '/a/~/b'],
    ['KIMI_HOME', '~/kimi', join(homedir(), 'kimi')],
    ['KIMI_CACHE', '~/cache', join(homedir(), 'cache')],
    ['KIMI_JOURNAL_DIR', '~/journal', join(homedir(), 'journal')],
    ['TEMPORAL_CLI_PATH', '~/bin/temporal', join(homedir(), 'bin/temporal')],
    ['KIMI_METRICS_PORT', '9464', 9464],
    ['KIMI_METRICS_HOST', '::1', '::1'],
    ['WEBHOOK_PORT', '0', 0],
    ['WEBHOOK_PORT', '65535', 65_535],
    ['WEBHOOK_SECRET', '0123456789abcdef', '0123456789abcdef'],
    ['WEBHOOK_SECRET', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'],
  ] as const)('%s=%s is read', (name, value, read) => {
    const config = readConfig({ [name]: value });
    expect(config[name]).toBe(read);
    expect(config.isSet(name)).toBe(true);
  });

  it('WEBHOOK_ADDITIONAL_SECRETS holds any number, with white space between them', () => {
    const two = ' 0123456789abcdef \n fedcba9876543210 ';
    expect(readConfig({}).WEBHOOK_ADDITIONAL_SECRETS).toEqual([]);
    expect(readConfig({ WEBHOOK_ADDITIONAL_SECRETS: two }).WEBHOOK_ADDITIONAL_SECRETS).toEqual([
      '0123456789abcdef',
      'fedcba9876543210',
    ]);
  });

  it.each(['', '  ', '\t\n'])('of %j counts as not set', (empty) => {
    const config = readConfig({ KIMI_API_KEY: empty, WEBHOOK_PORT: empty, WEBHOOK_SECRET: empty, KIMI_LANG: empty });
    expect(config).toMatchObject({ WEBHOOK_PORT: 9001, KIMI_LANG: 'zh-TW' });
    expect(config.KIMI_API_KEY).toBeUndefined();
    expect(config.WEBHOOK_SECRET).toBeUndefined();
    expect(config.isSet('WEBHOOK_PORT')).toBe(false);
  });

  it.each([
    ['KIMI_API_URL', 'hunter2'],
    ['KIMI_API_URL', 'ftp://user:hunter2@example.com'],
    ['KIMI_API_URL', 'javascript:hunter2'],
    ['KIMI_CALLBACK_BASE_URL', 'hunter2:9001'],
    ['OPENCLAW_WAKE_URL', '//hunter2/hooks/wake'],
    ['KIMI_MODEL', 'hunter2'.repeat(100)],
    ['KIMI_LANG', 'hunter2'],
    ['KIMI_LANG', 'EN'],
    ['KIMI_TASK_TIMEOUT_MS', '0'],
    ['KIMI_TASK_TIMEOUT_MS', '-1'],
    ['KIMI_TASK_TIMEOUT_MS', '1.5'],
    ['KIMI_TASK_TIMEOUT_MS', '2m'],
    ['KIMI_TASK_TIMEOUT_MS', 'Infinity'],
    ['KIMI_GRACE_MS', 'hunter2'],
    ['KIMI_MAX_CONCURRENT_TASKS', '-1'],
    ['KIMI_MAX_TASKS_PER_MINUTE', 'hunter2'],
    ['KIMI_ACK', 'hunter2'],
    ['KIMI_REPLY', 'hunter2'],
    ['KIMI_FALLBACK', '10m'],
    ['KIMI_FALLBACK', '0m,kimi-k2.6'],
    ['KIMI_FALLBACK', '10,kimi-k2.6'],
    ['KIMI_FALLBACK', '13h,kimi-k2.6'],
    ['KIMI_FALLBACK', 'kimi-k3:hunter'],
    ['KIMI_FALLBACK', 'kimi-k2.6:high'],
    ['KIMI_FALLBACK', 'kimi-k3:'],
    ['KIMI_FALLBACK', 'kimi-k3,,kimi-k2.6'],
    ['KIMI_FALLBACK', 'a,b,c,d,e'],
    ['KIMI_FALLBACK', 'kimi-k2.5'],
    ['KIMI_RESULTS_KEEP', '90'],
    ['KIMI_RESULTS_KEEP', '0d'],
    ['KIMI_RESULTS_KEEP', 'hunter2'],
    ['KIMI_JOURNAL_MAX_BYTES', '0'],
    ['KIMI_JOURNAL_MAX_BYTES', '1GB'],
    ['WEBHOOK_PORT', '65536'],
    ['WEBHOOK_PORT', '-1'],
    ['WEBHOOK_PORT', '80.5'],
    ['WEBHOOK_PORT', 'hunter2'],
    ['WEBHOOK_SECRET', 'hunter2'],
    ['WEBHOOK_SECRET', '0123456789abcde'],
    ['WEBHOOK_SECRET', 'whsec_hunter2hunter2!hunter2'],
    ['WEBHOOK_SECRET', 'whsec_hunter2hunter2'],
    ['WEBHOOK_ADDITIONAL_SECRETS', '0123456789abcde'],
    ['WEBHOOK_ADDITIONAL_SECRETS', '0123456789abcdef hunter2'],
    ['KIMI_LOG_LEVEL', 'hunter2'],
    ['KIMI_TASK_QUEUE', 'hunter2'.repeat(100)],
  ] as const)('%s=%s is refused with a valid example, without repeating the value', (name, value) => {
    const problems = problemsOf({ [name]: value });
    expect(problems).toEqual([expect.stringMatching(`^${name}: .+ \\(e\\.g\\. ${name}=.+\\)$`)]);
    const [problem = ''] = problems;
    const example = problem.slice(problem.lastIndexOf(`${name}=`) + name.length + 1, -1);
    expect(readConfig({ [name]: example }).isSet(name)).toBe(true);
    expect(problem).not.toContain('hunter2');
    expect(problem).not.toContain('0123456789');
  });

  it.each([
    ['KIMI_API_KEY', 'a b'],
    ['KIMI_API_URL', 'x'],
    ['KIMI_MODEL', 'x'.repeat(129)],
    ['KIMI_REPLY', 'x'],
    ['KIMI_RELAY_STREAMS', '10001'],
    ['KIMI_RELAY_STREAMS', '0'],
    ['KIMI_GRACE_MS', 'x'],
    ['KIMI_MAX_QUEUED_TASKS', '-1'],
    ['KIMI_MAX_QUEUED_TASKS', '100001'],
    ['KIMI_FALLBACK', '10m'],
    ['KIMI_FALLBACK', '0m,kimi-k2.6'],
    ['KIMI_FALLBACK', '13h,kimi-k2.6'],
    ['KIMI_FALLBACK', 'kimi-k3:hunter'],
    ['KIMI_FALLBACK', 'kimi-k2.5'],
    ['KIMI_RESULTS_KEEP', 'x'],
    ['KIMI_PAYLOAD_KEYS', 'x'],
    ['KIMI_PAYLOAD_KEYS', `a:${'A'.repeat(43)} a:${'A'.repeat(43)}`],
    ['KIMI_PAYLOAD_S3_BUCKET', '-'],
    ['KIMI_CODEC_TOKEN', 'x'],
    ['WEBHOOK_PORT', '-1'],
    ['KIMI_METRICS_PORT', '0'],
    ['KIMI_METRICS_HOST', 'x'],
    ['WEBHOOK_SECRET', 'x'],
    ['WEBHOOK_SECRET', 'whsec_xxxxxxxxxxxx'],
    ['WEBHOOK_SECRET_FILE', '/nowhere'],
    ['KIMI_TASK_QUEUE', 'x'.repeat(201)],
    ['KIMI_LIMITER', 'x'.repeat(201)],
    ['KIMI_RESULTS_KEEP', '101y'],
    ['KIMI_RESULTS_DIR', '/proc/x'],
    ['KIMI_MAX_TASKS_PER_MINUTE', '1.5'],
  ])('%s=%s is refused with a description in Chinese', (name, value) => {
    const error = catching(() => readConfig({ [name]: value }));
    const said = cliText('zh-TW').config(error.problems);
    expect(error.problems).toHaveLength(1);
    expect(said).toMatch(/^設定有 1 個錯誤：\n {2}\w+ .*\p{sc=Han}.*（例如 \w+=.*）$/u);
    expect(said).not.toMatch(/needs|holds|names|cannot|[Ii]nvalid|\bE[A-Z]{4,}\b|undefined/);
  });
});

describe('a profile of temporal.toml', () => {
  it.each([
    [
      '[profile.other]\n',
      /^names a profile that is not in temporal\.toml;/,
      /^指定的 profile 不在 temporal\.toml 裡；/,
    ],
    ['[profile.mine]\naddress =\n', /; line 2 is not valid TOML$/, /第 2 行不是正確的 TOML$/],
    [
      '[profile.mine.tls]\nclient_cert_path = "/nowhere"\nclient_key_path = "/nowhere"\n',
      /a file that cannot be read: it does not exist$/,
      /有檔案讀不到：不存在$/,
    ],
    [
      '[profile.mine.tls]\nclient_cert_path = "/nowhere"\nclient_cert_data = "x"\n',
      /^names a profile that is not valid: Cannot specify both/,
      /^指定的 profile 內容不正確$/,
    ],
  ])('that is invalid is described in both languages: %j', async (toml, en, zhTW) => {
    const env = { KIMI_TEMPORAL_PROFILE: 'mine', TEMPORAL_CONFIG_FILE: await fileOf(toml) };
    const { problems } = catching(() => engineOptions(env));
    expect(problems).toHaveLength(1);
    const described = (['en', 'zh-TW'] as const).map((lang) => describeProblem(problems[0] as ConfigProblem, lang));
    expect(described[0]?.replace('KIMI_TEMPORAL_PROFILE: ', '')).toMatch(en);
    expect(described[1]?.replace('KIMI_TEMPORAL_PROFILE ', '')).toMatch(zhTW);
  });
});

it('all problems are reported together, one per line', () => {
  const env = { KIMI_API_URL: 'x', WEBHOOK_PORT: 'y', WEBHOOK_SECRET: 'z', KIMI_LANG: 'en', KIMI_API_KEY: 'sk-1' };
  const problems = problemsOf(env);
  expect(problems.map((problem) => problem.split(':')[0])).toEqual(['KIMI_API_URL', 'WEBHOOK_PORT', 'WEBHOOK_SECRET']);
});

describe('the .env file', () => {
  it('that cannot be read is reported in one sentence', async () => {
    const home = await temporaryFolder();
    await mkdir(join(home, '.env'));
    expect(() => loadEnvFiles({ KIMI_HOME: home })).toThrow(/\.env: cannot be read: it is a folder;/);
    const { code, stderr } = await inProcess(['list'], await cleanHome({ KIMI_HOME: home }));
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: expect.stringMatching(/\.env 讀不到：那是資料夾；[^\n]*\n$/),
    });
  });

  it('with invalid lines is refused with their numbers, without their content', async () => {
    const text = [
      '# a comment = "with a quotation mark',
      'KIMI_TEST_A=a # comment',
      'KIMI_API_KEY sk-secret',
      'export KIMI_TEST_B="two',
      'lines" # comment',
      "KIMI_TEST_C='sk-secret",
      '',
      'KIMI_TEST_D="x" sk-secret',
      'sk-secret',
      'KIMI_TEST_E=it\'s "fine"',
      ' KIMI_TEST.F =\r',
    ].join('\n');
    const { KIMI_HOME = '' } = await homeWith(text);
    const error = catching(() => loadEnvFiles({ KIMI_HOME }));
    expect(error.message).toBe(`${KIMI_HOME}/.env: has lines that are not NAME=value: 3, 6, 8, 9`);
    const { code, stderr } = await inProcess(['list'], await cleanHome({ KIMI_HOME }));
    expect({ code, stderr }).toEqual({
      code: 3,
      stderr: `設定有 1 個錯誤：\n  ${KIMI_HOME}/.env 有幾行不是「名稱=值」：第 3、6、8、9 行\n`,
    });
  });

  it('in KIMI_HOME is read', async () => {
    const env = await homeWith('KIMI_TEST_A=a\n# no\nKIMI_TEST_B="b c"\n');
    loadEnvFiles(env);
    expect(env).toMatchObject({ KIMI_TEST_A: 'a', KIMI_TEST_B: 'b c' });
  });

  it('does not override the environment', async () => {
    const env: NodeJS.ProcessEnv = {
      ...(await homeWith('KIMI_TEST_A=file\nKIMI_TEST_B=file\n')),
      KIMI_TEST_A: 'environment',
    };
    loadEnvFiles(env);
    expect(env).toMatchObject({ KIMI_TEST_A: 'environment', KIMI_TEST_B: 'file' });
  });

  it('overrides an empty variable, which counts as not set', async () => {
    const env: NodeJS.ProcessEnv = { ...(await homeWith('KIMI_TEST_A=file\n')), KIMI_TEST_A: '' };
    loadEnvFiles(env);
    expect(env).toMatchObject({ KIMI_TEST_A: 'file' });
  });

  it('of the current folder is not read', async () => {
    const elsewhere = await temporaryFolder();
    await writeFile(join(elsewhere, '.env'), 'KIMI_TEST_A=stranger\n');
    const env = await homeWith('KIMI_TEST_B=mine\n');
    const back = process.cwd();
    onTestFinished(() => process.chdir(back));
    process.chdir(elsewhere);
    loadEnvFiles(env);
    expect(env).toMatchObject({ KIMI_TEST_B: 'mine' });
    expect(env).not.toHaveProperty('KIMI_TEST_A');
  });

  it('may begin with a byte order mark', async () => {
    const env = await homeWith('\uFEFFKIMI_TEST_A=a\r\nKIMI_TEST_B=b\r\n');
    loadEnvFiles(env);
    expect(env).toMatchObject({ KIMI_TEST_A: 'a', KIMI_TEST_B: 'b' });
  });

  it('is optional', async () => {
    const env = { KIMI_HOME: join(await temporaryFolder(), 'nowhere') };
    expect(() => loadEnvFiles(env)).not.toThrow();
  });
});

describe('a misspelt variable', () => {
  it.each([
    ['KIMI_MODLE', 'KIMI_MODEL'],
    ['KIMI_API_KEYS', 'KIMI_API_KEY'],
    ['KIMI_MAX_TASK_PER_MINUTE', 'KIMI_MAX_TASKS_PER_MINUTE'],
    ['KIM_API_KEY', 'KIMI_API_KEY'],
    ['kimi_lang', 'KIMI_LANG'],
    ['WEBHOOK_PRT', 'WEBHOOK_PORT'],
    ['WEBHOOK_SECRET_FLIE', 'WEBHOOK_SECRET_FILE'],
    ['OPENCLAW_WAKE_TOKN', 'OPENCLAW_WAKE_TOKEN'],
  ])('%s is likely to be %s', (name, likely) => {
    expect(misspeltVariables({ [name]: 'x' })).toEqual([{ name, likely, file: undefined }]);
  });

  it('is neither one of ours nor one of other tools', () => {
    const others = ['KIMI_BASE_URL', 'KIMI_MODEL_NAME', 'KIMI_HOST', 'KIMI_CLI_PATH', 'KIMI_SHARE_DIR', 'OPENCLAW_HOME']
      .concat(['OPENCLAW_GATEWAY_TOKEN', 'OPENCLAW_GATEWAY_PORT', 'OPENCLAW_STATE_DIR', 'OPENCLAW_CONFIG_PATH'])
      .concat(['WEBHOOK_URL', 'MOONSHOT_API_KEY', 'PATH', 'HOME', 'LANG']);
    const example = readFileSync(join(PACKAGE_ROOT, '.env.example'), 'utf8');
    const ours = [...example.matchAll(/^#?([A-Z0-9_]+)=/gm)].map(([, name = '']) => name);
    expect(ours).toContain('KIMI_API_KEY');
    expect(
      misspeltVariables(
        Object.fromEntries([...ours.filter((name) => name !== 'KIMI_HOME'), ...others].map((name) => [name, 'x'])),
      ),
    ).toEqual([]);
  });

  it.each([
    [
      'zh-TW',
      (file: string) => `${file} 裡的 KIMI_MODLE 沒有作用；是不是 KIMI_MODEL？`,
      '環境裡的 WEBHOOK_PRT 沒有作用；是不是 WEBHOOK_PORT？',
    ],
    [
      'en',
      (file: string) => `KIMI_MODLE in ${file} has no effect; did you mean KIMI_MODEL?`,
      'WEBHOOK_PRT in the environment has no effect; did you mean WEBHOOK_PORT?',
    ],
  ])(
    'is reported in %s by doctor and up, with its file, without its value',
    async (KIMI_LANG, inFile, inEnvironment) => {
      const { KIMI_HOME = '' } = await homeWith('\uFEFFKIMI_MODLE=secret-value\n');
      const env = await cleanHome({
        KIMI_HOME,
        KIMI_LANG,
        WEBHOOK_PRT: 'secret-value',
        TEMPORAL_CLI_PATH: '/nowhere/temporal',
      });
      const said = [(await cli(['doctor'], env)).stdout, (await cli(['up'], env)).stderr];
      for (const text of said) {
        expect(text).toContain(inFile(join(KIMI_HOME, '.env')));
        expect(text).toContain(inEnvironment);
        expect(text).not.toContain('secret-value');
      }
    },
  );
});

it.each([
  ['en', 'en'],
  ['zh-TW', 'zh-TW'],
  ['klingon', 'zh-TW'],
  [undefined, 'zh-TW'],
])('before the configuration is read, KIMI_LANG=%s selects %s', (value, lang) => {
  expect(langOf({ KIMI_LANG: value })).toBe(lang);
});

/** @returns an environment whose KIMI_HOME holds this `.env`. */
async function homeWith(content: string): Promise<NodeJS.ProcessEnv> {
  const home = join(await temporaryFolder(), 'home');
  await mkdir(home);
  await writeFile(join(home, '.env'), content);
  return { KIMI_HOME: home };
}

it('.env.example documents every variable, each with a value that is valid', () => {
  const lines = readFileSync(join(PACKAGE_ROOT, '.env.example'), 'utf8').matchAll(
    /^#?(?<name>[A-Z0-9_]+)=(?<value>.*)$/gm,
  );
  const documented = Object.fromEntries([...lines].map(({ groups }) => [groups?.['name'], groups?.['value']]));
  const variables = Object.keys(readConfig(documented)).filter((name) => name !== 'isSet');
  expect(Object.keys(documented)).toEqual(expect.arrayContaining(variables));
});

describe('the notification of the user', () => {
  it.each([
    [{}, 'gateway', undefined, '/hooks/wake'],
    [{ KIMI_REPLY: 'hooks' }, 'agent', undefined, '/hooks/wake'],
    [{ KIMI_REPLY: 'deliver' }, 'gateway', 'deliver', '/kimi-dispatch/wake'],
    [{ KIMI_REPLY: 'agent' }, 'agent', 'agent', '/kimi-dispatch/wake'],
    [{ KIMI_REPLY: 'hooks', KIMI_ACK: 'gateway' }, 'gateway', undefined, '/hooks/wake'],
    [{ KIMI_REPLY: 'deliver', KIMI_ACK: 'agent' }, 'agent', 'deliver', '/kimi-dispatch/wake'],
  ])('%j', (env, ack, reply, path) => {
    const config = readConfig(env);
    expect(acknowledgedBy(config)).toBe(ack);
    expect(pluginReply(config)).toBe(reply);
    expect(wakeUrl(config)).toBe(`http://127.0.0.1:18789${path}`);
  });

  it('keeps the gateway’s address, whatever its path', () => {
    const OPENCLAW_WAKE_URL = 'https://gateway.example.com:8443/api/cron/wake';
    expect(wakeUrl(readConfig({ OPENCLAW_WAKE_URL }))).toBe(OPENCLAW_WAKE_URL);
    expect(wakeUrl(readConfig({ OPENCLAW_WAKE_URL, KIMI_REPLY: 'deliver' }))).toBe(
      'https://gateway.example.com:8443/kimi-dispatch/wake',
    );
  });
});

describe('remains of editors and shells in a value', () => {
  it('line ends and byte order marks are removed', () => {
    expect(readConfig({ KIMI_API_KEY: '\uFEFFsk-x\r\n', KIMI_MODEL: 'kimi-k3\n' })).toMatchObject({
      KIMI_API_KEY: 'sk-x',
      KIMI_MODEL: 'kimi-k3',
    });
  });

  it.each(['KIMI_API_KEY', 'WEBHOOK_SECRET', 'KIMI_RESULTS_DIR'])(
    'quotation marks around %s are reported, without the value',
    (name) => {
      expect(() => readConfig({ [name]: '"a-value-of-16-characters"' })).toThrow(
        new RegExp(`^${name}: begins or ends with a quotation mark(?!.*a-value)`),
      );
    },
  );
});

describe('a duration', () => {
  it.each(['KIMI_STALL_TIMEOUT_MS', 'KIMI_TASK_TIMEOUT_MS', 'KIMI_GRACE_MS'] as const)('%s has a limit', (name) => {
    expect(readConfig({ [name]: '1728000000' })[name]).toBe(1_728_000_000);
    for (const value of ['1728000001', '2592000000', '8640000000000000']) {
      expect(() => readConfig({ [name]: value })).toThrow(`${name}: needs at most 1728000000`);
    }
  });

  it('of years has a limit too', () => {
    expect(() => readConfig({ KIMI_RESULTS_KEEP: '101y' })).toThrow('KIMI_RESULTS_KEEP: needs at most 100y');
  });
});

it('a folder in /proc, where no folder can be created, is refused', () => {
  expect(() => readConfig({ KIMI_RESULTS_DIR: '/proc/x' })).toThrow(
    'KIMI_RESULTS_DIR: needs a folder that can be made',
  );
});

it('a path in a suggested command is one word of a shell', () => {
  expect(shellPath(join(homedir(), 'a.env'))).toBe('~/a.env');
  expect(shellPath("/x/k two #1/o'k")).toBe(String.raw`'/x/k two #1/o'\''k'`);
});

const ofLength = (length: number): string => 'q'.repeat(length);

describe('the suffix of a simulation', () => {
  it('leaves a name of 190 characters within the limit, but not one of 191', () => {
    const config = readConfig({ KIMI_TASK_QUEUE: ofLength(190), KIMI_LIMITER: ofLength(190) });
    expect(simulatedConfig(config)).toMatchObject({
      KIMI_TASK_QUEUE: `${ofLength(190)}-simulated`,
      KIMI_LIMITER: `${ofLength(190)}-simulated`,
    });
    expect(simulatedConfig(readConfig({})).KIMI_LIMITER).toBeUndefined();
    const long = readConfig({ KIMI_TASK_QUEUE: ofLength(191), KIMI_LIMITER: ofLength(200) });
    expect(catching(() => simulatedConfig(long)).problems.map(({ subject }) => subject)).toEqual([
      'KIMI_TASK_QUEUE',
      'KIMI_LIMITER',
    ]);
  });

  it.each([
    ['zh-TW', 'KIMI_TASK_QUEUE 使用 --simulate 時會加上後綴，所以最多 190 個字元'],
    ['en', 'KIMI_TASK_QUEUE: needs at most 190 characters with --simulate, which adds a suffix'],
  ])('is explained by up (%s)', async (KIMI_LANG, sentence) => {
    const env = { ...(await cleanHome()), KIMI_LANG, KIMI_TASK_QUEUE: 'q'.repeat(191) };
    const refused = await cli(['up', '--simulate'], env);
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain(sentence);
    expect(refused.stderr).not.toContain('qqq');
  });
});

it('a language that does not exist is explained in both languages', async () => {
  const refused = await inProcess(['list'], { ...(await cleanHome()), KIMI_LANG: 'fr' });
  expect(refused.code).toBe(3);
  expect(refused.stderr).toContain('KIMI_LANG 必須是其中之一：zh-TW、en');
  expect(refused.stderr).toContain('KIMI_LANG: needs one of zh-TW, en');
});

describe('a late answer', () => {
  it.each([
    ['zh-TW', '完成（遲到的答案）'],
    ['en', 'done (the answer came late)'],
  ])('is marked by status (%s)', async (KIMI_LANG, state) => {
    const env: Record<string, string> = { ...(await cleanHome()), KIMI_LANG };
    const task_id = 'kimi-1707654321-12345';
    const result = {
      task_id,
      task_name: 'calculator',
      status: 'done',
      model: 'kimi-k2.6',
      output: 'x',
      late: true,
      created_at: '2026-02-17T15:30:00Z',
      completed_at: '2026-02-17T15:30:30Z',
      acknowledged: false,
    };
    const folder = join(env['HOME'] ?? '', '.openclaw/workspace/kimi-dispatch/results');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, `${task_id}.json`), JSON.stringify(result));
    const { stdout } = await inProcess(['status', task_id], env);
    expect(stdout).toContain(state);
  });
});

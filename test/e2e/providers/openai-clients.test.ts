/**
 * Clients of OpenAI's API, unchanged, against the real stack: everything is killed while they wait, and each gets its answer, paid once.
 * `npm run e2e:openai` installs them, from PyPI and npm, into the cache folder.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { beforeAll, expect, it, onTestFinished } from 'vitest';
import { readConfig } from '../../../src/config/index.ts';
import { webhookEventOf } from '../../../src/openai/webhook-event.ts';
import { answerTo } from '../../../src/simulator/answers.ts';
import { createToken } from '../../../src/api/tokens.ts';
import { runningStack } from '../../../src/stack/state.ts';
import { cleanHome, launch } from '../../support/cli.ts';
import { freePort } from '../../support/engine.ts';
import { killableStack } from '../../support/killable.ts';
import { temporaryFolder, until } from '../../support/resources.ts';
import { install } from './python-server.ts';

const PYPI = ['openai==3.57.0', 'litellm==1.110.2'];
const NPM = [
  'ai@7.0.173',
  '@ai-sdk/openai@4.0.118',
  '@ai-sdk/openai-compatible@3.0.92',
  '@langchain/openai@1.6.0',
  '@langchain/core@1.4.0',
];

const SCRIPT = join(import.meta.dirname, 'openai-clients');

/** Names of the clients in the scripts. */
const CLIENTS = [
  'openai-chat',
  'openai-polled',
  'openai-streamed',
  'litellm-chat',
  'litellm-stream',
  'ai-responses',
  'ai-chat',
  'ai-compatible',
  'ai-stream',
  'langchain',
  'langchain-stream',
];

/** Those of the scripts with a function. */
const FUNCTION_CLIENTS = [
  'openai-chat',
  'openai-continued',
  'openai-items',
  'litellm-chat',
  'ai-responses',
  'ai-responses-stream',
  'ai-chat',
  'ai-stream',
  'langchain',
  'langchain-stream',
];

const PROMPT = '{name} [[simulate: mark={name} reasoning=0 chunks=60 chunk-delay=400]]';

/** A webhook, as it is signed. */
const WEBHOOK = (() => {
  const at = new Date();
  const secret = `whsec_${Buffer.from('a-secret-of-24-characters').toString('base64')}`;
  const time = at.toISOString();
  const task = { task_name: 'x', model: 'kimi-k2.6', created_at: time, completed_at: time } as const;
  const event = webhookEventOf({ task_id: 'kimi-1-2', status: 'done', ...task });
  const payload = JSON.stringify(event);
  const headers = {
    'webhook-id': event.id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(event.id, at, payload),
  };
  return JSON.stringify({ secret, payload, headers });
})();

let bin: string;
let packages: string;
beforeAll(async () => {
  bin = await install(`openai-clients-${PYPI.join('-')}`, PYPI);
  packages = await installFromNpm();
}, 600_000);

/** @returns the folder with the packages. */
async function installFromNpm(): Promise<string> {
  const folder = join(readConfig().KIMI_CACHE, `openai-clients-${NPM.join('-').replaceAll('/', '-')}`);
  const done = join(folder, 'installed');
  if (existsSync(done)) return folder;
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{"private": true}');
  await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', ...NPM], { cwd: folder });
  await writeFile(done, '');
  return folder;
}

/** Runs a script to its end. @returns the lines that it printed */
async function linesOf<T>(command: string, args: string[]): Promise<T[]> {
  const client = spawn(command, args, {
    env: { PATH: process.env['PATH'], HOME: await temporaryFolder(), LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void client.kill('SIGKILL'));
  const [lines, [code]] = await Promise.all([text(client.stdout), once(client, 'exit')]);
  expect(code, command).toBe(0);
  return lines
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);
}

async function answersOf(command: string, args: string[]): Promise<{ name: string; text: string }[]> {
  return await linesOf(command, args);
}

/** @returns the address of a simulation, and a token for it. */
async function simulation(): Promise<[baseURL: string, apiKey: string]> {
  const port = await freePort();
  const env = await cleanHome({
    KIMI_CALLBACKS: 'relay',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_API_PORT: String(port),
    KIMI_MAX_TASKS_PER_MINUTE: '0',
  });
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  launch(['up', '--simulate'], env);
  await until(async () => await runningStack(home));
  return [`http://127.0.0.1:${port}/openai/v1`, (await createToken(home, 'app', ['submit', 'read'])) ?? ''];
}

it('has its requests answered as a batch, and cancels one', { timeout: 120_000 }, async () => {
  const prompts = ['[[batch: delay=500]]', '[[batch: delay=600000]]'];
  const args = [`${import.meta.dirname}/openai-batch.py`, ...(await simulation()), ...prompts];
  const [printed] = await linesOf(join(bin, 'python'), args);
  const answers = { one: answerTo(`one ${prompts[0]}`), two: answerTo(`two ${prompts[0]}`) };
  expect(printed).toEqual({
    answers,
    batches: [
      ['completed', { total: 2, completed: 2, failed: 0 }],
      ['cancelled', { total: 2, completed: 0, failed: 2 }],
    ],
  });
});

it('run the functions that Kimi asks for, and get their answers', { timeout: 300_000 }, async () => {
  const stack = await simulation();
  const prompt = '{name} [[simulate: says=1 delay=0]]';
  const script = `${import.meta.dirname}/openai-functions`;
  const python = await linesOf(join(bin, 'python'), [`${script}.py`, ...stack, prompt]);
  const javaScript = await linesOf(process.execPath, [`${script}.mjs`, ...stack, prompt, packages]);
  const expected = FUNCTION_CLIENTS.map((name) => {
    const asked = prompt.replaceAll('{name}', name);
    return { name, text: answerTo(asked), asked: [asked] };
  });
  expect([...python, ...javaScript]).toEqual(expected);
});

it(
  'get their answers, though everything is killed while they wait, and each is paid once',
  { timeout: 300_000 },
  async () => {
    const { counts, start, kill, baseURL, apiKey } = await killableStack();
    await start();
    const requests = (name: string) => counts.completions.filter(({ mark }) => mark === name);
    const python = answersOf(join(bin, 'python'), [`${SCRIPT}.py`, baseURL, apiKey, PROMPT, WEBHOOK]);
    // LiteLLM takes long to load.
    await until(() => counts.completions.length > 0);
    const javaScript = answersOf(process.execPath, [`${SCRIPT}.mjs`, baseURL, apiKey, PROMPT, packages]);
    await until(() => CLIENTS.every((name) => requests(name).some(({ generated }) => generated.content_tokens > 3)));
    expect(CLIENTS.filter((name) => requests(name).some(({ ended }) => ended === undefined))).toEqual(CLIENTS);
    await kill();
    await start();

    const got = (await Promise.all([python, javaScript])).flat();
    expect(got.shift()).toEqual({ name: 'response.completed', text: 'resp_kimi-1-2' });
    expect(got.map(({ name }) => name).toSorted()).toEqual(CLIENTS.toSorted());
    for (const { name, text: answer } of got) {
      expect(answer, name).toBe(answerTo(PROMPT.replaceAll('{name}', name)));
      // The one that was cut, and the rest.
      expect(
        requests(name).map(({ ended }) => ended),
        name,
      ).toEqual(['left', 'answered']);
    }
  },
);

/** What Kimi reports free of charge: `models` and `doctor`, over real HTTP. */
import type { RequestListener } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { TaskRequest } from '../../src/shared/task.ts';
import { availableBalance, countTokens, listModels } from '../../src/kimi/account.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { MODELS } from '../../src/kimi/models.ts';
import { requestFor } from '../../src/kimi/request.ts';
import { readRequest } from '../../src/simulator/validation.ts';
import { UNREACHABLE } from '../support/answering.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const KEY = 'sk-very-secret-key';

interface Host {
  models?: object;
  balance?: number;
  status?: number;
  /** How far its clock is ahead of ours, in milliseconds. */
  ahead?: number;
}

/** An API like Moonshot's on a free port. @returns its address and the keys that it received. */
async function serveHost({
  models,
  balance,
  status = 200,
  ahead = 0,
}: Host): Promise<{ url: string; keys: unknown[] }> {
  const keys: unknown[] = [];
  const listener: RequestListener = (request, response) => {
    keys.push(request.headers.authorization);
    const body = request.url === '/v1/models' ? models : balance !== undefined && balanceBody(balance);
    response.setHeader('date', new Date(Date.now() + ahead).toUTCString());
    response.writeHead(body ? status : 404, { 'content-type': 'application/json' });
    response.end(JSON.stringify(body || { error: { type: 'url.not_found', message: 'no' } }));
  };
  return { url: `${await serve(listener)}/v1`, keys };
}

function balanceBody(available_balance: number): object {
  const data = { available_balance, voucher_balance: 0, cash_balance: available_balance };
  return { code: 0, data, scode: '0x0', status: true };
}

const listOf = (...ids: string[]): object => ({ object: 'list', data: ids.map((id) => ({ id, object: 'model' })) });
const UNAUTHORIZED = { error: { type: 'invalid_authentication_error', message: `Invalid Authentication: ${KEY}` } };

async function run(command: string[], env: Record<string, string>) {
  const ended = await inProcess(command, await cleanHome({ TEMPORAL_ADDRESS: '127.0.0.1:1', ...env }));
  expect(ended.stdout + ended.stderr).not.toContain(KEY);
  return ended;
}

describe('models', () => {
  it('without a key and without network shows the table, and says so', async () => {
    const { code, stdout } = await run(['models'], {});
    expect(code).toBe(0);
    expect(stdout).toMatch(/kimi-k2\.6 +262144 +1\.1 \/ 6\.5 \/ 27 +0\.16 \/ 0\.95 \/ 4 +on、off +預設\n/);
    expect(stdout).toMatch(/kimi-k3\.1-pro +1048576 +\? +0\.2 \/ 2 \/ 10 /);
    expect(stdout).toMatch(/moonshot-v1-128k +2026-08-31 在 Moonshot 停用；改用 kimi-k2\.6\n/);
    expect(stdout).toContain('CNY 2026-09-01; USD 2026-09-29, 2026-10-25');
    expect(stdout).toContain('這裡沒有 KIMI_API_KEY');
    expect(stdout).toContain('kimi-k2.6（預設：Moonshot 各項價格最低的模型）');
    expect((await run(['models'], { KIMI_LANG: 'en' })).stdout).toContain('no KIMI_API_KEY here');
  });

  it('compares the table with the current list of the host', async () => {
    const { url, keys } = await serveHost({ models: listOf('kimi-k3', 'kimi-k4') });
    const env = { KIMI_API_URL: url, KIMI_API_KEY: KEY, KIMI_MODEL: 'kimi-k3' };
    const { stdout } = await run(['models'], env);
    expect(stdout).toMatch(/kimi-k3 .*low、high、max +預設\n/);
    expect(stdout).toMatch(/kimi-k2\.6 .*這個主機現在沒有\n/);
    expect(stdout).toMatch(/kimi-k4 +不在內建的表裡\n/);
    expect(stdout).toContain(`並與 ${url} 現在的清單比對`);
    expect(keys).toEqual([`Bearer ${KEY}`]);
    const json = JSON.parse((await run(['models', '--json'], env)).stdout) as { models: object[] };
    expect(json).toMatchObject({
      default: 'kimi-k3',
      unlisted: ['kimi-k4'],
      retired: { date: '2026-08-31', successor: 'kimi-k2.6' },
    });
    expect(json.models).toContainEqual(expect.objectContaining({ id: 'kimi-k3', context: 1_048_576, served: true }));
  });

  it('shows the table if the host has no list', async () => {
    const refusing = await serveHost({ models: UNAUTHORIZED, status: 401 });
    const { stdout } = await run(['models'], { KIMI_API_URL: refusing.url, KIMI_API_KEY: KEY });
    expect(stdout).toContain(`${refusing.url} 沒有提供清單（401）`);
    expect(stdout).toMatch(/moonshot-v1-128k +預設；2026-08-31/);
    const silent = await run(['models', '--json'], { KIMI_API_URL: `${UNREACHABLE}/v1`, KIMI_API_KEY: KEY });
    expect(JSON.parse(silent.stdout)).toMatchObject({ default: 'moonshot-v1-128k', unlisted: [] });
  });
});

/** @returns the output of `doctor` with such a host */
async function askDoctor(host: Host, env: Record<string, string> = {}): Promise<string> {
  const { url } = await serveHost(host);
  return (await run(['doctor'], { KIMI_LANG: 'en', KIMI_API_URL: url, KIMI_API_KEY: KEY, ...env })).stdout;
}

describe('doctor', () => {
  it('finds key, model, balance and clock in order', async () => {
    const said = await askDoctor({ models: listOf('kimi-k2.6'), balance: 49.58894 }, { KIMI_MODEL: 'kimi-k2.6' });
    for (const line of ['KIMI_API_KEY is set', 'model: kimi-k2.6', 'balance: 49.58894', 'the clock is right']) {
      expect(said).toContain(`✓ ${line}\n`);
    }
  });

  it('says what to do about each problem', async () => {
    expect(await askDoctor({ models: listOf(), balance: 0 }, { KIMI_MODEL: 'kimi-k9' })).toMatch(
      /✗ http:\S+ has no model kimi-k9 now; see kimi-dispatch models.*\n✗ the balance is used up \(0\), .*top it up\n/,
    );
    expect(await askDoctor({ models: UNAUTHORIZED, status: 401 })).toMatch(
      /✗ http:\S+ does not accept this KIMI_API_KEY;/,
    );
    expect(await askDoctor({ models: listOf() }, { KIMI_API_URL: `${UNREACHABLE}/v1` })).toMatch(
      /✗ http:\S+ does not answer; check the network and KIMI_API_URL\n/,
    );
  });

  it('reports a clock that is more than 5 s off, either way', async () => {
    expect(await askDoctor({ models: listOf(), ahead: 60_000 })).toMatch(
      /✗ this machine’s clock is (?:59|6[01]) s behind http/,
    );
    expect(await askDoctor({ models: listOf(), ahead: -60_000 })).toMatch(/✗ .* is (?:59|6[01]) s ahead of http/);
    expect(await askDoctor({ models: listOf(), ahead: 3_000 })).toContain('✓ the clock is right');
  });

  it('does not mention a balance if the host has none', async () => {
    expect(await askDoctor({ models: listOf() })).not.toContain('balance');
  });
});

describe('account data', () => {
  it('is read from the simulated Kimi, whose responses are like the recorded ones', async () => {
    const { simulatorUrl } = await openWorld({ worker: false });
    const kimi = { apiUrl: `${simulatorUrl}/v1/`, apiKey: KEY };
    const listed = await listModels(kimi);
    expect(listed.value?.toSorted()).toEqual(MODELS.map(({ id }) => id).toSorted());
    expect(Math.abs(listed.ahead ?? Infinity)).toBeLessThan(2_000);
    expect(await availableBalance(kimi)).toMatchObject({ status: 200, value: expect.any(Number) });
    expect(await availableBalance({ ...kimi, apiKey: undefined })).toMatchObject({ status: 401, value: undefined });
    const chat = requestFor({ model: 'kimi-k3', prompt: '一二三四' }, undefined);
    expect(await countTokens(kimi, chat, new AbortController().signal)).toBe(2);
  });

  it('is absent if the server is unreachable or too slow', async () => {
    const unreachable = { apiUrl: `${UNREACHABLE}/v1`, apiKey: KEY };
    const detail = { code: 'unreached', cause: 'ECONNREFUSED' };
    const silence = { problem: { type: 'unreachable', message: 'ECONNREFUSED', detail } };
    expect(await listModels(unreachable)).toEqual(silence);
    expect(await availableBalance(unreachable)).toEqual(silence);
    const silent = { apiUrl: await serve(() => {}), apiKey: KEY };
    const chat = requestFor({ model: 'kimi-k3', prompt: 'x' }, undefined);
    const asked = performance.now();
    expect(await countTokens(silent, chat, new AbortController().signal)).toBeUndefined();
    expect(performance.now() - asked).toBeGreaterThan(900);
  });
});

/** @returns the request body of a model, or `undefined` if we refuse it */
function bodyOf(model: string, request: TaskRequest): object | undefined {
  try {
    return requestFor({ model, prompt: 'x', request }, undefined);
  } catch (error) {
    if (error instanceof KimiError) return undefined;
    throw error;
  }
}

describe('request bodies', () => {
  const wanted: TaskRequest[] = [
    {},
    { temperature: 1 },
    { temperature: 0.6, thinking: 'off' },
    { temperature: 0.3 },
    ...['on', 'off', 'low', 'high', 'max'].map((thinking) => ({ thinking })),
    { max_tokens: 1_000 },
    { json_schema: { type: 'object' } },
    { system: 'x', images: ['data:image/png;base64,AA=='] },
  ];

  it.each(MODELS.map(({ id }) => id))(
    'of %s are accepted by the simulated Kimi, which has its own copy of the rules',
    (model) => {
      const bodies = wanted.map((request) => bodyOf(model, request)).filter((body) => body !== undefined);
      for (const body of bodies) expect(() => readRequest(body)).not.toThrow();
      // Some of them are accepted by our rules.
      expect(bodies.length).toBeGreaterThanOrEqual(6);
    },
  );
});

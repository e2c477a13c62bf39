/** `npm run record-kimi`, and every recorded response. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import OpenAI, { APIError } from 'openai';
import { describe, expect, it, onTestFinished } from 'vitest';
import { KimiClient } from '../../src/kimi/client.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import { failureOf, UNREACHABLE, serveAnswer } from '../support/answering.ts';
import { bundle } from '../support/bundle.ts';
import { cleanHome, launch, type Ended } from '../support/cli.ts';
import { FIXTURES, readFixture, readFixtures, replay, type KimiFixture } from '../support/kimi-fixtures.ts';
import { NO_FILES, SECRET, serve, shared, silent, temporaryFolder } from '../support/resources.ts';
import { TASK } from '../support/world.ts';

/** With a character that JSON escapes. */
const KEY = 'sk-very"secret-key-0123456789';

const script = shared(async () => await bundle('scripts/record-kimi.ts'));

async function recording(KIMI_API_URL: string, ...args: string[]): Promise<Ended & { folder: string }> {
  const folder = await temporaryFolder();
  const env = await cleanHome({ KIMI_API_URL, KIMI_API_KEY: KEY });
  const { ended } = launch([process.execPath, script(), '--folder', folder, ...args], env, 'env');
  return { ...(await ended), folder };
}

async function simulatedKimi(): Promise<string> {
  const simulator = createSimulator({ secret: SECRET, delayMs: 0, log: silent });
  onTestFinished(() => simulator.stop());
  return `${await serve(simulator.app)}/v1`;
}

/** The content of a fixture: a completion, an error of Kimi's, a stream, or an HTML page. */
const textOf = ({ body }: KimiFixture): string => body.map(({ text }) => text).join('');

const ASKED = ['--model', 'kimi-k3', '--prompt'];

describe('a recording', () => {
  it('stores a stream unchanged, with its times, and no key', async () => {
    const { code, stdout, stderr, folder } = await recording(
      await simulatedKimi(),
      ...ASKED,
      'Say ok. [[simulate: delay=100 chunk-delay=60 size=8 chunks=4 reasoning=0]]',
      '--stream',
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('simulated-kimi-k3-stream.json');
    const file = join(folder, 'simulated-kimi-k3-stream.json');
    const fixture = readFixture(file);
    expect(fixture).toMatchObject({
      simulated: true,
      request: { model: 'kimi-k3', stream: true },
      status: 200,
      headers: { 'content-type': 'text/event-stream', 'x-simulated': 'true' },
    });
    const text = textOf(fixture);
    expect(text.startsWith('data: {"id":"chatcmpl-')).toBe(true);
    expect(text.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(text).toContain('"choices":[],"usage":');
    // 8 chunks, 60 ms apart, the first after 100 ms.
    expect(fixture.body[0]?.ms).toBeGreaterThanOrEqual(100);
    expect((fixture.body.at(-1)?.ms ?? 0) - (fixture.body[0]?.ms ?? 0)).toBeGreaterThan(300);
    expect(fixture.body.length).toBeGreaterThan(4);
    expect(await readFile(file, 'utf8')).not.toContain('secret');
  });

  it('stores a response in one piece, and an interrupted one', async () => {
    const apiUrl = await simulatedKimi();
    const whole = await recording(apiUrl, ...ASKED, 'Say ok.', '--name', 'whole');
    const answer = JSON.parse(
      readFixture(join(whole.folder, 'whole.json'))
        .body.map(({ text }) => text)
        .join(''),
    );
    expect(answer).toMatchObject({ object: 'chat.completion' });
    const cut = await recording(apiUrl, ...ASKED, '[[simulate: break=cut after=3]]', '--stream', '--name', 'cut');
    expect(readFixture(join(cut.folder, 'cut.json'))).toMatchObject({
      status: 200,
      broken: expect.stringMatching(/./),
    });
  });

  it('drops headers that may identify an account, and masks ids and keys', async () => {
    const message = `Your account 0a1b2c<xyz> request reached organization max RPM: 3; org-abcdefgh<ak-abcdefgh>; ${KEY}; sk-other-key-123`;
    const body = { error: { message, type: 'rate_limit_reached_error' } };
    const { url, received } = await serveAnswer(429, body, {
      'content-type': 'application/json',
      'set-cookie': 'session=of-somebody',
      'msh-org-id': 'org-abcdefgh',
      'msh-uid': 'somebody',
      'retry-after': '1',
      'x-ratelimit-limit': KEY,
    });
    const { code, folder } = await recording(`${url}/v1`, ...ASKED, `my key is ${KEY}`);
    expect(code).toBe(0);
    expect(received[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
    const file = join(folder, 'kimi-k3-429.json');
    const text = await readFile(file, 'utf8');
    for (const secret of ['secret', 'somebody', 'abcdefgh', '0a1b2c', 'xyz', 'other-key'])
      expect(text).not.toContain(secret);
    expect(readFixture(file)).toMatchObject({
      simulated: false,
      headers: { 'content-type': 'application/json', 'retry-after': '1', 'x-ratelimit-limit': '[KIMI_API_KEY]' },
      dropped_headers: expect.arrayContaining(['set-cookie', 'msh-org-id', 'msh-uid']),
    });
    expect(text).toContain('Your account org-masked<ak-masked> request reached organization max RPM: 3');
  });

  it('masks text that is split between two pieces', async () => {
    const url = await serve((request, response) => {
      request.resume().on('end', () => {
        response.write(`{"message":"${JSON.stringify(KEY).slice(1, 12)}`);
        setTimeout(() => response.end(`${JSON.stringify(KEY).slice(12, -1)}"}`), 100);
      });
    });
    const { folder } = await recording(url, ...ASKED, 'x', '--name', 'x');
    expect(readFixture(join(folder, 'x.json')).body).toEqual([
      { ms: expect.any(Number), text: '{"message":"[KIMI_API_KEY]"}' },
    ]);
  });

  it('replaces no recording, and reports what is missing in one sentence', async () => {
    const apiUrl = await simulatedKimi();
    const { folder } = await recording(apiUrl, ...ASKED, 'x', '--name', 'x');
    const again = await recording(apiUrl, ...ASKED, 'x', '--name', 'x', '--folder', folder);
    expect(again).toMatchObject({ code: 3, stderr: 'x.json is there already; choose another --name\n' });
    expect(await recording(apiUrl, '--model', 'x')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--prompt'),
    });
    expect(await recording(apiUrl, ...ASKED, 'x', '--name', '../x')).toMatchObject({ code: 2 });
    expect(await recording(apiUrl, '--nonsense')).toMatchObject({ code: 2 });
    const unreachable = await recording(`${UNREACHABLE}/v1`, ...ASKED, 'x');
    expect(unreachable).toMatchObject({
      code: 3,
      stderr: `cannot reach ${UNREACHABLE}/v1: ECONNREFUSED; nothing was recorded\n`,
    });
    expect(await readdir(unreachable.folder)).toEqual([]);
  });
});

describe('every recorded response', () => {
  const fixtures = readFixtures();

  it('exists', () => {
    expect(fixtures.length).toBeGreaterThan(0);
  });

  it.each(fixtures)('%s contains no key and no account', async (name, { headers }) => {
    expect(Object.keys(headers).filter((header) => /auth|cookie|org|uid|project/.test(header))).toEqual([]);
    const text = await readFile(join(FIXTURES, `${name}.json`), 'utf8');
    expect(text.match(/\b(?:sk|org|ak)-(?!masked)[\w-]+/g) ?? []).toEqual([]);
  });

  it.each(fixtures.filter(([, { status }]) => status !== 200))('%s is parsed as an error', async (_name, fixture) => {
    const apiUrl = await replay(fixture);
    const client = new KimiClient({ apiUrl, apiKey: 'sk-x', callbackBaseUrl: 'http://x', contents: NO_FILES });
    const dispatched = client.dispatch({ ...TASK, task_id: 'kimi-1-1' }, new AbortController().signal);
    const error = await failureOf(dispatched, KimiError);
    const isPage = !fixture.headers['content-type']?.includes('json');
    const stated = isPage
      ? undefined
      : (JSON.parse(textOf(fixture)) as { error: { type: string; message: string } }).error;
    expect(error).toMatchObject({
      type: stated?.type ?? `http_${fixture.status}`,
      message: expect.stringContaining(stated?.message ?? `Kimi answered ${fixture.status}`),
    });

    const openai = new OpenAI({ apiKey: 'sk-x', baseURL: apiUrl, maxRetries: 0 });
    const asked = openai.chat.completions.create({ model: 'x', messages: [] });
    expect((await failureOf(asked, APIError)).status).toBe(fixture.status);
  });

  it.each(fixtures.filter(([, { status, request }]) => status === 200 && !request.stream))(
    '%s is parsed as an answer',
    async (_name, fixture) => {
      const apiUrl = await replay(fixture);
      const client = new KimiClient({ apiUrl, apiKey: 'sk-x', callbackBaseUrl: 'http://x', contents: NO_FILES });
      const { answer } = await client.dispatch({ ...TASK, task_id: 'kimi-1-1' }, new AbortController().signal);
      const { id, model, usage, choices } = JSON.parse(textOf(fixture)) as OpenAI.ChatCompletion;
      expect(answer).toMatchObject({
        id,
        model,
        usage: { total_tokens: usage?.total_tokens },
        choices: [{ message: { content: choices[0]?.message.content } }],
      });
    },
  );

  it.each(fixtures.filter(([, { broken }]) => broken !== undefined))(
    '%s is interrupted again',
    async (_name, fixture) => {
      const openai = new OpenAI({ apiKey: 'sk-x', baseURL: await replay(fixture), maxRetries: 0 });
      const stream = await openai.chat.completions.create({ model: 'x', messages: [], stream: true });
      const chunks: unknown[] = [];
      const read = async (): Promise<void> => {
        for await (const chunk of stream) chunks.push(chunk);
      };
      await expect(read()).rejects.toThrow('terminated');
      expect(chunks).toHaveLength(textOf(fixture).split('\n\n').length - 1);
    },
  );

  it.each(
    fixtures.filter(([, { status, request, broken }]) => status === 200 && request.stream && broken === undefined),
  )('%s streams to its end', async (_name, fixture) => {
    const openai = new OpenAI({ apiKey: 'sk-x', baseURL: await replay(fixture), maxRetries: 0 });
    const stream = await openai.chat.completions.create({ model: 'x', messages: [], stream: true });
    let content = '';
    let usage: OpenAI.CompletionUsage | null | undefined;
    for await (const chunk of stream) {
      content += chunk.choices[0]?.delta.content ?? '';
      usage = chunk.usage ?? usage;
    }
    expect(content).not.toBe('');
    expect(usage?.total_tokens).toBeGreaterThan(0);
    expect(textOf(fixture).endsWith('data: [DONE]\n\n')).toBe(true);
  });
});

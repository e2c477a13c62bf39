/**
 * `npm run record-kimi -- --model M --prompt P [--stream] [--name N] [--folder DIR]`: sends one request to the API at
 * KIMI_API_URL with KIMI_API_KEY, and records the response in `test/fixtures/kimi/<name>.json`, which every test run replays.
 * The request is charged to that key.
 *
 * Neither the key nor ids of its account are recorded: `authorization` is left out, only headers on an allow list are recorded,
 * and ids of organizations, projects and keys are masked in the text. An existing recording is never replaced.
 */
import { existsSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Agent } from 'undici';
import { publicAddress } from '../src/service/http.ts';
import { loadEnvFiles } from '../src/config/env-file.ts';
import { readConfig } from '../src/config/index.ts';
import { ConfigError } from '../src/config/problems.ts';
import { isoSeconds } from '../src/shared/format.ts';
import { EXIT } from '../src/service/exit.ts';
import { requestEveryByte } from '../src/kimi/http.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';
import type { KimiFixture } from '../test/support/kimi-fixtures.ts';

/** A problem that a person can fix. Only its message is shown. */
class RecordingError extends Error {}

const FIXTURES = join(PACKAGE_ROOT, 'test', 'fixtures', 'kimi');

/** Longer than the 900 s after which Kimi's gateway gives up, in milliseconds (Moonshot's documentation). */
const SILENCE_MS = 1_000_000;

/** Allow list of response headers without account data. Kimi also sends headers with account data. */
const KEPT_HEADERS = new Set([
  'cache-control',
  'content-type',
  'msh-context-cache-token-saved',
  'msh-request-id',
  'retry-after',
  'x-msh-trace-id',
  'x-retry-after',
  'x-simulated',
]);
const KEPT_HEADER_PREFIX = 'x-ratelimit-';

const MASKS: [RegExp, string][] = [
  [/\bsk-[\w-]{8,}/g, 'sk-masked'],
  // Your account org-…<ak-…> request reached …
  [/(?<=\baccount )[^\s<]+(?=<)/g, 'org-masked'],
  [/<[\w-]+>(?= (?:request|is suspended))/g, '<ak-masked>'],
  [/\b(?<kind>org|ak|proj|project|user|uid)-[\w-]{6,}/g, '$<kind>-masked'],
];

/** @returns the message for the user. */
async function record(): Promise<string> {
  const { values } = parseArgs({
    options: {
      model: { type: 'string' },
      prompt: { type: 'string' },
      stream: { type: 'boolean', default: false },
      name: { type: 'string' },
      folder: { type: 'string', default: FIXTURES },
    },
  });
  const { model, prompt, stream, folder } = values;
  if (!model || !prompt) throw new UsageError('say which model is asked and what: --model kimi-k3 --prompt "Say ok."');
  if (values.name !== undefined && !/^[\w.-]+$/.test(values.name)) {
    throw new UsageError('--name takes letters, digits, and the characters . _ -');
  }
  loadEnvFiles();
  const { KIMI_API_URL: apiUrl, KIMI_API_KEY: key } = readConfig();
  if (!key) throw new RecordingError('KIMI_API_KEY is not set; put it into .env or the environment, then record again');

  const fixture = await ask(apiUrl, key, { model, prompt, stream });
  const outcome = fixture.status === 200 ? (stream ? 'stream' : 'answer') : String(fixture.status);
  const name = values.name ?? `${fixture.simulated ? 'simulated-' : ''}${model.replaceAll(/[^\w.-]/g, '_')}-${outcome}`;
  const file = join(folder, `${name}.json`);
  if (existsSync(file)) throw new RecordingError(`${name}.json is there already; choose another --name`);
  const json = `${JSON.stringify(fixture, undefined, 2)}\n`;
  // Final check: no fixture is better than one with a key.
  if (formsOf(key).some((form) => json.includes(form))) {
    throw new RecordingError('the answer contains the key in a form that could not be masked; nothing was recorded');
  }
  await mkdir(folder, { recursive: true });
  await writeFile(file, json, { flag: 'wx' });
  return `${fixture.status} with ${fixture.body.length} pieces, recorded as ${name}.json; read it before you commit it`;
}

async function ask(
  apiUrl: string,
  key: string,
  { model, prompt, stream }: { model: string; prompt: string; stream: boolean },
): Promise<KimiFixture> {
  const agent = new Agent({ headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS });
  const sent = performance.now();
  try {
    const response = await requestEveryByte(`${apiUrl.replace(/\/+$/, '')}/chat/completions`, {
      method: 'POST',
      dispatcher: agent,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        messages: [{ role: 'user', content: prompt }],
        ...(stream && { stream, stream_options: { include_usage: true } }),
      }),
    });
    const body: KimiFixture['body'] = [];
    let broken: string | undefined;
    // A character split between two pieces belongs to the second: no byte is lost.
    const decoder = new TextDecoder();
    try {
      for await (const bytes of response.body) {
        body.push({ ms: Math.round(performance.now() - sent), text: decoder.decode(bytes, { stream: true }) });
      }
    } catch (error) {
      broken = codeOf(error);
    }
    const headers = Object.entries(response.headers).map(([name, value]) => [name, String(value)] as const);
    const isKept = (name: string): boolean => KEPT_HEADERS.has(name) || name.startsWith(KEPT_HEADER_PREFIX);
    return {
      recorded_at: isoSeconds(Date.now()),
      simulated: 'x-simulated' in response.headers,
      request: { api: publicAddress(apiUrl), model, prompt: mask(prompt, key), stream },
      status: response.statusCode,
      headers: Object.fromEntries(
        headers.filter(([name]) => isKept(name)).map(([name, value]) => [name, mask(value, key)]),
      ),
      dropped_headers: headers.map(([name]) => name).filter((name) => !isKept(name)),
      body: maskPieces(body, key),
      ...(broken !== undefined && { broken }),
    };
  } catch (error) {
    throw new RecordingError(`cannot reach ${publicAddress(apiUrl)}: ${codeOf(error)}; nothing was recorded`);
  } finally {
    await agent.destroy();
  }
}

/** Masks piece by piece, or as one piece if a match spans two. */
function maskPieces(body: KimiFixture['body'], key: string): KimiFixture['body'] {
  const whole = mask(body.map(({ text }) => text).join(''), key);
  const masked = body.map(({ ms, text }) => ({ ms, text: mask(text, key) }));
  if (masked.map(({ text }) => text).join('') === whole) return masked;
  return [{ ms: body.at(-1)?.ms ?? 0, text: whole }];
}

function mask(text: string, key: string): string {
  const withoutKey = formsOf(key).reduce((rest, form) => rest.replaceAll(form, '[KIMI_API_KEY]'), text);
  return MASKS.reduce((rest, [pattern, by]) => rest.replaceAll(pattern, by), withoutKey);
}

/** A key, and its encodings in JSON and URLs. */
function formsOf(key: string): string[] {
  return [...new Set([key, JSON.stringify(key).slice(1, -1), encodeURIComponent(key)])];
}

function codeOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  return (typeof code === 'string' ? code : message) ?? String(error);
}

class UsageError extends Error {}

try {
  console.log(await record());
} catch (error) {
  const isUsage =
    error instanceof UsageError || String((error as NodeJS.ErrnoException).code).startsWith('ERR_PARSE_ARGS');
  const isExpected = isUsage || error instanceof RecordingError || error instanceof ConfigError;
  console.error(isExpected ? (error as Error).message : error);
  process.exitCode = isUsage ? EXIT.usage : isExpected ? EXIT.config : EXIT.unexpected;
}

/** The API under noise: no request makes it fail. `FUZZ_RUNS` is the number of requests. */
import {
  anything,
  array,
  assert as assertProperty,
  asyncProperty,
  constant,
  constantFrom,
  dictionary,
  json,
  oneof,
  record,
  string,
  webQueryParameters,
  type Arbitrary,
} from 'fast-check';
import { createServer } from 'node:http';
import { expect, it } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { OPERATIONS } from '../../src/api/operations.ts';
import { Problem } from '../../src/tasks/problem.ts';
import type { ServiceTasks } from '../../src/tasks/tasks.ts';
import { silent, serve } from '../support/resources.ts';

const RUNS = Number(process.env['FUZZ_RUNS'] || 2_000);

async function unknown(): Promise<never> {
  throw new Problem('unknown_task', { task_id: 'kimi-1-1' });
}

/** The backend for valid requests: it knows no task. */
const tasks: ServiceTasks = {
  ownerOf: unknown,
  limits: unknown,
  start: unknown,
  keep: unknown,
  startMap: unknown,
  keepRows: unknown,
  storeRows: unknown,
  remove: unknown,
  rowsOf: async function* () {
    yield await unknown();
  },
  uploads: { add: unknown, list: unknown, find: unknown, content: unknown, remove: unknown },
  list: unknown,
  find: unknown,
  result: unknown,
  question: unknown,
  unacknowledged: unknown,
  acknowledge: unknown,
  allow: unknown,
  cancel: unknown,
  schedules: {
    add: unknown,
    list: unknown,
    pause: unknown,
    resume: unknown,
    run: unknown,
    remove: unknown,
    ownerOf: unknown,
  },
};

const names = constantFrom(
  'prompt',
  'name',
  'model',
  'request',
  'route',
  'lang',
  'wait_ms',
  'notification',
  '__proto__',
);
const route = oneof(anything(), constant({ channel: 'telegram', to: '1' }), constant({ channel: 1, to: '\0' }));
const bodies: Arbitrary<string> = oneof(
  json(),
  string({ unit: 'binary' }),
  dictionary(names, oneof(anything(), route, string())).map((body) => jsonOf({ prompt: 'x', ...body })),
);

function jsonOf(value: unknown): string {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch {
    return '{}';
  }
}

const requests = record({
  method: constantFrom('GET', 'POST', 'PUT', 'HEAD', 'OPTIONS'),
  path: constantFrom(...OPERATIONS.map(({ path }) => path), '/v1/openapi.json', '/'),
  id: oneof(
    constant('kimi-1-1'),
    constantFrom('..', '%', '%00', 'latest', '%E0%A4%A'),
    string().map(encodeURIComponent),
  ),
  query: oneof(
    constant(''),
    webQueryParameters(),
    array(
      constantFrom('route={}', 'route=[]', 'limit=1e9', 'limit=1', 'status=', 'cursor=1.kimi-1-1', 'since_ms=-1'),
    ).map((parts) => parts.join('&')),
  ),
  type: constantFrom(
    'application/json',
    'application/json; charset=x',
    'text/plain',
    'application/json; charset=utf-16',
  ),
  key: oneof(constant('k'), string({ unit: 'grapheme-ascii', minLength: 1 })),
  body: bodies,
});

it('no request makes the API fail', { timeout: 60_000 + RUNS * 20 }, async () => {
  const url = await serve(createServer(createApi(async () => tasks, silent)));
  const codes = new Set<string>();
  const property = asyncProperty(array(requests, { minLength: 20, maxLength: 20 }), async (batch) => {
    await Promise.all(
      batch.map(async ({ method, path, id, query, type, key, body }) => {
        const target = `${url}${path.replace('{task_id}', id)}?${query}`;
        const hasBody = method === 'POST' || method === 'PUT';
        const headers = { 'content-type': type, 'idempotency-key': key.trim() || 'k' };
        const answer = await fetch(target, { method, headers, ...(hasBody && { body }) });
        const text = await answer.text();
        expect(answer.status, `${method} ${target} ${body} ${text}`).toBeLessThan(500);
        if (answer.status >= 400 && text !== '') codes.add((JSON.parse(text) as { code: string }).code);
      }),
    );
  });
  await assertProperty(property, { numRuns: Math.ceil(RUNS / 20) });
  // The noise includes valid requests, and every kind of refusal.
  expect([...codes]).toEqual(
    expect.arrayContaining(['unknown_task', 'invalid_request', 'invalid_json', 'not_found', 'method_not_allowed']),
  );
});

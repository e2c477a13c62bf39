import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import express, { type Express, type Response } from 'express';
import type { Logger } from 'pino';
import { Agent, request } from 'undici';
import { z } from 'zod';
import type { TaskError } from './contract.ts';
import { SIGNATURE_HEADER, sign, standardHeaders } from './signature.ts';

export interface SimulatorOptions {
  /** What callbacks are signed with. */
  secret: string;
  /** How long an answer takes unless a task asks for something else, in milliseconds. */
  delayMs: number;
  log: Logger;
  /** Told what happens, as it happens: for those who check what became of a task. */
  onEvent?: (event: SimulatorEvent) => void;
}

export type SimulatorEvent = { task_id: string } &
  /** A dispatch call is here. */
  (
    | { what: 'arrived' }
    | { what: 'refused'; status: number }
    /**
     * A dispatch call was taken; it has this answer. `repeated`: as one before it was, under the same `Idempotency-Key`.
     * `inPlace`: the call itself is answered with it.
     */
    | { what: 'taken'; repeated: boolean; inPlace: boolean; answer: { content: string } | { error: TaskError } }
    /** A callback was answered with this status; 0 for no answer. */
    | { what: 'called back'; status: number }
    /** No callback follows: it was taken or refused, or is not meant to come. */
    | { what: 'finished' }
  );

/**
 * What can be asked of the simulator, by a line `[[simulate: key=value key=value]]` in the prompt:
 *
 * | key | value | effect |
 * | --- | --- | --- |
 * | `delay` | ms | how long the answer takes |
 * | `accept-delay` | ms | how long the API id takes |
 * | `status` | 400–599 | the dispatch call is refused with this status |
 * | `refusals` | n | only the first n times |
 * | `type` | word | error type of that refusal, or of the failure |
 * | `hang-up` | `1` | the request is taken, then the connection is cut without an answer |
 * | `fail` | `1` | the callback reports an error |
 * | `drop` | `1` | the callback is never sent |
 * | `duplicates` | n | the callback is sent n times more |
 * | `signature` | `wrong`, `none` | the callback is badly signed, or not at all |
 * | `scheme` | `contract`, `standard` | the callback is signed in one way in place of both |
 * | `age` | s | how old the callback's `webhook-timestamp` is |
 * | `early` | `1` | the callback is sent before the API id is returned |
 * | `direct` | `1` | the dispatch call returns the answer itself, and no callback follows |
 * | `size` | n | the answer is n characters long |
 */
const wishes = z.object({
  delay: z.coerce.number().int().nonnegative().optional(),
  'accept-delay': z.coerce.number().int().nonnegative().default(0),
  status: z.coerce.number().int().min(400).max(599).optional(),
  refusals: z.coerce.number().int().positive().optional(),
  type: z.string().default('server_error'),
  'hang-up': z.literal('1').optional(),
  fail: z.literal('1').optional(),
  drop: z.literal('1').optional(),
  duplicates: z.coerce.number().int().min(0).max(100).default(0),
  signature: z.enum(['right', 'wrong', 'none']).default('right'),
  scheme: z.enum(['both', 'contract', 'standard']).default('both'),
  age: z.coerce.number().int().default(0),
  early: z.literal('1').optional(),
  direct: z.literal('1').optional(),
  size: z.coerce.number().int().positive().optional(),
});
type Wishes = z.infer<typeof wishes>;

const dispatchBody = z.object({
  model: z.string().min(1),
  messages: z.array(z.object({ role: z.string(), content: z.string().min(1) })).min(1),
  metadata: z.object({ task_id: z.string(), task_name: z.string() }),
  callback_url: z.url({ protocol: /^https?$/ }),
});
type DispatchBody = z.infer<typeof dispatchBody>;

/** What the simulator has counted; `GET /simulator/counts`. */
export interface Counts {
  /** Dispatch calls received. */
  requests: number;
  /** Completions that would have been paid for. */
  billed: number;
  /** Callbacks sent, by the status they were answered with; `0` for none. */
  callbacks: Record<string, number>;
  /** Wakes taken by the simulated gateway, with the `Idempotency-Key` that names the news. */
  wakes: { key: string | undefined; text: string }[];
}

/** How often a callback is tried again when it is not taken, and how long between two tries, in milliseconds. */
const CALLBACK_RETRIES = 60;
const CALLBACK_RETRY_MS = 1_000;

/**
 * The simulated Kimi: takes dispatch calls, returns an API id at once, later posts the signed callback. It honours
 * `Idempotency-Key` and counts what it would have billed. `POST /hooks/wake` stands in for the agent's gateway where
 * there is none.
 */
export function createSimulator({ secret, delayMs, log, onEvent = () => {} }: SimulatorOptions): {
  app: Express;
  counts: Counts;
  stop(): void;
} {
  const counts: Counts = { requests: 0, billed: 0, callbacks: {}, wakes: [] };
  const known = new Map<string, string>();
  const refused = new Map<string, number>();
  const stopping = new AbortController();
  const agent = new Agent();
  const app = express().disable('x-powered-by');
  app.use(express.json({ limit: '20mb' }));

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok', simulated: true });
  });
  app.get('/simulator/counts', (_request, response) => {
    response.json(counts);
  });

  app.post('/hooks/wake', (request, response) => {
    const text = (request.body as { text?: unknown } | undefined)?.text;
    if (typeof text !== 'string' || text.trim() === '') {
      response.status(400).json({ ok: false, error: 'text required' });
      return;
    }
    counts.wakes.push({ key: request.get('idempotency-key'), text });
    response.json({ ok: true, mode: 'now', eventOutcome: 'queued', simulated: true });
  });

  app.post('/v1/chat/completions', async (request, response) => {
    counts.requests += 1;
    if (!/^Bearer \S/.test(request.get('authorization') ?? '')) {
      refuse(response, 401, 'incorrect_api_key_error', 'Incorrect API key provided');
      return;
    }
    const parsed = dispatchBody.safeParse(request.body);
    const wished = wishes.safeParse(parsed.success ? wishesOf(parsed.data) : {});
    if (!parsed.success || !wished.success) {
      const reason = z.prettifyError((parsed.error ?? wished.error) as z.ZodError);
      refuse(response, 400, 'invalid_request_error', `Invalid request: ${reason}`);
      return;
    }
    const task = parsed.data;
    const wish = wished.data;
    const { task_id } = task.metadata;
    onEvent({ task_id, what: 'arrived' });
    await pause(wish['accept-delay'], undefined, { signal: stopping.signal });
    const refusals = (refused.get(task_id) ?? 0) + 1;
    if (wish.status && refusals <= (wish.refusals ?? Infinity)) {
      refused.set(task_id, refusals);
      onEvent({ task_id, what: 'refused', status: wish.status });
      if (wish.status === 429) response.set('Retry-After', '1');
      refuse(response, wish.status, wish.type, 'as the simulation was asked');
      return;
    }

    const key = request.get('idempotency-key');
    const repeated = key === undefined ? undefined : known.get(key);
    const id = repeated ?? `cmpl-sim-${randomBytes(8).toString('hex')}`;
    if (key !== undefined) known.set(key, id);
    if (!repeated) counts.billed += 1;
    const answer = answerTo(task, id, wish);
    const failure = { type: wish.type, message: 'the simulation was asked to fail' };
    onEvent({
      task_id,
      what: 'taken',
      repeated: repeated !== undefined,
      inPlace: wish.direct !== undefined,
      answer: wish.fail ? { error: failure } : { content: contentOf(task, wish) },
    });
    if (wish.direct) {
      onEvent({ task_id, what: 'finished' });
      response.json(answer);
      return;
    }
    const callback = wish.fail ? { error: failure, metadata: task.metadata } : answer;
    const delivered = repeated ? Promise.resolve() : deliver(task, callback, wish);
    delivered.catch((error: unknown) => {
      if (!stopping.signal.aborted) log.error({ err: error, task_id }, 'callback failed');
    });
    if (wish.early) await delivered;
    if (wish['hang-up']) request.socket.destroy();
    else response.status(202).json({ id, simulated: true });
  });

  async function deliver(task: DispatchBody, callback: object, wish: Wishes): Promise<void> {
    if (!wish.early) await pause(wish.delay ?? delayMs, undefined, { signal: stopping.signal });
    const body = JSON.stringify(callback);
    const { task_id } = task.metadata;
    const times = wish.drop ? 0 : wish.duplicates + 1;
    for (let sent = 0; sent < times; sent += 1) {
      await post(task_id, task.callback_url, body, () => signatureHeaders(body, task_id, wish));
    }
    onEvent({ task_id, what: 'finished' });
  }

  /** A repeat is the same message; each attempt to deliver it is signed with the time it is made. */
  function signatureHeaders(body: string, id: string, wish: Wishes): Record<string, string> {
    if (wish.signature === 'none') return {};
    const signed = wish.signature === 'right' ? body : `${body} `;
    return {
      ...(wish.scheme !== 'standard' && { [SIGNATURE_HEADER]: sign(signed, secret) }),
      ...(wish.scheme !== 'contract' && standardHeaders(signed, secret, id, new Date(Date.now() - wish.age * 1000))),
    };
  }

  /** Posts until it is taken or refused for good. */
  async function post(task_id: string, url: string, body: string, signed: () => Record<string, string>): Promise<void> {
    for (let attempt = 0; attempt < CALLBACK_RETRIES; attempt += 1) {
      const status = await postOnce(url, body, signed());
      counts.callbacks[status] = (counts.callbacks[status] ?? 0) + 1;
      log.info({ status, url }, 'callback sent');
      onEvent({ task_id, what: 'called back', status });
      if (status !== 0 && status !== 408 && status < 500) return;
      await pause(CALLBACK_RETRY_MS, undefined, { signal: stopping.signal });
    }
  }

  async function postOnce(url: string, body: string, signature: Record<string, string>): Promise<number> {
    try {
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal: stopping.signal,
        headers: { 'content-type': 'application/json', ...signature },
        body,
      });
      await answer.dump();
      return statusCode;
    } catch {
      return 0;
    }
  }

  return {
    app,
    counts,
    stop: () => {
      stopping.abort();
      void agent.destroy();
    },
  };
}

/** Kimi's error body (kimi-api.md). */
function refuse(response: Response, status: number, type: string, message: string): void {
  response.status(status).json({ error: { type, message: `${message} (simulated Kimi)` } });
}

function wishesOf(task: DispatchBody): Record<string, string | undefined> {
  const line = /\[\[simulate:(?<wishes>[^\]]*)\]\]/.exec(promptOf(task))?.groups?.['wishes'] ?? '';
  return Object.fromEntries(
    line
      .trim()
      .split(/\s+/)
      .map((wish) => wish.split('=', 2) as [string, string]),
  );
}

function promptOf(task: DispatchBody): string {
  return task.messages.map(({ content }) => content).join('\n');
}

function contentOf(task: DispatchBody, { size = 0 }: Wishes): string {
  const sample = sampleAnswer(promptOf(task));
  return size === 0 ? sample : (sample + '模擬'.repeat(Math.ceil(size / 2))).slice(0, size);
}

function answerTo(task: DispatchBody, id: string, wish: Wishes): object {
  const prompt = promptOf(task);
  const content = contentOf(task, wish);
  // About the ratio of real tokenizers; nothing is billed by it.
  const prompt_tokens = Math.ceil(prompt.length / 2);
  const completion_tokens = Math.ceil(content.length / 2);
  return {
    id,
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model: task.model,
    simulated: true,
    usage: { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens },
    choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
    metadata: task.metadata,
  };
}

function sampleAnswer(prompt: string): string {
  return [
    '（這是模擬的 Kimi 所產生的答案，沒有呼叫真正的 Kimi。 This answer is simulated; the real Kimi was not called.）',
    '',
    `> ${prompt.split('\n', 1)[0]}`,
    '',
    '```python',
    'def fibonacci(n: int) -> int:',
    '    a, b = 0, 1',
    '    for _ in range(n):',
    '        a, b = b, a + b',
    '    return a',
    '',
    '',
    'assert [fibonacci(n) for n in range(10)] == [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]',
    '```',
    '',
  ].join('\n');
}

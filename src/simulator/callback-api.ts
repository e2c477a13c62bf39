import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Request, Response } from 'express';
import type { Logger } from 'pino';
import { request } from 'undici';
import { directAgent } from '../service/outbound.ts';
import * as z from 'zod';
import { SIGNATURE_HEADER, sign, standardHeaders } from '../webhook/signature.ts';
import { answerTo, tokensIn } from './answers.ts';
import type { Counts, SimulatorEvent } from './events.ts';
import { wishesIn, type Wishes } from './directives.ts';

export interface CallbacksOptions {
  /** What callbacks are signed with. */
  secret: string;
  /** How long an answer takes unless a task asks for something else, in milliseconds. */
  delayMs: number;
  log: Logger;
  counts: Counts;
  /** Told what happens, as it happens. */
  onEvent: (event: SimulatorEvent) => void;
  /** Ends what is under way. */
  stopping: AbortSignal;
}

const dispatchBody = z.object({
  model: z.string().min(1),
  messages: z.array(z.object({ role: z.string(), content: z.string().min(1) })).min(1),
  metadata: z.object({ task_id: z.string(), task_name: z.string() }),
  callback_url: z.url({ protocol: /^https?$/ }),
});
type DispatchBody = z.infer<typeof dispatchBody>;

/** How often a callback is tried again when it is not taken, and how long between two tries, in milliseconds. */
const CALLBACK_RETRIES = 60;
const CALLBACK_RETRY_MS = 1_000;

/**
 * The face that calls back: takes dispatch calls, returns an API id at once, later posts the signed callback. It honours
 * `Idempotency-Key` and counts what it would have billed.
 */
export function createCallbacks({
  secret,
  delayMs,
  log,
  counts,
  onEvent,
  stopping,
}: CallbacksOptions): (request: Request, response: Response) => Promise<void> {
  const known = new Map<string, string>();
  const refused = new Map<string, number>();
  const agent = directAgent();
  stopping.addEventListener('abort', () => void agent.destroy(), { once: true });

  async function dispatch(incoming: Request, response: Response): Promise<void> {
    if (!/^Bearer \S/.test(incoming.get('authorization') ?? '')) {
      refuse(response, 401, 'incorrect_api_key_error', 'Incorrect API key provided');
      return;
    }
    const parsed = dispatchBody.safeParse(incoming.body);
    const wished = wishesIn(parsed.success ? promptOf(parsed.data) : '');
    if (!parsed.success || !wished.success) {
      const reason = z.prettifyError((parsed.error ?? wished.error) as z.ZodError);
      refuse(response, 400, 'invalid_request_error', `Invalid request: ${reason}`);
      return;
    }
    const task = parsed.data;
    const wish = wished.data;
    const { task_id } = task.metadata;
    onEvent({ task_id, what: 'arrived' });
    await pause(wish['accept-delay'], undefined, { signal: stopping });
    const refusals = (refused.get(task_id) ?? 0) + 1;
    if (wish.status && refusals <= (wish.refusals ?? Infinity)) {
      refused.set(task_id, refusals);
      onEvent({ task_id, what: 'refused', status: wish.status });
      if (wish.status === 429) response.set('Retry-After', '1');
      refuse(response, wish.status, wish.type ?? 'server_error', 'as the simulation was asked');
      return;
    }

    const key = incoming.get('idempotency-key');
    const repeated = key === undefined ? undefined : known.get(key);
    const id = repeated ?? `cmpl-sim-${randomBytes(8).toString('hex')}`;
    if (key !== undefined) known.set(key, id);
    if (!repeated) counts.billed += 1;
    const content = answerTo(promptOf(task), wish.size);
    const answer = completionOf(task, id, content);
    const failure = { type: wish.type ?? 'server_error', message: 'the simulation was asked to fail' };
    onEvent({
      task_id,
      what: 'taken',
      repeated: repeated !== undefined,
      inPlace: wish.direct !== undefined,
      answer: wish.fail ? { error: failure } : { content },
    });
    if (wish.direct) {
      onEvent({ task_id, what: 'finished' });
      response.json(answer);
      return;
    }
    const callback = wish.fail ? { error: failure, metadata: task.metadata } : answer;
    const delivered = repeated ? Promise.resolve() : deliver(task, callback, wish);
    delivered.catch((error: unknown) => {
      if (!stopping.aborted) log.error({ err: error, task_id }, 'callback failed');
    });
    if (wish.early) await delivered;
    if (wish['hang-up']) incoming.socket.destroy();
    else response.status(202).json({ id, simulated: true });
  }

  async function deliver(task: DispatchBody, callback: object, wish: Wishes): Promise<void> {
    if (!wish.early) await pause(wish.delay ?? delayMs, undefined, { signal: stopping });
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
      log.info({ task_id, status, url }, 'callback sent');
      onEvent({ task_id, what: 'called back', status });
      if (status !== 0 && status !== 408 && status < 500) return;
      await pause(CALLBACK_RETRY_MS, undefined, { signal: stopping });
    }
  }

  async function postOnce(url: string, body: string, signature: Record<string, string>): Promise<number> {
    try {
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        dispatcher: agent,
        signal: stopping,
        headers: { 'content-type': 'application/json', ...signature },
        body,
      });
      await answer.dump();
      return statusCode;
    } catch {
      return 0;
    }
  }

  return dispatch;
}

/** Kimi's error body (kimi-api.md). */
function refuse(response: Response, status: number, type: string, message: string): void {
  response.status(status).json({ error: { type, message: `${message} (simulated Kimi)` } });
}

function promptOf({ messages }: DispatchBody): string {
  return messages.map(({ content }) => content).join('\n');
}

function completionOf(task: DispatchBody, id: string, content: string): object {
  const prompt_tokens = tokensIn(promptOf(task));
  const completion_tokens = tokensIn(content);
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

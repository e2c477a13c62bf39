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
import { directivesIn, type Directives } from './directives.ts';
import { KeptRequests } from './kept-requests.ts';
import { askedIn, messageContent, textOf } from './validation.ts';

export interface CallbacksOptions {
  /** What callbacks are signed with. */
  secret: string;
  /** How long an answer takes by default, in milliseconds. */
  delayMs: number;
  log: Logger;
  counts: Counts;
  /** Called with each event as it happens. */
  onEvent: (event: SimulatorEvent) => void;
  /** Where accepted requests are kept until they are called back; by default they end with the process. */
  keepIn?: string | undefined;
  /** Aborts all requests in progress. */
  stopping: AbortSignal;
}

const dispatchBody = z.object({
  model: z.string().min(1),
  messages: z
    .array(
      z.object({ role: z.string(), content: messageContent.refine(({ length }) => length > 0, 'must not be empty') }),
    )
    .min(1),
  metadata: z.object({ task_id: z.string(), task_name: z.string() }),
  callback_url: z.url({ protocol: /^https?$/ }),
});
type DispatchBody = z.infer<typeof dispatchBody>;

/** Attempts to deliver a callback, and the pause between two of them, in milliseconds. */
const CALLBACK_RETRIES = 60;
const CALLBACK_RETRY_MS = 1_000;

/**
 * The API that calls back: takes dispatch calls, returns an API id at once, posts the signed callback later. It honours
 * `Idempotency-Key` and counts what would have been billed.
 */
export class CallbackApi {
  /** API ids by `Idempotency-Key`. */
  private readonly ids = new Map<string, string>();
  /** Refusals sent, by task id. */
  private readonly refused = new Map<string, number>();
  private readonly agent = directAgent();
  private readonly kept: KeptRequests<DispatchBody> | undefined;

  constructor(private readonly options: CallbacksOptions) {
    const { keepIn, stopping } = options;
    stopping.addEventListener('abort', () => void this.agent.destroy(), { once: true });
    this.kept = keepIn === undefined ? undefined : new KeptRequests(keepIn);
    for (const { id, at, body } of this.kept?.read() ?? []) this.resume(id, at, body);
  }

  /** Answers a request that a simulation before has accepted. */
  private resume(id: string, at: number, task: DispatchBody): void {
    const { task_id } = task.metadata;
    const { data: directives } = directivesIn(askedIn(task.messages));
    if (!directives) return;
    // The key of a dispatch call is the task's id.
    this.ids.set(task_id, id);
    const { callback } = this.answer(task, id, directives);
    void this.deliverLater(task, callback, directives, Date.now() - at);
  }

  private answer(task: DispatchBody, id: string, directives: Directives) {
    const content = answerTo(askedIn(task.messages), directives.size);
    const answer = completionOf(task, id, content);
    const error = { type: directives.type ?? 'server_error', message: 'the simulation was asked to fail' };
    const callback = directives.fail ? { error, metadata: task.metadata } : answer;
    return { answer, callback, shown: directives.fail ? { error } : { content } };
  }

  private async deliverLater(task: DispatchBody, callback: object, directives: Directives, waited = 0): Promise<void> {
    const { task_id } = task.metadata;
    try {
      const isReceived = await this.deliver(task, callback, directives, waited);
      if (isReceived) this.kept?.forget(task_id);
    } catch (error) {
      if (!this.options.stopping.aborted) this.options.log.error({ err: error, task_id }, 'callback failed');
    }
  }

  /** Handles a dispatch call. */
  async dispatch(incoming: Request, response: Response): Promise<void> {
    const { onEvent, stopping } = this.options;
    if (!/^Bearer \S/.test(incoming.get('authorization') ?? '')) {
      refuse(response, 401, 'incorrect_api_key_error', 'Incorrect API key provided');
      return;
    }
    const parsed = dispatchBody.safeParse(incoming.body);
    const directives = directivesIn(parsed.success ? askedIn(parsed.data.messages) : '');
    if (!parsed.success || !directives.success) {
      const reason = z.prettifyError((parsed.error ?? directives.error) as z.ZodError);
      refuse(response, 400, 'invalid_request_error', `Invalid request: ${reason}`);
      return;
    }
    const { task_id } = parsed.data.metadata;
    onEvent({ task_id, what: 'arrived' });
    const { 'accept-delay': delay } = directives.data;
    // A pause of 0 would take more than a millisecond.
    if (delay !== undefined) await pause(delay, undefined, { signal: stopping });
    if (this.isRefused(task_id, directives.data, response)) return;
    await this.accept(parsed.data, directives.data, incoming, response);
  }

  /** Sends the refusal that the directives ask for. */
  private isRefused(task_id: string, { status, refusals, type }: Directives, response: Response): boolean {
    const attempt = (this.refused.get(task_id) ?? 0) + 1;
    if (!status || attempt > (refusals ?? Infinity)) return false;
    this.refused.set(task_id, attempt);
    this.options.onEvent({ task_id, what: 'refused', status });
    if (status === 429) response.set('Retry-After', '1');
    refuse(response, status, type ?? 'server_error', 'as the simulation was asked');
    return true;
  }

  private async accept(
    task: DispatchBody,
    directives: Directives,
    incoming: Request,
    response: Response,
  ): Promise<void> {
    const { counts, onEvent } = this.options;
    const { task_id } = task.metadata;
    const key = incoming.get('idempotency-key');
    const repeated = key === undefined ? undefined : this.ids.get(key);
    const id = repeated ?? `cmpl-sim-${randomBytes(8).toString('hex')}`;
    // What cannot be kept, as on a full disk, is not accepted: it may be sent again.
    if (!repeated && !directives.direct) this.kept?.keep({ id, at: Date.now(), body: task });
    if (key !== undefined) this.ids.set(key, id);
    if (!repeated) counts.billed += 1;
    const { answer, callback, shown } = this.answer(task, id, directives);
    onEvent({
      task_id,
      what: 'taken',
      repeated: repeated !== undefined,
      inPlace: directives.direct !== undefined,
      answer: shown,
    });
    if (directives.direct) {
      onEvent({ task_id, what: 'finished' });
      response.json(answer);
      return;
    }
    if (!repeated) {
      const delivered = this.deliverLater(task, callback, directives);
      if (directives.early) await delivered;
    }
    if (directives['hang-up']) incoming.socket.destroy();
    else response.status(202).json({ id, simulated: true });
  }

  /**
   * @param waited since it was accepted, in milliseconds
   * @returns false if nobody received it
   */
  private async deliver(
    task: DispatchBody,
    callback: object,
    directives: Directives,
    waited: number,
  ): Promise<boolean> {
    const { delayMs, onEvent, stopping } = this.options;
    const left = Math.max((directives.delay ?? delayMs) - waited, 0);
    if (!directives.early) await pause(left, undefined, { signal: stopping });
    const body = JSON.stringify(callback);
    const { task_id } = task.metadata;
    const times = directives.drop ? 0 : directives.duplicates + 1;
    let received = 0;
    for (let sent = 0; sent < times; sent += 1) {
      const headers = () => this.signatureHeaders(body, task_id, directives);
      if (await this.post(task_id, task.callback_url, body, headers)) received += 1;
    }
    onEvent({ task_id, what: 'finished' });
    return received === times;
  }

  /** A duplicate is the same message; each attempt is signed with the time at which it is made. */
  private signatureHeaders(body: string, id: string, directives: Directives): Record<string, string> {
    const { secret } = this.options;
    const { signature, scheme, age } = directives;
    if (signature === 'none') return {};
    const signed = signature === 'right' ? body : `${body} `;
    return {
      ...(scheme !== 'standard' && { [SIGNATURE_HEADER]: sign(signed, secret) }),
      ...(scheme !== 'contract' && standardHeaders(signed, secret, id, new Date(Date.now() - age * 1000))),
    };
  }

  /** Posts until the callback is accepted or refused with a 4xx. @returns whether it was */
  private async post(
    task_id: string,
    url: string,
    body: string,
    signed: () => Record<string, string>,
  ): Promise<boolean> {
    const { counts, log, onEvent, stopping } = this.options;
    for (let attempt = 0; attempt < CALLBACK_RETRIES; attempt += 1) {
      const status = await this.postOnce(url, body, signed());
      counts.callbacks[status] = (counts.callbacks[status] ?? 0) + 1;
      log.info({ task_id, status, url }, 'callback sent');
      onEvent({ task_id, what: 'called back', status });
      if (status !== 0 && status !== 408 && status < 500) return true;
      await pause(CALLBACK_RETRY_MS, undefined, { signal: stopping });
    }
    return false;
  }

  /** @returns the HTTP status; 0 without a response. */
  private async postOnce(url: string, body: string, signature: Record<string, string>): Promise<number> {
    try {
      const { statusCode, body: answer } = await request(url, {
        method: 'POST',
        dispatcher: this.agent,
        signal: this.options.stopping,
        headers: { 'content-type': 'application/json', ...signature },
        body,
      });
      await answer.dump();
      return statusCode;
    } catch {
      return 0;
    }
  }
}

/** Kimi's error body (Moonshot's documentation). */
function refuse(response: Response, status: number, type: string, message: string): void {
  response.status(status).json({ error: { type, message: `${message} (simulated Kimi)` } });
}

function promptOf({ messages }: DispatchBody): string {
  return messages.map(textOf).join('\n');
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

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Router, type Request, type Response } from 'express';
import { answerTo, firstTokens, pieces, reasoningOn, tokensIn } from './answers.ts';
import type { Completion, Counts } from './events.ts';
import { FORMS, FREE_FORMS, type Formed } from './forms.ts';
import { invalid, refusal, refusalWith, type Refusal } from './errors.ts';
import { estimateTokens, MODELS, readRequest, type CompletionRequest } from './validation.ts';
import { wishesIn, type Wishes } from './directives.ts';

export interface RealApiOptions {
  /** How long an answer takes unless a prompt asks for something else, in milliseconds. */
  delayMs: number;
  /** The keys that are accepted; any is where they are absent. A key of the other host is one that is not. */
  keys?: string[] | undefined;
  counts: Counts;
  /** Ends what is under way. */
  stopping: AbortSignal;
}

/** A completion under way. */
interface Run {
  id: string;
  created: number;
  request: CompletionRequest;
  wish: Wishes;
  reasoning: string;
  content: string;
  finish_reason: 'stop' | 'length';
  usage: object;
  counted: Completion;
  /** How it breaks, where it does. */
  breaks: Wishes['break'];
  /** The form that it comes in, where one was wished for. */
  formed: Formed | undefined;
}

/**
 * The face of the real API (kimi-api.md), mounted at `/v1`: completions, streamed or not, models, balance, an estimate of
 * tokens. Nobody here has a key: what no source says is chosen with care, and said at its place. Tools are never called,
 * `response_format` and `logprobs` change nothing, pictures count as nothing; files, batches and the other two protocols
 * are not there.
 *
 * Every answer carries `X-Simulated`, and its text says so too.
 */
export function createRealApi({ delayMs, keys, counts, stopping }: RealApiOptions): Router {
  const troubles = new Map<string, number>();
  /** Prompts that a cache would still know. They are not forgotten after 5 minutes, as Kimi's are. */
  const cached = new Set<string>();
  const api = Router();

  api.use((request, response, next) => {
    response.set({
      'X-Simulated': 'true',
      'Msh-Request-Id': randomUUID(),
      'X-Msh-Trace-Id': randomBytes(16).toString('hex'),
    });
    const [, key] = /^Bearer (\S+)$/.exec(request.get('authorization') ?? '') ?? [];
    if (key === undefined) throw refusal('no-key');
    if (keys && !keys.includes(key)) throw refusal('bad-key');
    next();
  });

  api.get('/models', (_request, response) => {
    response.json({ object: 'list', data: Object.entries(MODELS).map(([id, rules]) => listed(id, rules)) });
  });

  api.get('/users/me/balance', (_request, response) => {
    const data = { available_balance: 15, voucher_balance: 5, cash_balance: 10 };
    response.json({ code: 0, data, scode: '0x0', status: true });
  });

  api.post('/tokenizers/estimate-token-count', (request, response) => {
    response.json({ data: { total_tokens: estimateTokens(request.body) } });
  });

  api.post('/chat/completions', async (incoming, response) => {
    const counted = newCompletion(String(response.get('msh-request-id')));
    counts.completions.push(counted);
    const left = new AbortController();
    response.once('close', () => {
      if (response.headersSent) counted.status = response.statusCode;
      left.abort();
    });
    const gone = AbortSignal.any([stopping, left.signal]);
    try {
      const run = begin(incoming, response, counted);
      if (run.formed) sendFormed(run.formed, response, counted);
      else await (run.request.stream ? stream(run, response, gone) : answer(run, response, gone));
    } catch (error) {
      counted.ended ??= gone.aborted ? 'left' : 'refused';
      if (!gone.aborted) throw error;
    }
  });

  /** @throws {Refusal} */
  function begin(incoming: Request, response: Response, counted: Completion): Run {
    const request = readRequest(incoming.body);
    const wished = wishesIn(request.prompt);
    if (wished.error) throw invalid(`Invalid request: ${wished.error.issues.map(({ message }) => message).join('; ')}`);
    const wish = wished.data;
    const { model, prompt, prompt_tokens, stream } = request;
    const hash = createHash('sha256').update(`${model}\n${prompt}`).digest('hex').slice(0, 16);
    Object.assign(counted, { mark: wish.mark ?? hash, model, stream, prompt_tokens });

    const refused = refusalOf(wish);
    if (refused && again(`${counted.mark} refused`) <= (wish.refusals ?? Infinity)) throw refused;

    const whole = {
      reasoning: request.thinks ? reasoningOn(prompt, wish.reasoning) : '',
      content: restOf(request, wish),
    };
    const reasoning = firstTokens(whole.reasoning, request.cap);
    const content = firstTokens(whole.content, request.cap - tokensIn(reasoning));
    const isCut = reasoning !== whole.reasoning || content !== whole.content;
    const completion_tokens = tokensIn(reasoning) + tokensIn(content);
    counted.cached_tokens = knownTokens(request, hash);
    const isFormed = wish.form !== undefined && again(`${counted.mark} formed`) <= wish.breaks;
    if (!isFormed || !FREE_FORMS.has(wish.form ?? '')) {
      counted.billed = { prompt_tokens, completion_tokens };
      counts.billed += 1;
    }
    if (counted.cached_tokens > 0) response.set('Msh-Context-Cache-Token-Saved', String(counted.cached_tokens));
    const id = `chatcmpl-${randomBytes(12).toString('hex')}`;
    const created = Math.floor(Date.now() / 1000);
    const usage = {
      prompt_tokens,
      completion_tokens,
      total_tokens: prompt_tokens + completion_tokens,
      ...(counted.cached_tokens > 0 && { cached_tokens: counted.cached_tokens }),
      ...(request.thinks && { completion_tokens_details: { reasoning_tokens: tokensIn(reasoning) } }),
      ...(counted.cached_tokens > 0 && { prompt_tokens_details: { cached_tokens: counted.cached_tokens } }),
    };
    return {
      id,
      created,
      request,
      wish,
      reasoning,
      content,
      finish_reason: isCut ? 'length' : 'stop',
      usage,
      counted,
      breaks: wish.break && again(`${counted.mark} broken`) <= wish.breaks ? wish.break : undefined,
      formed: isFormed
        ? FORMS[wish.form ?? '']?.({ id, created, model, text: content, prefix: request.prefix, usage })
        : undefined,
    };
  }

  /** Nothing is sent before the answer is whole, headers neither. */
  async function answer(run: Run, response: Response, gone: AbortSignal): Promise<void> {
    const { id, created, request, wish, reasoning, content, finish_reason, usage, counted, breaks } = run;
    await pause(wish.delay ?? delayMs, undefined, { signal: gone });
    if (breaks === 'error') {
      counted.ended = 'error';
      throw broken(wish);
    }
    counted.generated = { reasoning_tokens: tokensIn(reasoning), content_tokens: tokensIn(content) };
    if (breaks) {
      counted.ended = breaks;
      if (breaks === 'stall') await pause(2 ** 31 - 1, undefined, { signal: gone });
      response.socket?.destroy();
      return;
    }
    counted.ended = 'answered';
    const message = { role: 'assistant', content, ...(request.thinks && { reasoning_content: reasoning }) };
    const choices = [{ index: 0, message, finish_reason }];
    response.json({ id, object: 'chat.completion', created, model: request.model, choices, usage });
  }

  /**
   * The order of a live capture: role, reasoning, content, finish with usage inside the choice; with `include_usage` once
   * more, with no choice and no fingerprint; `[DONE]`. Headers come with the first byte: when Kimi sends them nobody
   * measured.
   */
  async function stream(run: Run, response: Response, gone: AbortSignal): Promise<void> {
    const { wish, counted, breaks } = run;
    const chunks = [...chunksOf(run)];
    const chunkMs = wish['chunk-delay'] ?? (wish.delay === undefined ? delayMs / chunks.length : 0);
    await pause(wish.delay ?? 0, undefined, { signal: gone });
    response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders();
    const sent = { reasoning: '', content: '' };
    const start = performance.now();
    for (const [n, { json, reasoning = '', content = '' }] of chunks
      .slice(0, breaks ? wish.after : undefined)
      .entries()) {
      const early = start + n * chunkMs - performance.now();
      if (early > 0) await pause(early, undefined, { signal: gone });
      if (wish.comments) await write(response, ': simulated\n\n', gone);
      await write(response, `data: ${JSON.stringify(json)}\n\n`, gone);
      sent.reasoning += reasoning;
      sent.content += content;
      counted.generated = { reasoning_tokens: tokensIn(sent.reasoning), content_tokens: tokensIn(sent.content) };
    }
    counted.ended = breaks ?? 'answered';
    if (breaks === 'stall') await pause(2 ** 31 - 1, undefined, { signal: gone });
    else if (breaks === 'cut') response.socket?.destroySoon();
    else if (breaks === 'error') {
      counted.billed.completion_tokens = counted.generated.reasoning_tokens + counted.generated.content_tokens;
      // Nobody has recorded how such an error is framed.
      response.end(`data: ${JSON.stringify(broken(wish).body)}\n\n`);
    } else response.end(breaks === 'eof' ? '' : 'data: [DONE]\n\n');
  }

  /** @returns how often this has been asked, this time included. */
  function again(what: string): number {
    const times = (troubles.get(what) ?? 0) + 1;
    troubles.set(what, times);
    return times;
  }

  /** A prompt that has been here is cached whole: so it was in captures of short ones; longer ones had 256 of 461 tokens. */
  function knownTokens({ prompt, prefix, prompt_tokens }: CompletionRequest, hash: string): number {
    const whole = prefix === '' ? hash : `${hash}\n${createHash('sha256').update(prefix).digest('hex')}`;
    const known = cached.has(whole) ? prompt_tokens : cached.has(hash) ? tokensIn(prompt) : 0;
    cached.add(hash).add(whole);
    return known;
  }

  return api;
}

function sendFormed({ status = 200, headers, body }: Formed, response: Response, counted: Completion): void {
  counted.ended = 'formed';
  response.writeHead(status, headers);
  for (const piece of body) {
    if (piece === undefined) response.socket?.destroySoon();
    else response.write(piece);
  }
  if (!body.includes(undefined)) response.end();
}

interface Chunk {
  json: object;
  reasoning?: string;
  content?: string;
}

function* chunksOf({ id, created, request, wish, ...run }: Run): Generator<Chunk> {
  const head = { id, object: 'chat.completion.chunk', created, model: request.model };
  const chunk = (delta: object, end: object = { finish_reason: null }): object => ({
    ...head,
    choices: [{ index: 0, delta, ...end }],
    system_fingerprint: 'fpv0_simulated',
  });
  yield { json: chunk({ role: 'assistant', content: '' }) };
  for (const piece of pieces(run.reasoning)) yield { json: chunk({ reasoning_content: piece }), reasoning: piece };
  // As captured: the reasoning ends with an empty piece.
  if (request.thinks) yield { json: chunk({ reasoning_content: '' }) };
  for (const piece of pieces(run.content, wish.chunks)) yield { json: chunk({ content: piece }), content: piece };
  yield { json: chunk({}, { finish_reason: run.finish_reason, usage: run.usage }) };
  if (request.includeUsage) yield { json: { ...head, choices: [], usage: run.usage } };
}

function refusalOf({ status, type, error, break: breaks }: Wishes): Refusal | undefined {
  if (status !== undefined) return refusalWith(status, type);
  return error !== undefined && breaks !== 'error' ? refusal(error) : undefined;
}

function broken({ error }: Wishes): Refusal {
  return refusal(error ?? 'overloaded');
}

/** What is left to say after the prefix; all of it where the answer does not begin with that. */
function restOf({ prompt, prefix, stop }: CompletionRequest, { size, repeat }: Wishes): string {
  const whole = answerTo(prompt, size) + '模擬的模型一再說同一句話。\n'.repeat(repeat);
  const rest = whole.startsWith(prefix) ? whole.slice(prefix.length) : whole;
  const ends = stop.map((word) => rest.indexOf(word)).filter((at) => at >= 0);
  return rest.slice(0, Math.min(...ends, rest.length));
}

/** Writes, and waits until it is on its way: what is written and not yet sent is lost where the connection is cut. */
async function write(response: Response, text: string, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  const error = await new Promise((resolve) => {
    response.write(text, resolve);
  });
  if (!error) return;
  // The client has left: its connection's close says so.
  if (!gone.aborted) await once(gone, 'abort');
  gone.throwIfAborted();
}

function newCompletion(request_id: string): Completion {
  return {
    request_id,
    mark: '',
    model: '',
    stream: false,
    prompt_tokens: 0,
    cached_tokens: 0,
    generated: { reasoning_tokens: 0, content_tokens: 0 },
    billed: { prompt_tokens: 0, completion_tokens: 0 },
  };
}

function listed(id: string, { context, listed }: (typeof MODELS)[string]): object {
  const permission = [
    { created: 0, id: '', object: '', organization: 'moonshot', group: 'moonshot', is_blocking: false },
  ];
  return {
    created: 1_788_143_653,
    id,
    object: 'model',
    owned_by: 'moonshot',
    permission,
    root: '',
    parent: '',
    supports_image_in: true,
    supports_video_in: true,
    supports_reasoning: true,
    ...listed,
    context_length: context,
  };
}

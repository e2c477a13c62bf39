import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { Router, type Request, type Response } from 'express';
import { tokensIn } from './answers.ts';
import { callTokens, sendAnswer, sendFormed, streamAnswer, textsOf, type Run } from './completion.ts';
import { directivesIn, type Directives } from './directives.ts';
import { invalid, refusal, refusalWith, type Refusal } from './errors.ts';
import type { Completion, Counts } from './events.ts';
import { addBatches } from './batches-api.ts';
import { addFiles } from './files-api.ts';
import { addFormulas } from './formulas-api.ts';
import { FORMS, FREE_FORMS } from './forms.ts';
import { estimateTokens, MODELS, readRequest, type CompletionRequest } from './validation.ts';
import { anySignal } from '../service/any-signal.ts';

export interface MoonshotApiOptions {
  /** How long an answer takes by default, in milliseconds. */
  delayMs: number;
  /** The accepted keys; any key by default. A key of the other host is not accepted. */
  keys?: string[] | undefined;
  counts: Counts;
  /** Aborts all requests in progress. */
  stopping: AbortSignal;
}

/**
 * Moonshot's API, mounted at `/v1`: completions, streamed or not, models, balance, an estimate of tokens, files, formulas,
 * batches. It was
 * written without a key: where no source describes the behaviour, a comment says what was assumed. Only tools with one
 * text as argument are called, and by the directive `calls`; `response_format` and `logprobs` have no effect, pictures count no tokens;
 * the other two protocols are missing.
 *
 * Every response carries `X-Simulated`, and its text says so too.
 */
export function createMoonshotApi(options: MoonshotApiOptions): Router {
  const completions = new Completions(options);
  const api = Router();

  api.use((request, response, next) => {
    response.set({
      'X-Simulated': 'true',
      'Msh-Request-Id': randomUUID(),
      'X-Msh-Trace-Id': randomBytes(16).toString('hex'),
    });
    const [, key] = /^Bearer (\S+)$/.exec(request.get('authorization') ?? '') ?? [];
    if (key === undefined) throw refusal('no-key');
    if (options.keys && !options.keys.includes(key)) throw refusal('bad-key');
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

  addBatches(api, options.counts, addFiles(api, options.counts));
  addFormulas(api, options.counts);
  api.post('/chat/completions', async (request, response) => await completions.handle(request, response));

  return api;
}

class Completions {
  /** How often a directive has applied, by mark and directive. */
  private readonly applied = new Map<string, number>();
  /** Hashes of prompts in the cache. They do not expire; Kimi's do after 5 minutes. */
  private readonly cached = new Set<string>();

  constructor(private readonly options: MoonshotApiOptions) {}

  async handle(incoming: Request, response: Response): Promise<void> {
    const { counts, delayMs, stopping } = this.options;
    const counted = newCompletion(String(response.get('msh-request-id')));
    counts.completions.push(counted);
    const left = new AbortController();
    response.once('close', () => {
      if (response.headersSent) counted.status = response.statusCode;
      left.abort();
    });
    const gone = anySignal([stopping, left.signal]);
    try {
      const run = this.begin(incoming, response, counted);
      if (run.formed) sendFormed(run.formed, response, counted);
      else await (run.request.stream ? streamAnswer : sendAnswer)(run, response, delayMs, gone);
    } catch (error) {
      counted.ended ??= gone.aborted ? 'left' : 'refused';
      if (!gone.aborted) throw error;
    }
  }

  /** @throws {Refusal} */
  private begin(incoming: Request, response: Response, counted: Completion): Run {
    const request = readRequest(incoming.body);
    const parsed = directivesIn(request.asked);
    if (parsed.error) throw invalid(`Invalid request: ${parsed.error.issues.map(({ message }) => message).join('; ')}`);
    const directives = parsed.data;
    const { model, messages, prompt, prompt_tokens, stream } = request;
    const hash = createHash('sha256').update(`${model}\n${prompt}`).digest('hex').slice(0, 16);
    Object.assign(counted, { mark: directives.mark ?? hash, model, messages, stream, prompt_tokens });

    const refused = refusalOf(directives);
    if (refused && this.count(`${counted.mark} refused`) <= (directives.refusals ?? Infinity)) throw refused;

    const texts = textsOf(request, directives);
    counted.cached_tokens = this.cachedTokens(request, hash);
    const { form = '' } = directives;
    const isFormed = form !== '' && this.count(`${counted.mark} formed`) <= directives.breaks;
    if (!isFormed || !FREE_FORMS.has(form)) {
      counted.billed = {
        prompt_tokens,
        completion_tokens: tokensIn(texts.reasoning) + tokensIn(texts.content) + callTokens(texts),
      };
      this.options.counts.billed += 1;
    }
    if (counted.cached_tokens > 0) response.set('Msh-Context-Cache-Token-Saved', String(counted.cached_tokens));
    const id = `chatcmpl-${randomBytes(12).toString('hex')}`;
    const created = Math.floor(Date.now() / 1000);
    const usage = usageOf(request, texts, counted.cached_tokens);
    const answer = { id, created, model, text: texts.content, prefix: request.prefix, usage };
    const isInterrupted = directives.break && this.count(`${counted.mark} broken`) <= directives.breaks;
    return {
      ...texts,
      id,
      created,
      request,
      directives,
      usage,
      counted,
      breaks: isInterrupted ? directives.break : undefined,
      formed: isFormed ? FORMS[form]?.(answer) : undefined,
    };
  }

  /** @returns the number of calls with this key so far, this one included. */
  private count(key: string): number {
    const times = (this.applied.get(key) ?? 0) + 1;
    this.applied.set(key, times);
    return times;
  }

  /** A known prompt is cached whole, as in captures of short ones; of longer ones 256 of 461 tokens were cached. */
  private cachedTokens({ prompt, prefix, prompt_tokens }: CompletionRequest, hash: string): number {
    const whole = prefix === '' ? hash : `${hash}\n${createHash('sha256').update(prefix).digest('hex')}`;
    const known = this.cached.has(whole) ? prompt_tokens : this.cached.has(hash) ? tokensIn(prompt) : 0;
    this.cached.add(hash).add(whole);
    return known;
  }
}

function usageOf(
  { prompt_tokens, thinks }: CompletionRequest,
  { reasoning, content, calls }: Pick<Run, 'reasoning' | 'content' | 'calls'>,
  cached_tokens: number,
): object {
  const completion_tokens = tokensIn(reasoning) + tokensIn(content) + callTokens({ calls });
  return {
    prompt_tokens,
    completion_tokens,
    total_tokens: prompt_tokens + completion_tokens,
    ...(cached_tokens > 0 && { cached_tokens }),
    ...(thinks && { completion_tokens_details: { reasoning_tokens: tokensIn(reasoning) } }),
    ...(cached_tokens > 0 && { prompt_tokens_details: { cached_tokens } }),
  };
}

function refusalOf({ status, type, error, break: breaks }: Directives): Refusal | undefined {
  if (status !== undefined) return refusalWith(status, type);
  return error !== undefined && breaks !== 'error' ? refusal(error) : undefined;
}

function newCompletion(request_id: string): Completion {
  return {
    request_id,
    mark: '',
    model: '',
    messages: [],
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

import { Agent, request, type Dispatcher } from 'undici';
import { z } from 'zod';
import { publicAddress } from '../address.ts';
import { MAX_CALLBACK_BYTES, type Cost, type Dispatched, type Task, type TaskResult } from '../contract.ts';
import { parseDirectAnswer } from '../callback.ts';
import { countTokens } from './enquiries.ts';
import { KimiError } from './errors.ts';
import { callsBack, costOf, modelOf, MODELS } from './models.ts';
import { mostTokens, requestFor, type ChatRequest } from './request.ts';

export interface KimiClientOptions {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  apiUrl: string;
  apiKey: string | undefined;
  /** Where callbacks are received, e.g. `http://localhost:9001`. */
  callbackBaseUrl: string;
}

/** How long Kimi may take to return an API id, in milliseconds. The contract promises under one second. */
const ACCEPT_TIMEOUT_MS = 20_000;

/** How long a connection may take, in milliseconds. Nothing has been sent before it stands. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Kimi's error body (kimi-api.md). */
const errorBody = z.object({ error: z.object({ type: z.string(), message: z.string() }) });
const acceptedBody = z.object({ id: z.string().min(1) });

/** Sends tasks to an API that speaks contract section 2. */
export class KimiClient {
  private readonly agent = new Agent({
    // A fresh connection for each dispatch: one kept alive may be closed by the far end just as we write to it, and then
    // nobody can say whether the request arrived.
    pipelining: 0,
    connect: { timeout: CONNECT_TIMEOUT_MS },
    headersTimeout: ACCEPT_TIMEOUT_MS,
    bodyTimeout: ACCEPT_TIMEOUT_MS,
  });

  constructor(private readonly options: KimiClientOptions) {}

  /**
   * Sends one task and returns its API id. What Kimi would refuse, or could not answer, is not sent.
   *
   * @throws {KimiError} whose `kind` says whether the request may be sent again.
   */
  async dispatch(task: Task, signal: AbortSignal): Promise<Dispatched> {
    const { apiUrl, apiKey, callbackBaseUrl } = this.options;
    if (!apiKey) throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the worker’s environment');
    const chat = requestFor(task, apiUrl);
    if (!callsBack(apiUrl)) {
      const message = `${new URL(apiUrl).host} answers in place and never calls back. Nothing was sent. Set KIMI_API_URL to an API that calls back`;
      throw new KimiError('refused', 'no_callback_provider', message);
    }
    await this.refuseIfTooLong(chat, signal);

    let sent = false;
    let response: Dispatcher.ResponseData;
    let body: string;
    try {
      response = await request(`${apiUrl.replace(/\/+$/, '')}/chat/completions`, {
        method: 'POST',
        dispatcher: this.agent.compose((dispatch) => (options, handler) => {
          const onRequestStart = handler.onRequestStart?.bind(handler);
          // Called when a connection stands and the request is about to be written to it.
          handler.onRequestStart = (controller, context) => {
            onRequestStart?.(controller, context);
            sent = !controller.aborted;
          };
          return dispatch(options, handler);
        }),
        signal,
        headers: {
          authorization: `Bearer ${apiKey}`,
          'content-type': 'application/json',
          'idempotency-key': task.task_id,
        },
        body: JSON.stringify({
          ...chat,
          metadata: { task_id: task.task_id, task_name: task.task_name },
          callback_url: `${callbackBaseUrl.replace(/\/+$/, '')}/kimi/webhook/${task.task_id}`,
        }),
      });
      body = await readText(response.body, MAX_CALLBACK_BYTES);
    } catch (error) {
      const why = describe(error);
      if (why === 'UND_ERR_INVALID_ARG') {
        throw new KimiError('refused', 'invalid_argument', 'the request cannot be made: the key fits no header', {
          cause: error,
        });
      }
      if (!sent)
        throw new KimiError('not_sent', 'unreachable', `cannot reach ${publicAddress(apiUrl)}: ${why}`, {
          cause: error,
        });
      const message = `the connection to ${publicAddress(apiUrl)} broke after the request was sent: ${why}`;
      throw new KimiError('outcome_unknown', 'outcome_unknown', message, { cause: error });
    }
    // An error that quotes the key must not carry it on.
    return readAnswer(response, parseJson(body.replaceAll(apiKey, '[KIMI_API_KEY]')), task.task_id);
  }

  /** @returns what a result cost, or `undefined` where no price is known. */
  costOf({ tokens, model }: TaskResult): Cost | undefined {
    return tokens && costOf(tokens, model, this.options.apiUrl);
  }

  /**
   * Kimi knows best how many tokens a text has, and tells; it is asked only where the text could come near the context,
   * and where it does not say, the task is sent.
   */
  private async refuseIfTooLong(chat: ChatRequest, signal: AbortSignal): Promise<void> {
    const model = modelOf(chat.model);
    if (!model) return;
    // Whether a cap that nobody asked for counts as well is not known (kimi-api.md).
    const room = model.context - (chat.max_completion_tokens ?? 1);
    if (mostTokens(chat) <= room) return;
    const tokens = await countTokens(this.options, chat, signal);
    if (tokens === undefined || tokens <= room) return;
    const larger = MODELS.find(({ context }) => context - (chat.max_completion_tokens ?? 1) >= tokens);
    const advice = larger ? `shorten it, or use ${larger.id}` : 'shorten it';
    const message = `the prompt has ${tokens} tokens, and ${model.id} has room for ${Math.max(0, room)}; ${advice}`;
    throw new KimiError('refused', 'prompt_too_long', message);
  }
}

function readAnswer(response: Dispatcher.ResponseData, json: unknown, task_id: string): Dispatched {
  const { statusCode, headers } = response;
  if (statusCode >= 200 && statusCode < 300) {
    const accepted = acceptedBody.safeParse(json);
    if (!accepted.success) {
      throw new KimiError('outcome_unknown', 'no_api_id', `Kimi answered ${statusCode} without an API id`);
    }
    const answer = parseDirectAnswer(json, task_id);
    return { api_id: accepted.data.id, ...(answer && { answer }) };
  }

  const stated = errorBody.safeParse(json).data?.error;
  const type = stated?.type ?? `http_${statusCode}`;
  const message = `Kimi answered ${statusCode}${stated ? `: ${stated.message}` : ''}`;
  // Quota does not come back by waiting (kimi-api.md: "never retry").
  if ((statusCode === 429 && type !== 'exceeded_current_quota_error') || statusCode === 503) {
    const retryAfterMs = retryAfter(headers['retry-after'], message);
    throw new KimiError('turned_away', type, message, retryAfterMs === undefined ? {} : { retryAfterMs });
  }
  // A gateway's page (502, 504) says nothing of what became of the request behind it.
  if (statusCode >= 500 && !stated) throw new KimiError('outcome_unknown', type, message);
  throw new KimiError('refused', type, message);
}

/** How long Kimi asks to be left alone at the most, in milliseconds: what is longer is not believed. */
const LONGEST_RETRY_AFTER_MS = 3_600_000;

/**
 * Reads for how long Kimi asks to be left alone: from the header, in seconds or as a date, or from its own words,
 * `please try again after 1 seconds`, since not every 429 has the header (kimi-api.md).
 *
 * @returns milliseconds, or `undefined` where it does not say.
 */
function retryAfter(header: string | string[] | undefined, message: string): number | undefined {
  const value = String(header ?? '').trim();
  const words = /try again after (?<seconds>\d+(?:\.\d+)?) seconds?/i.exec(message)?.groups?.['seconds'];
  const stated = /^\d+(?:\.\d+)?$/.test(value) ? Number(value) * 1000 : Date.parse(value) - Date.now();
  const ms = stated > 0 ? stated : Number(words) * 1000;
  return ms > 0 ? Math.min(ms, LONGEST_RETRY_AFTER_MS) : undefined;
}

async function readText(body: AsyncIterable<Buffer>, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > limit) throw new Error(`the answer is over ${limit} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A connection error in few words: its code, since the message may be empty (happy eyeballs) or long. */
function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  return (typeof code === 'string' ? code : message) ?? String(error);
}

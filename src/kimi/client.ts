import * as z from 'zod';
import { MAX_CALLBACK_BYTES, type Dispatched } from '../shared/callback.ts';
import type { Money } from '../shared/budget.ts';
import type { Task } from '../shared/task.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { parseDirectAnswer } from './answer.ts';
import { availableBalance, type Account } from './account.ts';
import { refuseIfTooLong } from './context.ts';
import { KimiError } from './errors.ts';
import { fallbackFor, type Fallback } from './fallback.ts';
import { KimiHttp, type HttpResponse } from './http.ts';
import { documentsOf, storedFiles } from './stored-file.ts';
import { callsBack, currencyOf } from './models.ts';
import { filesOf, requestFor } from './request.ts';
import { readRefusal } from './refusal.ts';

export interface KimiClientOptions {
  /** Base address, e.g. `https://api.moonshot.cn/v1`: its models apply. */
  apiUrl: string;
  apiKey: string | undefined;
  /** A relay for this API, which does not call back. The relay has the key. */
  relay?: { url: string; token: string | undefined } | undefined;
  /** Where callbacks are received, e.g. `http://localhost:9001`. */
  callbackBaseUrl: string;
  /** What is asked while Kimi is overloaded, behind a relay; nothing else by default. */
  fallback?: Fallback | undefined;
  /** Contents of the tasks' files. */
  contents: Pick<ContentStore, 'get'>;
}

/** Time limit for Kimi's API id, in milliseconds. An API that calls back returns it immediately (docs/http-api.md). */
const ACCEPT_TIMEOUT_MS = 20_000;

const acceptedBody = z.object({ id: z.string().min(1) });

/** Sends tasks to an API that speaks the dispatch call of docs/http-api.md. */
export class KimiClient {
  private readonly http: KimiHttp | undefined;
  /** Address and key for counting tokens: those of the relay, or of the API without a relay. */
  private readonly account: Account;

  constructor(private readonly options: KimiClientOptions) {
    const { apiUrl, apiKey, relay } = options;
    const [url, key] = relay ? [relay.url, relay.token] : [apiUrl, apiKey];
    this.account = { apiUrl: url, apiKey: key, isDirect: relay !== undefined };
    if (key) this.http = new KimiHttp({ url, key, timeoutMs: ACCEPT_TIMEOUT_MS, isDirect: relay !== undefined });
  }

  /** Whether tasks go through the relay, which accepts each task once. */
  get isRelayed(): boolean {
    return this.options.relay !== undefined;
  }

  /**
   * Sends one task and returns its API id. A request that Kimi would refuse, or could not answer, is not sent.
   *
   * @throws {KimiError} its `kind` tells whether the request may be retried.
   */
  async dispatch(task: Task, signal: AbortSignal): Promise<Dispatched> {
    const { apiUrl, relay, callbackBaseUrl, fallback } = this.options;
    if (!this.http) {
      const [type, variable] = relay ? ['no_relay_token', 'KIMI_RELAY_TOKEN'] : ['no_api_key', 'KIMI_API_KEY'];
      throw new KimiError('refused', type, `${variable} is not set in the worker’s environment`);
    }
    const files = filesOf(task);
    const documents = documentsOf(files);
    if (!relay && documents.length > 0) {
      throw new KimiError('refused', 'unread_documents', {
        code: 'unread_documents',
        names: documents.map(({ name }) => name),
      });
    }
    const tools = task.request?.tools ?? [];
    if (!relay && tools.length > 0) throw new KimiError('refused', 'no_tools', { code: 'no_tools', tools });
    if (!relay && task.request?.functions) throw new KimiError('refused', 'no_functions', { code: 'no_functions' });
    if (!relay && task.request?.batch) throw new KimiError('refused', 'no_batch', { code: 'no_batch' });
    const contents = await storedFiles(this.options.contents, files);
    const chat = requestFor(task, apiUrl, contents);
    if (!relay && !callsBack(apiUrl)) {
      const message = `${new URL(apiUrl).host} does not call back. Nothing was sent. Set KIMI_CALLBACKS=relay, or KIMI_API_URL to an API that calls back`;
      throw new KimiError('refused', 'no_callback_provider', message);
    }
    const { account } = this;
    await refuseIfTooLong(account, chat, signal);
    const others =
      relay && fallback && (await fallbackFor(task, chat, fallback, { apiUrl, account, contents, signal }));
    try {
      const response = await this.http.post('chat/completions', {
        signal,
        headers: { 'idempotency-key': task.task_id },
        body: {
          ...chat,
          ...(documents.length > 0 && { files: documents }),
          ...(tools.length > 0 && { kimi_tools: tools }),
          ...(others && { fallback: others }),
          ...(task.request?.batch && { kimi_batch: true }),
          metadata: { task_id: task.task_id, task_name: task.task_name },
          callback_url: callbackUrl(callbackBaseUrl, task.task_id),
        },
      });
      return readAnswer(response, await this.http.readJson(response, MAX_CALLBACK_BYTES), task.task_id);
    } catch (error) {
      // The relay accepts a task once, so a retry is safe.
      if (relay && error instanceof KimiError && error.kind === 'outcome_unknown' && !signal.aborted) {
        throw error.asNotSent('relay_unreachable');
      }
      throw error;
    }
  }

  /** @returns what is left on the account; `undefined` if no price of this API is known, or it does not answer. */
  async balance(): Promise<Money | undefined> {
    const currency = currencyOf(this.options.apiUrl);
    const { value: amount } = currency ? await availableBalance(this.account) : {};
    return amount === undefined || !currency ? undefined : { amount, currency };
  }
}

/** @returns the callback address of a task. */
export function callbackUrl(baseUrl: string, task_id: string): string {
  return `${baseUrl.replace(/\/+$/, '')}/kimi/webhook/${task_id}`;
}

function readAnswer({ statusCode, headers }: HttpResponse, json: unknown, task_id: string): Dispatched {
  if (statusCode < 200 || statusCode >= 300) throw readRefusal(statusCode, headers, json);
  const accepted = acceptedBody.safeParse(json);
  if (!accepted.success) {
    throw new KimiError('outcome_unknown', 'no_api_id', `Kimi answered ${statusCode} without an API id`);
  }
  const answer = parseDirectAnswer(json, task_id);
  return { api_id: accepted.data.id, ...(answer && { answer }) };
}

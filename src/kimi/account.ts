/** Kimi's free endpoints: models, the account's balance, and the tokenizer. */
import { Agent, request, type Dispatcher } from 'undici';
import * as z from 'zod';
import { anySignal } from '../service/any-signal.ts';
import { outboundAgent, unreached, type Unreached } from '../service/outbound.ts';
import type { ChatRequest } from './request.ts';

/** An API and the key for it. */
export interface Account {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  apiUrl: string;
  apiKey: string | undefined;
  /** Whether it is a service of this installation, reached without a proxy. */
  isDirect?: boolean;
}

/** A response, or why there is none. */
export interface ApiResponse<T> {
  /** Absent if the response has another form. */
  value?: T | undefined;
  /** HTTP status; absent without a response. */
  status?: number;
  /** Why there is no response. */
  problem?: Unreached;
  /** How far this machine's clock is ahead of the server's, in milliseconds, within a second or so; absent without a `Date` header. */
  ahead?: number;
}

/** Time limit of a query by a command, in milliseconds. */
const QUERY_MS = 3_000;

/** Time limit of counting a task's tokens, in milliseconds: dispatch has to be quick. */
const ESTIMATE_MS = 1_000;

const models = z.object({ data: z.array(z.object({ id: z.string() })) });
const balance = z.object({ data: z.object({ available_balance: z.number() }) });
const estimate = z.object({ data: z.object({ total_tokens: z.int().nonnegative() }) });

/** @returns the models that a key may use. */
export async function listModels(account: Account): Promise<ApiResponse<string[]>> {
  const response = await query(account, 'models', models, AbortSignal.timeout(QUERY_MS));
  return { ...response, value: response.value?.data.map(({ id }) => id) };
}

/** @returns the available balance, in the host's currency. */
export async function availableBalance(account: Account): Promise<ApiResponse<number>> {
  const response = await query(account, 'users/me/balance', balance, AbortSignal.timeout(QUERY_MS));
  return { ...response, value: response.value?.data.available_balance };
}

/** @returns the number of tokens of a request, or `undefined` without a response in time. */
export async function countTokens(
  account: Account,
  { model, messages }: ChatRequest,
  signal: AbortSignal,
): Promise<number | undefined> {
  const soon = anySignal([signal, AbortSignal.timeout(ESTIMATE_MS)]);
  const response = await query(account, 'tokenizers/estimate-token-count', estimate, soon, { model, messages });
  return response.value?.data.total_tokens;
}

async function query<T extends z.ZodType>(
  { apiUrl, apiKey, isDirect }: Account,
  path: string,
  shape: T,
  signal: AbortSignal,
  body?: object,
): Promise<ApiResponse<z.infer<T>>> {
  const sentAt = Date.now();
  let dispatcher: Dispatcher | undefined;
  try {
    dispatcher = isDirect ? new Agent() : outboundAgent(apiUrl);
    const response = await request(`${apiUrl.replace(/\/+$/, '')}/${path}`, {
      method: body ? 'POST' : 'GET',
      signal,
      dispatcher,
      headers: {
        ...(apiKey && { authorization: `Bearer ${apiKey}` }),
        ...(body && { 'content-type': 'application/json' }),
      },
      body: body ? JSON.stringify(body) : null,
    });
    const date = Date.parse(String(response.headers['date'] ?? ''));
    // The server's time is the middle of the second it names, this machine's the middle of the round trip.
    const ahead = (sentAt + Date.now()) / 2 - (date + 500);
    const text = await response.body.text();
    // The response may quote the key.
    const json = parseJson(apiKey ? text.replaceAll(apiKey, '[KIMI_API_KEY]') : text);
    return { status: response.statusCode, value: shape.safeParse(json).data, ...(!Number.isNaN(ahead) && { ahead }) };
  } catch (error) {
    return { problem: unreached(error) };
  } finally {
    void dispatcher?.close();
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

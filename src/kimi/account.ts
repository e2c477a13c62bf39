/** What Kimi tells for nothing: its models, the account's balance, how many tokens a request has. */
import { Agent, request, type Dispatcher } from 'undici';
import * as z from 'zod';
import { outboundAgent, reachProblem, type ReachProblem } from '../service/outbound.ts';
import { describe } from './http.ts';
import type { ChatRequest } from './models.ts';

/** Where to ask, and with whose key. */
export interface Enquirer {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  apiUrl: string;
  apiKey: string | undefined;
  /** Whether it is a service of this installation: reached without a proxy. */
  isOurs?: boolean;
}

/** What came of a question. */
export interface Told<T> {
  /** Absent where the answer is none that is understood. */
  value?: T | undefined;
  /** HTTP status; absent where no answer came. */
  status?: number;
  /** Why no answer came. */
  problem?: { type: ReachProblem; message: string };
  /** How far our clock is ahead of theirs, in milliseconds, within a second or so; absent where they do not say. */
  ahead?: number;
}

/** How long a person waits for an answer, in milliseconds. */
const ANSWER_MS = 3_000;

/** How long a task waits for its tokens to be counted, in milliseconds: dispatch has to be quick. */
const ESTIMATE_MS = 1_000;

const models = z.object({ data: z.array(z.object({ id: z.string() })) });
const balance = z.object({ data: z.object({ available_balance: z.number() }) });
const estimate = z.object({ data: z.object({ total_tokens: z.int().nonnegative() }) });

/** @returns the models that a key may use. */
export async function listModels(from: Enquirer): Promise<Told<string[]>> {
  const told = await ask(from, 'models', models, AbortSignal.timeout(ANSWER_MS));
  return { ...told, value: told.value?.data.map(({ id }) => id) };
}

/** @returns what can be spent yet, in the money of the host. */
export async function availableBalance(from: Enquirer): Promise<Told<number>> {
  const told = await ask(from, 'users/me/balance', balance, AbortSignal.timeout(ANSWER_MS));
  return { ...told, value: told.value?.data.available_balance };
}

/** @returns how many tokens a request has, or `undefined` where nobody says in time. */
export async function countTokens(
  from: Enquirer,
  { model, messages }: ChatRequest,
  signal: AbortSignal,
): Promise<number | undefined> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(ESTIMATE_MS)]);
  const told = await ask(from, 'tokenizers/estimate-token-count', estimate, soon, { model, messages });
  return told.value?.data.total_tokens;
}

async function ask<T extends z.ZodType>(
  { apiUrl, apiKey, isOurs }: Enquirer,
  path: string,
  shape: T,
  signal: AbortSignal,
  body?: object,
): Promise<Told<z.infer<T>>> {
  const asked = Date.now();
  let dispatcher: Dispatcher | undefined;
  try {
    dispatcher = isOurs ? new Agent() : outboundAgent(apiUrl);
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
    // Their time is the middle of the second it names, ours the middle of the round trip.
    const ahead = (asked + Date.now()) / 2 - (date + 500);
    const text = await response.body.text();
    // An answer that quotes the key must not carry it on.
    const json = parseJson(apiKey ? text.replaceAll(apiKey, '[KIMI_API_KEY]') : text);
    return { status: response.statusCode, value: shape.safeParse(json).data, ...(!Number.isNaN(ahead) && { ahead }) };
  } catch (error) {
    return { problem: { type: reachProblem(error), message: describe(error) } };
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

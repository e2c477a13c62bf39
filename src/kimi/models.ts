import type { Cost, Tokens } from '../shared/result.ts';
import type { Task, TaskRequest } from '../shared/task.ts';
import { KimiError } from './errors.ts';

/** For a million tokens: of the prompt, found in Kimi's cache or not, and of the answer, its reasoning included. */
interface Price {
  hit: number;
  miss: number;
  output: number;
  /** The day it was read. */
  date: string;
}

/** What is known of a model that Moonshot serves. */
export interface Model {
  id: string;
  /** Tokens of prompt and answer together. */
  context: number;
  /**
   * How its thinking is asked for: K2.6 can be told to think or not (`thinking`), K2.7 always thinks, K3 thinks with more
   * or less effort (`reasoning_effort`).
   */
  thinking: 'switch' | 'always' | 'effort';
  /** Whether an answer can be gone on with (`partial: true`). */
  partial: boolean;
  prices: Partial<Record<Cost['currency'], Price>>;
}

const K2_CONTEXT = 262_144;
const K3_CONTEXT = 1_048_576;

/** Third parties' pages on K3.1 are of 24 and 25 October; Moonshot's prices in USD and CNY were read on these days. */
const OCTOBER = '2026-10-25';
const USD = '2026-09-29';
const CNY = '2026-09-01';

/**
 * The models of Moonshot's API as of 2026-11-23. Context and rules: Moonshot's model parameter reference and guides of
 * 2026-09-03, checked against live answers of that week; prices in USD: neurolink's page of 2026-09-29; in CNY: Halro's
 * notes of 2026-09-01; K3.1: pages of apidog, apiyi and Venice of 2026-10-25, and nobody has its prices in CNY.
 * Changes of November are not known.
 *
 * What is written to Kimi's cache costs as much as what is not found there, for the 5 minutes that are the default; we
 * ask for no longer.
 */
export const MODELS: readonly Model[] = [
  {
    id: 'kimi-k2.6',
    context: K2_CONTEXT,
    thinking: 'switch',
    partial: true,
    prices: {
      CNY: { hit: 1.1, miss: 6.5, output: 27, date: CNY },
      USD: { hit: 0.16, miss: 0.95, output: 4, date: USD },
    },
  },
  {
    id: 'kimi-k2.7-code',
    context: K2_CONTEXT,
    thinking: 'always',
    partial: true,
    prices: {
      CNY: { hit: 1.3, miss: 6.5, output: 27, date: CNY },
      USD: { hit: 0.19, miss: 0.95, output: 4, date: USD },
    },
  },
  {
    id: 'kimi-k2.7-code-highspeed',
    context: K2_CONTEXT,
    thinking: 'always',
    partial: true,
    prices: {
      CNY: { hit: 2.6, miss: 13, output: 54, date: CNY },
      USD: { hit: 0.38, miss: 1.9, output: 8, date: USD },
    },
  },
  {
    id: 'kimi-k3',
    context: K3_CONTEXT,
    thinking: 'effort',
    partial: true,
    prices: {
      CNY: { hit: 2, miss: 20, output: 100, date: CNY },
      USD: { hit: 0.3, miss: 3, output: 15, date: USD },
    },
  },
  // Taken for a K3 where nobody says otherwise; that it can be gone on with, nobody says.
  {
    id: 'kimi-k3.1-pro',
    context: K3_CONTEXT,
    thinking: 'effort',
    partial: false,
    prices: { USD: { hit: 0.2, miss: 2, output: 10, date: OCTOBER } },
  },
  {
    id: 'kimi-k3.1-pro-highspeed',
    context: K3_CONTEXT,
    thinking: 'effort',
    partial: false,
    prices: { USD: { hit: 0.2, miss: 4, output: 20, date: OCTOBER } },
  },
];

/** What Moonshot answers 404 to since this day (kimi-api.md), and what took its place: by price, the cheapest. */
export const RETIRED = {
  models: ['moonshot-v1-8k', 'moonshot-v1-32k', 'moonshot-v1-128k', 'kimi-k2.5'],
  date: '2026-08-31',
  successor: 'kimi-k2.6',
} as const;

/** The model where nobody chose one: at Moonshot the cheapest by every price of the table, elsewhere the contract's. */
const DEFAULT_MODEL = { moonshot: RETIRED.successor, elsewhere: 'moonshot-v1-128k' } as const;

/** Moonshot's own hosts, which answer in place and never call back, and the money each is paid in. */
const MOONSHOT_HOSTS: Record<string, Cost['currency']> = { 'api.moonshot.cn': 'CNY', 'api.moonshot.ai': 'USD' };

/** @returns the money that the API at this address is paid in; `undefined` where it is not Moonshot's. */
export function currencyOf(apiUrl: string): Cost['currency'] | undefined {
  const host = new URL(apiUrl).hostname.replace(/\.$/, '');
  return Object.hasOwn(MOONSHOT_HOSTS, host) ? MOONSHOT_HOSTS[host] : undefined;
}

/** @returns whether the API at this address calls back when the answer is there. */
export function callsBack(apiUrl: string): boolean {
  return currencyOf(apiUrl) === undefined;
}

/** @returns what is known of a model, or `undefined`. */
export function modelOf(id: string): Model | undefined {
  return MODELS.find((model) => model.id === id);
}

/** @returns the model's id where the table has it, retired ones too; else `other`: a label of metrics may not take any value. */
export function labelOf(id: string): string {
  return modelOf(id) || (RETIRED.models as readonly string[]).includes(id) ? id : 'other';
}

/** @returns whether Moonshot has retired a model: the whole series `moonshot-v1`, and `kimi-k2.5`. */
function isRetired(id: string): boolean {
  return /^moonshot-v1(?:-|$)/.test(id) || (RETIRED.models as readonly string[]).includes(id);
}

/**
 * The model a task is for.
 *
 * @param wanted the one somebody chose, if anybody did
 * @param apiUrl where the task will be sent; Moonshot's, unless it is said
 * @throws {KimiError} `retired_model`, where it is chosen for one of Moonshot's hosts
 */
export function resolveModel(wanted: string | undefined, apiUrl: string | undefined): string {
  const isMoonshot = apiUrl !== undefined && !callsBack(apiUrl);
  if (wanted === undefined) return isMoonshot || !apiUrl ? DEFAULT_MODEL.moonshot : DEFAULT_MODEL.elsewhere;
  if (isMoonshot && isRetired(wanted)) {
    throw new KimiError(
      'refused',
      'retired_model',
      `${wanted} was retired at Moonshot on ${RETIRED.date}; use ${RETIRED.successor}`,
    );
  }
  return wanted;
}

/** The members of a request besides model and messages. */
export interface ModelParameters {
  temperature?: number;
  max_tokens?: number;
  max_completion_tokens?: number;
  thinking?: { type: 'enabled' | 'disabled' };
  reasoning_effort?: string;
  response_format?: {
    type: 'json_schema';
    json_schema: { name: string; strict: true; schema: Record<string, unknown> };
  };
}

/** What the contract sends to the models it names. */
const CONTRACT_PARAMETERS = { temperature: 0.3, max_tokens: 8000 } as const;

/** Efforts of K3. Kimi itself takes any word and says nothing (kimi-api.md). */
const EFFORTS = ['low', 'high', 'max'];

/** Kimi takes no temperature but these: while a model thinks, and while it does not. */
const FIXED_TEMPERATURE = { thinking: 1, otherwise: 0.6 };

/**
 * What a model is sent besides model and messages: what the user asked for, as that model wants it said, and nothing of
 * our invention but the contract's parameters to the contract's models. Models unknown here are sent what was asked.
 *
 * @throws {KimiError} `bad_parameter`, where the model would refuse it, or would ignore it and be paid all the same
 */
export function parametersFor(id: string, wanted: TaskRequest = {}): ModelParameters {
  const model = modelOf(id);
  const { temperature, max_tokens, json_schema } = wanted;
  checkImages(id, wanted);
  if (model) {
    checkThinking(model, wanted);
    checkTemperature(model, wanted);
    checkCap(model, wanted);
  }
  return {
    ...(id.startsWith('moonshot-v1-') && CONTRACT_PARAMETERS),
    ...(temperature !== undefined && { temperature }),
    // `max_tokens` is the name that others know; Moonshot's own models count their reasoning in.
    ...(max_tokens !== undefined && (model ? { max_completion_tokens: max_tokens } : { max_tokens })),
    ...thinkingOf(model, wanted),
    ...(json_schema && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: json_schema } },
    }),
  };
}

function thinkingOf(model: Model | undefined, { thinking }: TaskRequest): ModelParameters {
  if (thinking === undefined) return {};
  if (thinking !== 'on' && thinking !== 'off') return { reasoning_effort: thinking };
  // What always thinks need not be told to.
  if (model && model.thinking !== 'switch') return {};
  return { thinking: { type: thinking === 'on' ? 'enabled' : 'disabled' } };
}

function checkThinking({ id, thinking: how }: Model, { thinking }: TaskRequest): void {
  if (thinking === undefined || thinking === 'on') return;
  // K3 was seen to honour `disabled` against Moonshot's documents; should it stop, its thinking would be paid for.
  if (thinking === 'off' && how === 'effort') throw badParameter(`${id} always thinks; use --thinking low`);
  if (thinking === 'off' && how === 'always') throw badParameter(`${id} always thinks; leave --thinking out`);
  if (thinking === 'off') return;
  if (how === 'effort' && !EFFORTS.includes(thinking)) {
    throw badParameter(`${id} knows no thinking effort ${thinking}; use ${EFFORTS.join(', ')}`);
  }
  if (how !== 'effort') {
    const choice = how === 'switch' ? 'use --thinking on or off' : 'leave --thinking out';
    throw badParameter(`${id} knows no thinking effort; ${choice}`);
  }
}

function checkTemperature({ id, thinking: how }: Model, { temperature, thinking }: TaskRequest): void {
  const only = FIXED_TEMPERATURE[how === 'switch' && thinking === 'off' ? 'otherwise' : 'thinking'];
  if (temperature !== undefined && temperature !== only) {
    throw badParameter(`${id} takes no temperature but ${only}; leave --temperature out`);
  }
}

function checkCap({ id, context }: Model, { max_tokens }: TaskRequest): void {
  if (max_tokens !== undefined && max_tokens > context) {
    throw badParameter(`${id} has room for ${context} tokens; lower --max-tokens`);
  }
}

/** All of Moonshot's models of today see pictures (its guide to vision; of K3.1, dealers). The contract's read text. */
function checkImages(id: string, { images = [] }: TaskRequest): void {
  if (images.length > 0 && /^moonshot-v1-(?:8k|32k|128k)$/.test(id)) {
    throw badParameter(`${id} takes no pictures; use a model that does, e.g. ${RETIRED.successor}`);
  }
}

function badParameter(message: string): KimiError {
  return new KimiError('refused', 'bad_parameter', message);
}

/**
 * Whether a request that broke off can be gone on with where it stopped, by sending back what there is of the answer
 * (`partial: true`). With JSON or tools it cannot, or not reliably (kimi-api.md, and Moonshot's guide to response_format).
 */
export function supportsPartialMode(id: string, body: { response_format?: unknown; tools?: unknown } = {}): boolean {
  return modelOf(id)?.partial === true && body.response_format === undefined && body.tools === undefined;
}

/**
 * What an answer costs by the table.
 *
 * @returns `undefined` where no price is known: another host, another model, a price nobody has.
 */
export function costOf(tokens: Tokens, id: string, apiUrl: string): Cost | undefined {
  const currency = currencyOf(apiUrl);
  const price = currency && modelOf(id)?.prices[currency];
  if (!price) return undefined;
  const cached = Math.min(tokens.cached ?? 0, tokens.prompt);
  const hundredths =
    inHundredths(price.hit) * cached +
    inHundredths(price.miss) * (tokens.prompt - cached) +
    inHundredths(price.output) * tokens.completion;
  return { amount: hundredths / 100_000_000, currency, price_date: price.date };
}

/** Prices have two decimals: as whole numbers their sums are exact. */
function inHundredths(price: number): number {
  return Math.round(price * 100);
}

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

interface Message {
  role: 'system' | 'user';
  content: string | Part[];
}

/** What a model is asked: the body of a request, without what lets the answer find its way back. */
export type ChatRequest = { model: string; messages: Message[] } & ModelParameters;

/**
 * Makes a task's request, as it is sent to the API at an address.
 *
 * @param apiUrl `undefined` where nobody here knows where the task will be sent
 * @throws {KimiError} `retired_model` or `bad_parameter`, where it would be refused there
 */
export function requestFor(
  { model, prompt, request = {} }: Pick<Task, 'model' | 'prompt' | 'request'>,
  apiUrl: string | undefined,
): ChatRequest {
  const { system, images = [] } = request;
  const pictures = images.map((url): Part => ({ type: 'image_url', image_url: { url } }));
  return {
    model: resolveModel(model, apiUrl),
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      // The contract's form, unless there are pictures.
      { role: 'user', content: pictures.length > 0 ? [...pictures, { type: 'text', text: prompt }] : prompt },
    ],
    ...parametersFor(model, request),
  };
}

/** Tokens that the form of a message may add to its text; a guess on the safe side. */
const TOKENS_OF_FORM = 32;

/** @returns how many tokens the text of a request has at the most: none is shorter than a byte. Pictures are not counted. */
export function mostTokens({ messages }: ChatRequest): number {
  const texts = messages.flatMap(({ content }) => (typeof content === 'string' ? [content] : content.map(textOf)));
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + TOKENS_OF_FORM, 0);
}

function textOf(part: Part): string {
  return part.type === 'text' ? part.text : '';
}

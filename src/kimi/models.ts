import { wrongTypeIn } from '../shared/json-schema.ts';
import type { Cost, Tokens } from '../shared/result.ts';
import type { FunctionTool, TaskRequest } from '../shared/task.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { KimiError } from './errors.ts';

/** Prices per million tokens: of the prompt, in Kimi's cache or not, and of the answer, its reasoning included. */
interface Price {
  hit: number;
  miss: number;
  output: number;
  /** The day it was read. */
  date: string;
}

/** A model that Moonshot serves. */
export interface Model {
  id: string;
  /** Tokens of prompt and answer together. */
  context: number;
  /** Most tokens of an answer, its reasoning included, unless `--max-tokens` says another number. */
  output: number;
  /**
   * How thinking is controlled: K2.6 can switch it on and off (`thinking`), K2.7 always thinks, K3 has levels of effort
   * (`reasoning_effort`).
   */
  thinking: 'switch' | 'always' | 'effort';
  /** Whether an interrupted answer can be continued (`partial: true`). */
  partial: boolean;
  prices: Partial<Record<Cost['currency'], Price>>;
}

const K2_CONTEXT = 262_144;
const K3_CONTEXT = 1_048_576;

/** Default limits of answers: K3's by Moonshot's documentation; K2.6's by can1357/oh-my-pi#1838, assumed for K2.7 too. */
const K2_OUTPUT = 32_768;
const K3_OUTPUT = 131_072;

/** Days on which the prices were read: third parties' pages on K3.1, and Moonshot's in USD and in CNY. */
const K3_1_READ_ON = '2026-10-25';
const USD_READ_ON = '2026-09-29';
const CNY_READ_ON = '2026-09-01';

/**
 * The models of Moonshot's API as of 2026-11-23. Context and rules: Moonshot's model parameter reference and guides of
 * 2026-09-03, checked against live answers of that week; prices in USD: neurolink's page of 2026-09-29; in CNY: Halro's
 * notes of 2026-09-01; K3.1: pages of apidog, apiyi and Venice of 2026-10-25, without prices in CNY.
 * Changes of November are not included.
 *
 * Writing to Kimi's cache costs as much as a cache miss, for the default of 5 minutes, which Kimi Dispatch does not change.
 */
export const MODELS: readonly Model[] = [
  {
    id: 'kimi-k2.6',
    context: K2_CONTEXT,
    output: K2_OUTPUT,
    thinking: 'switch',
    partial: true,
    prices: {
      CNY: { hit: 1.1, miss: 6.5, output: 27, date: CNY_READ_ON },
      USD: { hit: 0.16, miss: 0.95, output: 4, date: USD_READ_ON },
    },
  },
  {
    id: 'kimi-k2.7-code',
    context: K2_CONTEXT,
    output: K2_OUTPUT,
    thinking: 'always',
    partial: true,
    prices: {
      CNY: { hit: 1.3, miss: 6.5, output: 27, date: CNY_READ_ON },
      USD: { hit: 0.19, miss: 0.95, output: 4, date: USD_READ_ON },
    },
  },
  {
    id: 'kimi-k2.7-code-highspeed',
    context: K2_CONTEXT,
    output: K2_OUTPUT,
    thinking: 'always',
    partial: true,
    prices: {
      CNY: { hit: 2.6, miss: 13, output: 54, date: CNY_READ_ON },
      USD: { hit: 0.38, miss: 1.9, output: 8, date: USD_READ_ON },
    },
  },
  {
    id: 'kimi-k3',
    context: K3_CONTEXT,
    output: K3_OUTPUT,
    thinking: 'effort',
    partial: true,
    prices: {
      CNY: { hit: 2, miss: 20, output: 100, date: CNY_READ_ON },
      USD: { hit: 0.3, miss: 3, output: 15, date: USD_READ_ON },
    },
  },
  // Treated as a K3 where nothing else is documented; partial mode is not documented.
  {
    id: 'kimi-k3.1-pro',
    context: K3_CONTEXT,
    output: K3_OUTPUT,
    thinking: 'effort',
    partial: false,
    prices: { USD: { hit: 0.2, miss: 2, output: 10, date: K3_1_READ_ON } },
  },
  {
    id: 'kimi-k3.1-pro-highspeed',
    context: K3_CONTEXT,
    output: K3_OUTPUT,
    thinking: 'effort',
    partial: false,
    prices: { USD: { hit: 0.2, miss: 4, output: 20, date: K3_1_READ_ON } },
  },
];

/** Models that Moonshot answers with 404 since this day, and the successor: the cheapest one. */
export const RETIRED = {
  models: ['moonshot-v1-8k', 'moonshot-v1-32k', 'moonshot-v1-128k', 'kimi-k2.5'],
  date: '2026-08-31',
  successor: 'kimi-k2.6',
} as const;

/**
 * Default model. At Moonshot and in a simulation: the model whose input, output and cached input cost least. Elsewhere: the model in
 * the specification of the API with callbacks; Moonshot has retired it, other servers may serve it (docs/decisions/0008-models.md).
 */
const DEFAULT_MODEL = { moonshot: RETIRED.successor, elsewhere: 'moonshot-v1-128k' } as const;

/** Moonshot's own hosts, which do not call back, and their currencies. */
const MOONSHOT_HOSTS: Record<string, Cost['currency']> = { 'api.moonshot.cn': 'CNY', 'api.moonshot.ai': 'USD' };

/** @returns the currency of the API at this address; `undefined` if it is not Moonshot's. */
export function currencyOf(apiUrl: string): Cost['currency'] | undefined {
  const host = new URL(apiUrl).hostname.replace(/\.$/, '');
  return Object.hasOwn(MOONSHOT_HOSTS, host) ? MOONSHOT_HOSTS[host] : undefined;
}

/** @returns whether the API at this address sends its answers as callbacks. */
export function callsBack(apiUrl: string): boolean {
  return currencyOf(apiUrl) === undefined;
}

/** @returns the model's row of the table, or `undefined`. */
export function modelOf(id: string): Model | undefined {
  return MODELS.find((model) => model.id === id);
}

/** @returns a metric label: the model's id if it is in the table or retired, else `other`. */
export function labelOf(id: string): string {
  return modelOf(id) || (RETIRED.models as readonly string[]).includes(id) ? id : 'other';
}

/** @returns whether Moonshot has retired a model: the whole series `moonshot-v1`, and `kimi-k2.5`. */
function isRetired(id: string): boolean {
  return /^moonshot-v1(?:-|$)/.test(id) || (RETIRED.models as readonly string[]).includes(id);
}

/**
 * @param wanted the chosen model, if any
 * @param apiUrl address of the API; Moonshot's by default
 * @param isSimulated whether the simulated Kimi is used
 * @returns the model of a task
 * @throws {KimiError} `retired_model`, for one of Moonshot's hosts
 */
export function resolveModel(wanted: string | undefined, apiUrl: string | undefined, isSimulated = false): string {
  const isMoonshot = apiUrl !== undefined && !callsBack(apiUrl);
  if (wanted === undefined) {
    return isMoonshot || isSimulated || !apiUrl ? DEFAULT_MODEL.moonshot : DEFAULT_MODEL.elsewhere;
  }
  const retired = retirementOf(wanted);
  if (isMoonshot && retired) throw new KimiError('refused', 'retired_model', retired);
  return wanted;
}

/** @returns when Moonshot retired a model, and its successor; `undefined` if it has not. */
export function retirementOf(model: string): ErrorDetail | undefined {
  const { date, successor } = RETIRED;
  return isRetired(model) ? { code: 'retired', model, date, successor } : undefined;
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
  tools?: { type: 'function'; function: FunctionTool }[];
  tool_choice?: 'none' | 'required' | { type: 'function'; function: { name: string } };
}

/** Default parameters of the models `moonshot-v1-*`. */
const CONTRACT_PARAMETERS = { temperature: 0.3, max_tokens: 8000 } as const;

/** Efforts of K3. Kimi was observed to accept any word without an error. */
const EFFORTS = ['low', 'high', 'max'];

/** @returns the words of `--thinking` for a model. */
export function thinkingWords({ thinking }: Model): string[] {
  if (thinking === 'effort') return ['on', ...EFFORTS];
  return thinking === 'switch' ? ['on', 'off'] : ['on'];
}

/** @returns whether a model thinks less with the one word of `--thinking` than with the other; without one it thinks most. */
export function thinksLess(one: string | undefined, other: string | undefined): boolean {
  const words = ['off', ...EFFORTS];
  const rank = (word = ''): number => (words.includes(word) ? words.indexOf(word) : words.length - 1);
  return rank(one) < rank(other);
}

/** The only temperatures that Kimi accepts: for a model that thinks, and for one that does not. */
const FIXED_TEMPERATURE = { thinking: 1, otherwise: 0.6 };

/**
 * @returns the members of a request besides model and messages: the user's parameters in the form of that model, and the default
 * parameters of `moonshot-v1-*`. Unknown models are sent the user's parameters as they are.
 * @throws {KimiError} `bad_parameter`, if the model would refuse one, or ignore it in a paid request
 */
export function parametersFor(id: string, wanted: TaskRequest = {}): ModelParameters {
  const model = modelOf(id);
  const { temperature, max_tokens, json_schema, images = [] } = wanted;
  checkImages(id, images.length);
  const wrong = wrongTypeIn(json_schema);
  if (wrong !== undefined) throw badParameter({ code: 'no_schema', type: wrong });
  if (model) {
    checkThinking(model, wanted);
    checkTemperature(model, wanted);
    checkCap(model, wanted);
    checkChoice(model, wanted);
  }
  return {
    ...(id.startsWith('moonshot-v1-') && CONTRACT_PARAMETERS),
    ...(temperature !== undefined && { temperature }),
    // Other servers know `max_tokens`; the cap of Moonshot's models includes their reasoning.
    ...(max_tokens !== undefined && (model ? { max_completion_tokens: max_tokens } : { max_tokens })),
    ...thinkingOf(model, wanted),
    ...(json_schema && {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema: json_schema } },
    }),
    ...functionsOf(wanted),
  };
}

function functionsOf({ functions, function_choice: choice }: TaskRequest): ModelParameters {
  if (!functions) return {};
  return {
    tools: functions.map((each) => ({ type: 'function', function: each })),
    ...(choice !== undefined && {
      tool_choice: typeof choice === 'string' ? choice : { type: 'function', function: choice },
    }),
  };
}

function thinkingOf(model: Model | undefined, { thinking }: TaskRequest): ModelParameters {
  if (thinking === undefined) return {};
  if (thinking !== 'on' && thinking !== 'off') return { reasoning_effort: thinking };
  // The others always think.
  if (model && model.thinking !== 'switch') return {};
  return { thinking: { type: thinking === 'on' ? 'enabled' : 'disabled' } };
}

function checkThinking({ id, thinking: how }: Model, { thinking }: TaskRequest): void {
  if (thinking === undefined || thinking === 'on') return;
  // K3 was observed to honour `disabled`, contrary to Moonshot's documents; if that changed, the thinking would be paid for.
  if (thinking === 'off' && how === 'effort') throw badParameter({ code: 'always_thinks', model: id, effort: 'low' });
  if (thinking === 'off' && how === 'always') throw badParameter({ code: 'always_thinks', model: id });
  if (thinking === 'off') return;
  if (how === 'effort' && !EFFORTS.includes(thinking)) {
    throw badParameter({ code: 'no_effort', model: id, effort: thinking, efforts: EFFORTS });
  }
  if (how !== 'effort') {
    throw badParameter({ code: 'no_efforts', model: id, hasSwitch: how === 'switch' });
  }
}

function checkTemperature({ id, thinking: how }: Model, { temperature, thinking }: TaskRequest): void {
  const only = FIXED_TEMPERATURE[how === 'switch' && thinking === 'off' ? 'otherwise' : 'thinking'];
  if (temperature !== undefined && temperature !== only) {
    throw badParameter({ code: 'temperature', model: id, only });
  }
}

function checkCap({ id, context }: Model, { max_tokens }: TaskRequest): void {
  if (max_tokens !== undefined && max_tokens > context) {
    throw badParameter({ code: 'cap', model: id, context });
  }
}

/** While a model thinks, it cannot be made to ask for a certain function; for any, only K3 can (Moonshot's documentation). */
function checkChoice({ id, thinking: how }: Model, { function_choice: choice, thinking }: TaskRequest): void {
  const isMade = choice !== undefined && choice !== 'none';
  const thinks = how !== 'switch' || thinking !== 'off';
  if (!isMade || !thinks || (choice === 'required' && how === 'effort')) return;
  throw badParameter({
    code: 'function_choice',
    model: id,
    choice: choice === 'required' ? choice : choice.name,
    ...(how === 'switch' && { mayNotThink: true }),
  });
}

/** All of Moonshot's current models accept images (its vision guide; for K3.1, third parties). `moonshot-v1-*` do not. */
export function checkImages(id: string, images: number): void {
  if (images > 0 && /^moonshot-v1-(?:8k|32k|128k)$/.test(id)) {
    throw badParameter({ code: 'no_images', model: id, successor: RETIRED.successor });
  }
}

function badParameter(detail: ErrorDetail): KimiError {
  return new KimiError('refused', 'bad_parameter', detail);
}

/**
 * Whether an interrupted answer can be continued by sending its text back (`partial: true`). Not with JSON or tools, or not reliably
 * (Moonshot's guide to response_format).
 */
export function supportsPartialMode(id: string, body: { response_format?: unknown; tools?: unknown } = {}): boolean {
  return modelOf(id)?.partial === true && body.response_format === undefined && body.tools === undefined;
}

/** What a batch costs of the price (Moonshot's documentation). */
const BATCH_SHARE = 0.6;

/** @returns the cost of a batch, with what it saved. */
export function asBatch(cost: Cost): Cost {
  const amount = cost.amount * BATCH_SHARE;
  return { ...cost, amount, saved: cost.amount - amount };
}

/**
 * @returns the cost of an answer by the table; `undefined` if no price is known, i.e. for another host, model or currency.
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

/** @returns whether the price of a model is known. */
export function isPriced(id: string, apiUrl: string): boolean {
  return costOf({ prompt: 0, completion: 0, total: 0 }, id, apiUrl) !== undefined;
}

/** @returns the refusal of a task with a budget, which cannot be kept. */
export function unpriced(model: string, apiUrl: string): KimiError {
  return new KimiError('refused', 'unpriced', { code: 'unpriced', model, host: new URL(apiUrl).host });
}

/** Prices have two decimals: as integers their sums are exact. */
function inHundredths(price: number): number {
  return Math.round(price * 100);
}

/** What a task may cost at most, before it is sent. */
import type { Money, Paid } from '../shared/budget.ts';
import { MAX_CALLS, MAX_ROUNDS } from '../shared/relay.ts';
import type { Cost } from '../shared/result.ts';
import type { Task, TaskRequest } from '../shared/task.ts';
import type { Fallback } from './fallback.ts';
import { withSearches } from './formulas.ts';
import { asBatch, costOf, modelOf, unpriced } from './models.ts';
import { mostTokens, requestFor, sentFiles } from './request.ts';

/**
 * Prompt and answer of the dearest model that may be asked, without Kimi's cache; with tools, as many requests as there may be rounds, but
 * not what the tools return. An answer that is interrupted and asked for again is not counted.
 *
 * @throws {KimiError} `unpriced`, if the price of the task's model is not known
 */
export function mostCost(task: Task, apiUrl: string, fallback?: Fallback): Money {
  const { model, request = {} } = task;
  const others = request.batch ? [] : (fallback?.models ?? []);
  const prompt = promptTokens(task, apiUrl);
  const costs = [model, ...others.map((other) => other.model)].map((id) => mostOf(id, prompt, request, apiUrl));
  const [own] = costs;
  if (!own) throw unpriced(model, apiUrl);
  const amount = Math.max(...costs.map((cost) => cost?.amount ?? 0));
  return { amount, currency: own.currency };
}

/** @returns `undefined` if no price is known */
function mostOf(id: string, promptTokens: number, request: TaskRequest, apiUrl: string): Cost | undefined {
  const model = modelOf(id);
  if (!model) return undefined;
  const { tools = [], max_tokens: completion = model.output, batch } = request;
  const prompt = Math.min(promptTokens, Math.max(0, model.context - completion));
  const requests = tools.length > 0 ? MAX_ROUNDS + 1 : 1;
  const searches = tools.includes('search') ? MAX_CALLS : 0;
  return priceOf(
    {
      model: id,
      tokens: { prompt: prompt * requests, completion: completion * requests, total: (prompt + completion) * requests },
      tool_uses: Array.from({ length: searches }, () => ({ tool: 'search' as const, input: '' })),
      ...(batch && { batch }),
    },
    apiUrl,
  );
}

/** @returns no less than the tokens of a prompt: each has a byte at least, and Kimi reads no more of a file than there is. */
function promptTokens(task: Task, apiUrl: string): number {
  const { images = [] } = task.request ?? {};
  const pictures = [...images, ...(task.conversation ?? []).flatMap((turn) => turn.images ?? [])];
  const files = sentFiles(task, apiUrl).reduce(
    (sum, { bytes, stored_bytes }) => sum + Math.max(bytes, stored_bytes),
    0,
  );
  return mostTokens(requestFor(task, apiUrl)) + files + pictures.reduce((sum, { length }) => sum + length, 0);
}

/** @returns the cost of an answer by the table of prices; `undefined` if no price is known, or it has no tokens. */
export function priceOf({ model, tokens, tool_uses = [], batch }: Paid, apiUrl: string): Cost | undefined {
  const answer = tokens && costOf(tokens, model, apiUrl);
  const whole = answer && withSearches(answer, tool_uses);
  return whole && batch ? asBatch(whole) : whole;
}

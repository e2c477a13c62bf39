/** What is asked in place of a task's request while Kimi is overloaded (`KIMI_FALLBACK`). */
import { isDeepStrictEqual } from 'node:util';
import type { RelayFallback } from '../shared/relay.ts';
import type { Task } from '../shared/task.ts';
import type { Account } from './account.ts';
import { refuseIfTooLong } from './context.ts';
import { KimiError } from './errors.ts';
import { modelOf, thinksLess } from './models.ts';
import { requestFor, type ChatRequest, type FileContents } from './request.ts';

export interface Fallback {
  /** How long Kimi has to be overloaded before the next model is asked, in milliseconds. */
  after_ms: number;
  /** In order. `thinking` as in `TaskRequest`; without it the model thinks as it does by default. */
  models: { model: string; thinking?: string }[];
}

/**
 * Makes the requests to the fallbacks of a task: those behind what it asks for in the list, or all if that is not in it; of its own model
 * only lower efforts. A model that cannot answer the task is left out.
 *
 * @param chat the request of the task itself
 * @param account where tokens are counted
 * @returns `undefined` if there are none
 */
export async function fallbackFor(
  task: Task,
  chat: ChatRequest,
  { after_ms, models }: Fallback,
  {
    apiUrl,
    account,
    contents,
    signal,
  }: { apiUrl: string; account: Account; contents: FileContents; signal: AbortSignal },
): Promise<RelayFallback | undefined> {
  const asked = models.findLastIndex(
    ({ model, thinking }) => model === task.model && !thinksLess(thinking, task.request?.thinking),
  );
  const bodies: RelayFallback['bodies'] = [];
  for (const { model, thinking } of models.slice(asked + 1)) {
    const { thinking: _, temperature, ...request } = task.request ?? {};
    // Each of Moonshot's models accepts one temperature only, its default.
    const isKept = temperature !== undefined && !modelOf(model);
    const wanted = { ...request, ...(thinking !== undefined && { thinking }), ...(isKept && { temperature }) };
    try {
      const { messages, ...body } = requestFor({ ...task, model, request: wanted }, apiUrl, contents);
      await refuseIfTooLong(account, { ...body, messages }, signal);
      const sent = messages.map((message, at) => (isDeepStrictEqual(message, chat.messages[at]) ? at : message));
      bodies.push({ ...body, messages: sent });
    } catch (error) {
      if (!(error instanceof KimiError)) throw error;
    }
  }
  return bodies.length > 0 ? { after_ms, bodies } : undefined;
}

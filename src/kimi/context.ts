import { countTokens, type Account } from './account.ts';
import { KimiError } from './errors.ts';
import { MODELS, modelOf, type Model } from './models.ts';
import { leastTokens, mostTokens, type ChatRequest } from './request.ts';

/**
 * Refuses a request that exceeds its model's context. Kimi's tokenizer is asked only if the text could; without its answer the request is sent.
 *
 * @throws {KimiError} `prompt_too_long`
 */
export async function refuseIfTooLong(account: Account, chat: ChatRequest, signal: AbortSignal): Promise<void> {
  const model = modelOf(chat.model);
  if (!model) return;
  const room = roomIn(model, chat);
  if (mostTokens(chat) <= room) return;
  const tokens = await countTokens(account, chat, signal);
  if (tokens === undefined || tokens <= room) return;
  throw tooLong(model, chat, { tokens });
}

/**
 * Refuses a request that certainly exceeds its model's context, without asking Kimi.
 *
 * @throws {KimiError} `prompt_too_long`
 */
export function refuseIfSurelyTooLong(chat: ChatRequest): void {
  const model = modelOf(chat.model);
  if (!model || mostTokens(chat) <= roomIn(model, chat)) return;
  const tokens = leastTokens(chat);
  if (tokens > roomIn(model, chat)) throw tooLong(model, chat, { tokens, at_least: true });
}

/** Whether Kimi's default cap counts as well is not documented. */
function roomIn({ context }: Model, { max_completion_tokens = 1 }: ChatRequest): number {
  return Math.max(0, context - max_completion_tokens);
}

function tooLong(model: Model, chat: ChatRequest, count: { tokens: number; at_least?: true }): KimiError {
  const larger = MODELS.find((other) => roomIn(other, chat) >= count.tokens);
  return new KimiError('refused', 'prompt_too_long', {
    code: 'too_long',
    ...count,
    model: model.id,
    room: roomIn(model, chat),
    ...(chat.messages.some(({ role }) => role === 'assistant') && { conversation: true }),
    ...(larger && { larger: larger.id }),
  });
}

import { countTokens, type Account } from './account.ts';
import { KimiError } from './errors.ts';
import { MODELS, modelOf } from './models.ts';
import { mostTokens, type ChatRequest } from './request.ts';

/**
 * Refuses a request that exceeds its model's context. Kimi's tokenizer is asked only if the text could; without its answer the request is sent.
 *
 * @throws {KimiError} `prompt_too_long`
 */
export async function refuseIfTooLong(account: Account, chat: ChatRequest, signal: AbortSignal): Promise<void> {
  const model = modelOf(chat.model);
  if (!model) return;
  // Whether Kimi's default cap counts as well is not documented.
  const room = model.context - (chat.max_completion_tokens ?? 1);
  if (mostTokens(chat) <= room) return;
  const tokens = await countTokens(account, chat, signal);
  if (tokens === undefined || tokens <= room) return;
  const larger = MODELS.find(({ context }) => context - (chat.max_completion_tokens ?? 1) >= tokens);
  throw new KimiError('refused', 'prompt_too_long', {
    code: 'too_long',
    tokens,
    model: model.id,
    room: Math.max(0, room),
    ...(chat.messages.some(({ role }) => role === 'assistant') && { conversation: true }),
    ...(larger && { larger: larger.id }),
  });
}

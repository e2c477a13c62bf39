import { withProof } from '../../src/webhook/proof.ts';
import type { AnswerCallback, Callback } from '../../src/shared/callback.ts';
import { CALLBACK_SIGNAL } from '../../src/shared/names.ts';
import { SECRET } from './resources.ts';

/** The example callback of docs/http-api.md, for a task. */
export function callbackFor(task_id: string): AnswerCallback {
  return {
    id: 'cmpl-1707654360-abc123',
    model: 'moonshot-v1-128k',
    usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
    choices: [{ message: { content: '答案' } }],
    metadata: { task_id, task_name: 'calculator' },
  };
}

/** Sends the signal as the webhook does, with its proof of a valid signature. */
export async function passOn(
  handle: { signal(name: string, callback: Callback): Promise<void> },
  callback: Callback,
): Promise<void> {
  await handle.signal(CALLBACK_SIGNAL, withProof(callback, SECRET));
}

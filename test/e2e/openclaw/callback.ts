/** Kimi's callbacks, signed. */
import { expect } from 'vitest';
import type { AnswerCallback } from '../../../src/shared/callback.ts';
import { sign, SIGNATURE_HEADER } from '../../../src/webhook/signature.ts';
import { WEBHOOK_SECRET, type Stage } from './stage.ts';

/** Sends a callback with this answer. */
export async function answer(
  { stack }: Pick<Stage, 'stack'>,
  task_id: string,
  content: string,
  finish_reason = 'stop',
): Promise<void> {
  const callback: AnswerCallback = {
    id: 'cmpl-1',
    model: 'moonshot-v1-128k',
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
    choices: [{ message: { content }, finish_reason }],
    metadata: { task_id },
  };
  const body = JSON.stringify(callback);
  const response = await fetch(`${stack.webhook_url}/kimi/webhook/${task_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, WEBHOOK_SECRET) },
    body,
  });
  expect(response.status).toBe(200);
}

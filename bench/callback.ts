/** The signed callback that the bench, as Kimi, sends to each system. */
import type { AnswerCallback } from '../src/shared/callback.ts';
import { sign, SIGNATURE_HEADER } from '../src/webhook/signature.ts';

export const SECRET = 'the-secret-of-the-bench';
export const MODEL = 'moonshot-v1-128k';

/** Pause before a callback, in milliseconds: what the dispatch has started comes to rest. */
export const SETTLE_MS = 250;

/** About 1300 tokens, as in the example of docs/http-api.md. */
export const ANSWER = '費波那契 def fibonacci(n): …\n'.repeat(150);

/** Kimi's id of a task. */
export const apiId = (task_id: string): string => `cmpl-${task_id}`;

/** @returns headers and body of the request to the webhook */
export function signedCallback(task_id: string): { path: string; headers: Record<string, string>; body: string } {
  const callback: AnswerCallback = {
    id: apiId(task_id),
    model: MODEL,
    usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
    choices: [{ message: { content: ANSWER } }],
    metadata: { task_id, task_name: 'bench' },
  };
  const body = JSON.stringify(callback);
  const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, SECRET) };
  return { path: `/kimi/webhook/${task_id}`, headers, body };
}

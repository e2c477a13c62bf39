import type { AnswerCallback } from '../../src/contract.ts';

/** The contract's example of an answer, for a task. */
export function callbackFor(task_id: string): AnswerCallback {
  return {
    id: 'cmpl-1707654360-abc123',
    model: 'moonshot-v1-128k',
    usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
    choices: [{ message: { content: '答案' } }],
    metadata: { task_id, task_name: 'calculator' },
  };
}

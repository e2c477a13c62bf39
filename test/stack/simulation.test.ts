/** A simulation and the real stack of one home share the engine, but no tasks. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { cleanHome, cli, up } from '../support/cli.ts';
import { serve } from '../support/resources.ts';

interface DispatchBody {
  messages: { content: string }[];
  metadata: object;
}

it('a waiting simulated task is never sent to the real Kimi, and takes no slot of a real task', async () => {
  const prompts: string[] = [];
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { messages, metadata } = JSON.parse(await text(request)) as DispatchBody;
    prompts.push(...messages.map(({ content }) => content));
    const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
    const choices = [{ message: { content: 'the real answer' }, finish_reason: 'stop' }];
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ id: 'cmpl-1', model: 'x', usage, choices, metadata }));
  };
  const kimi = await serve((request, response) => void answer(request, response));
  const env = await cleanHome({
    KIMI_MAX_CONCURRENT_TASKS: '1',
    KIMI_CALLBACKS: 'native',
    KIMI_API_KEY: 'sk-real',
    KIMI_API_URL: `${kimi}/v1`,
  });
  const simulation = await up(env, '--simulate');
  for (const name of ['first', 'second']) {
    const { code } = await cli(['dispatch', `${name} simulated [[simulate: delay=60000]]`], env);
    expect(code).toBe(0);
  }
  await simulation.stop();

  const real = await up(env);
  expect((await cli(['run', 'a real prompt'], env)).stdout).toContain('the real answer');
  expect(prompts).toEqual(['a real prompt']);
  expect((await cli(['list'], env)).stdout).not.toContain('simulated');
  await real.stop();
});

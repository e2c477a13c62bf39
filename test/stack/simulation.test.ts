/** A simulation and the real stack of one home share the engine, but no tasks. */
import { readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Counts } from '../../src/simulator/events.ts';
import { cleanHome, cli, latest, up } from '../support/cli.ts';
import { freePort } from '../support/engine.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, until } from '../support/resources.ts';

it('with the relay, the simulated Kimi streams, and one answer is paid for, saved and announced', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay', KIMI_ON_INTERRUPT: 'retry', KIMI_LANG: 'en' });
  const { state, stop } = await up(env, '--simulate');
  const prompt = 'relayed [[simulate: mark=relayed chunks=10 break=cut after=4 breaks=1]]';
  const ran = await inProcess(['run', prompt], env);
  expect(ran, ran.stderr).toMatchObject({ code: 0 });
  expect((await latest(env)).output).toBe(answerTo(prompt));
  const { completions, wakes, callbacks } = (await (
    await fetch(`${state.simulator_url}/simulator/counts`)
  ).json()) as Counts;
  // The second one continues the answer that was cut.
  expect(completions.map(({ mark, ended }) => [mark, ended])).toEqual([
    ['relayed', 'cut'],
    ['relayed', 'answered'],
  ]);
  expect(callbacks).toEqual({});
  expect(new Set(wakes.map(({ key }) => key)).size).toBe(1);
  await stop();
});

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
    const { code } = await inProcess(['dispatch', `${name} simulated [[simulate: delay=60000]]`], env);
    expect(code).toBe(0);
  }
  await simulation.stop();

  const real = await up(env);
  expect((await inProcess(['run', 'a real prompt'], env)).stdout).toContain('the real answer');
  expect(prompts).toEqual(['a real prompt']);
  expect((await inProcess(['list'], env)).stdout).not.toContain('simulated');
  await real.stop();
});

/** @returns the id of the request that Kimi has accepted. */
async function apiId(task_id: string, env: Record<string, string>): Promise<string | undefined> {
  const { stdout } = await inProcess(['status', task_id, '--json'], env);
  return (JSON.parse(stdout) as { api_id?: string }).api_id;
}

it('what the simulated Kimi has accepted is answered after a kill -9 of everything', { timeout: 60_000 }, async () => {
  const env = await cleanHome({ WEBHOOK_PORT: String(await freePort()) });
  const { pid, children } = (await up(env, '--simulate')).state;
  const { stdout } = await inProcess(['dispatch', '-p', 'x [[simulate: delay=4000]]', '--json'], env);
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  const accepted = await until(async () => await apiId(task_id, env));
  for (const each of [pid, ...children.map((child) => child.pid)]) process.kill(each, 'SIGKILL');
  await until(async () => (await cli(['down'], env)).code === 0);
  await up(env, '--simulate');
  const waited = await cli(['wait', task_id], env);
  expect(waited, waited.stderr).toMatchObject({ code: 0 });
  expect(await latest(env)).toMatchObject({ task_id, status: 'done' });
  expect(await apiId(task_id, env)).toBe(accepted);
  const kept = join(env['HOME'] ?? '', '.local/share/kimi-dispatch/simulator');
  await until(async () => (await readdir(kept)).length === 0);
});

it(
  'a simulated Kimi that is killed alone comes back at its address: its task and the next one are answered',
  { timeout: 60_000 },
  async () => {
    const env = await cleanHome();
    const { simulator_url, children } = (await up(env, '--simulate')).state;
    const dispatched = async (prompt: string): Promise<string> => {
      const { stdout } = await inProcess(['dispatch', '-p', prompt, '--json'], env);
      return (JSON.parse(stdout) as { task_id: string }).task_id;
    };
    const open = await dispatched('x [[simulate: delay=4000]]');
    await until(async () => await apiId(open, env));
    process.kill(children.at(-1)?.pid ?? 0, 'SIGKILL');
    const next = await dispatched('y [[simulate: delay=0]]');
    for (const task_id of [open, next]) {
      const waited = await cli(['wait', task_id], env);
      expect(waited, waited.stderr).toMatchObject({ code: 0 });
    }
    // The one before was paid at the simulated Kimi that was killed.
    const { billed } = (await (await fetch(`${simulator_url}/simulator/counts`)).json()) as Counts;
    expect(billed).toBe(1);
  },
);

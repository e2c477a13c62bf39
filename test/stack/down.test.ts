/** `down` while Kimi answers through the relay. */
import { expect, it } from 'vitest';
import { cleanHome, cli, latest, launch, onTerminal, up } from '../support/cli.ts';
import { until } from '../support/resources.ts';

const SAID = 'Kimi is answering 1 task through the relay.';

async function answering(env: Record<string, string>, prompt: string): Promise<void> {
  await cli(['dispatch', prompt, '-n', 'slow'], env);
  await until(async () => (await cli(['list', '--status', 'dispatched'], env)).stdout.includes('slow'));
}

it('says what a stop interrupts, asks in a terminal, and waits for the answer with --wait', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay', KIMI_LANG: 'en' });
  const { ended } = await up(env, '--simulate');
  await answering(env, 'x [[simulate: delay=12000]]');

  const no = await onTerminal(['down'], 'n\n', env);
  expect(no).toMatchObject({ code: 9, stdout: expect.stringContaining('Nothing was stopped.') });
  expect(no.stdout).toContain(SAID);

  const waited = await cli(['down', '--wait'], env);
  expect(waited).toMatchObject({ code: 0, stdout: 'Stopped.\n', stderr: expect.stringContaining('answered 1 task;') });
  await ended;
  await up(env, '--simulate');
  expect(await cli(['wait', 'slow'], env)).toMatchObject({ code: 0 });
  expect(await latest(env)).toMatchObject({ task_name: 'slow', status: 'done' });
});

it('without a terminal says it and stops; whoever waits is not promised the answer', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay', KIMI_LANG: 'en' });
  await up(env, '--simulate');
  await answering(env, 'x [[simulate: delay=60000]]');
  const waiting = launch(['wait', 'slow'], env);
  await until(() => waiting.said.stderr.includes('waiting for Kimi'));
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: expect.stringContaining(SAID) });
  const { code, stderr } = await waiting.ended;
  expect(code).toBe(5);
  expect(stderr).toContain('kimi-dispatch retry kimi-');
  await up(env, '--simulate');
  expect(await cli(['wait', 'slow'], env)).toMatchObject({ code: 6 });
});

it('callbacks of Kimi itself are not asked about', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'native', KIMI_LANG: 'en' });
  await up(env, '--simulate');
  await answering(env, 'x [[simulate: delay=60000]]');
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: 'Stopping…\n' });
});

it('a batch is made once whatever happens to the relay, so it is not asked about', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay', KIMI_LANG: 'en' });
  await up(env, '--simulate');
  await cli(['dispatch', '--batch', 'x [[batch: delay=60000]]', '-n', 'slow'], env);
  await until(async () => (await cli(['status', 'slow', '--json'], env)).stdout.includes('"phase": "batch"'));
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: 'Stopping…\n' });
});

/** `down` while Kimi answers through the relay. */
import { expect, it } from 'vitest';
import { cleanHome, cli, latest, launch, onTerminal, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { until } from '../support/resources.ts';

const SAID = 'Kimi is answering 1 task through the relay.';

async function answering(env: Record<string, string>, prompt: string, name: string): Promise<void> {
  await inProcess(['dispatch', prompt, '-n', name], env);
  await until(async () => (await inProcess(['list', '--status', 'dispatched'], env)).stdout.includes(name));
}

// One home, as every stack takes seconds of a core to start.
it('says what a stop interrupts, asks in a terminal, and waits for the answer with --wait; without a terminal it stops', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'relay', KIMI_LANG: 'en' });
  const { ended } = await up(env, '--simulate');
  await answering(env, 'x [[simulate: delay=20000]]', 'slow');

  const no = await onTerminal(['down'], 'n\n', env);
  expect(no).toMatchObject({ code: 9, stdout: expect.stringContaining('Nothing was stopped.') });
  expect(no.stdout).toContain(SAID);

  const waited = await cli(['down', '--wait'], env);
  expect(waited).toMatchObject({ code: 0, stdout: 'Stopped.\n', stderr: expect.stringContaining('answered 1 task;') });
  await ended;
  await up(env, '--simulate');
  expect(await inProcess(['wait', 'slow'], env)).toMatchObject({ code: 0 });
  expect(await latest(env)).toMatchObject({ task_name: 'slow', status: 'done' });

  // Whoever waits is not promised the answer.
  await answering(env, 'x [[simulate: delay=60000]]', 'interrupted');
  const waiting = launch(['wait', 'interrupted'], env);
  await until(() => waiting.said.stderr.includes('waiting for Kimi'));
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: expect.stringContaining(SAID) });
  const { code, stderr } = await waiting.ended;
  expect(code).toBe(5);
  expect(stderr).toContain('kimi-dispatch retry kimi-');
  await up(env, '--simulate');
  expect(await inProcess(['wait', 'interrupted'], env)).toMatchObject({ code: 6 });

  // A batch is made once whatever happens to the relay, so it is not asked about.
  await inProcess(['dispatch', '--batch', 'x [[batch: delay=60000]]', '-n', 'batch'], env);
  await until(async () => (await inProcess(['status', 'batch', '--json'], env)).stdout.includes('"phase": "batch"'));
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: 'Stopping…\n' });
});

it('callbacks of Kimi itself are not asked about', async () => {
  const env = await cleanHome({ KIMI_CALLBACKS: 'native', KIMI_LANG: 'en' });
  await up(env, '--simulate');
  await answering(env, 'x [[simulate: delay=60000]]', 'slow');
  expect(await cli(['down'], env)).toMatchObject({ code: 0, stderr: 'Stopping…\n' });
});

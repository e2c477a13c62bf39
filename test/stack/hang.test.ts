/** Services with a blocked event loop are restarted; stopped or slow ones are not. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { bundleWorkflowCode, DefaultLogger } from '@temporalio/worker';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import type { StackState } from '../../src/stack/state.ts';
import { Watchdog } from '../../src/stack/watchdog.ts';
import { cleanHome, cli, launch, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { install } from '../support/install.ts';
import { until } from '../support/resources.ts';

/** One second of the watchdog, on fake timers. */
const SECOND_MS = 1_000;

/** CPU time that a loop uses before it is looked at again, in clock ticks of 10 ms. */
const LOOP_TICKS = 200;

/** @returns the CPU time that a process used, in clock ticks: field 14 of proc(5). */
async function ticksOf({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[11]);
}

function start(script: string): ChildProcess {
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}

/** @returns how often a watchdog of the process has reported a hang */
function watched(child: ChildProcess) {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const onHang = vi.fn<() => void>();
  const watchdog = new Watchdog(child.pid ?? 0, onHang);
  onTestFinished(() => watchdog.stop());
  return { onHang, watchdog };
}

it('an endless loop is detected after three seconds without a heartbeat', async () => {
  const loop = start('for (;;);');
  const { onHang } = watched(loop);
  vi.advanceTimersByTime(2 * SECOND_MS);
  const before = await ticksOf(loop);
  while ((await ticksOf(loop)) < before + LOOP_TICKS);
  expect(onHang).not.toHaveBeenCalled();
  vi.advanceTimersByTime(SECOND_MS);
  expect(onHang).toHaveBeenCalledTimes(1);
  vi.advanceTimersByTime(60 * SECOND_MS);
  expect(onHang).toHaveBeenCalledTimes(1);
});

it('a process without CPU time, or one that waits, has half a minute', async () => {
  const { onHang, watchdog } = watched(start('setInterval(() => {}, 1000)'));
  for (const last of [29, 29]) {
    vi.advanceTimersByTime(last * SECOND_MS);
    watchdog.reported();
  }
  expect(onHang).not.toHaveBeenCalled();
  vi.advanceTimersByTime(30 * SECOND_MS);
  expect(onHang).toHaveBeenCalledTimes(1);
});

it('a stopped process does not count as hanging, nor one that slept together with the machine', async () => {
  const stopped = start('setInterval(() => {}, 1000)');
  stopped.kill('SIGSTOP');
  await until(async () => /^State:\tT/m.test(await readFile(`/proc/${stopped.pid}/status`, 'utf8')));
  const { onHang } = watched(stopped);
  vi.advanceTimersByTime(60 * SECOND_MS);
  stopped.kill('SIGCONT');
  for (let sleeps = 0; sleeps < 10; sleeps++) {
    vi.advanceTimersByTime(9 * SECOND_MS);
    vi.setSystemTime(Date.now() + 3_600_000);
    vi.advanceTimersByTime(SECOND_MS);
  }
  expect(onHang).not.toHaveBeenCalled();
});

it('a workflow in an endless loop does not block the services: callbacks are accepted between restarts, and finally during the loop', async () => {
  const copy = await install();
  const bundle = await bundleWorkflowCode({
    workflowsPath: fileURLToPath(new URL('../support/looping-workflow.ts', import.meta.url)),
    logger: new DefaultLogger('ERROR'),
  });
  // The file is a hard link.
  await rm(join(copy, 'dist/workflows.cjs'));
  await writeFile(join(copy, 'dist/workflows.cjs'), bundle.code);
  const env = await cleanHome({ KIMI_LANG: 'en' });
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  const up = await launch(['up', '--detach', '--simulate'], env, join(copy, 'dist/kimi-dispatch.cjs')).ended;
  expect(up, up.stderr).toMatchObject({ code: 0 });
  onTestFinished(async () => void (await cli(['down'], env)));
  const log = async (): Promise<string> => await readFile(join(home, 'logs/up.log'), 'utf8');
  const hangs = async (): Promise<number> => (await log()).split('The services did not respond').length - 1;

  const waiting = await inProcess(['dispatch', '-n', 'waiting', 'x [[simulate: delay=5000]]', '--json'], env);
  expect(waiting, waiting.stderr).toMatchObject({ code: 0 });
  const { task_id } = JSON.parse(waiting.stdout) as { task_id: string };
  const endless = launch(['dispatch', '-n', 'endless', 'x'], env);
  await until(async () => (await hangs()) >= 1);
  const { webhook_url } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
  await until(async () => (await hangs()) >= 2);
  endless.child.kill();
  // From now on a thread of the SDK runs the workflow, and terminates it.
  const saved = join(resultsOf(env), `${task_id}.json`);
  const result = await until(async () => {
    const text = await readFile(saved, 'utf8').catch(() => '');
    return text === '' ? undefined : (JSON.parse(text) as ResultFile);
  });
  expect(result).toMatchObject({ status: 'done' });
  expect((await fetch(`${webhook_url}/readyz`)).status).toBe(200);
  const next = await inProcess(['dispatch', '-n', 'next', 'y [[simulate: delay=0]]', '--json'], env);
  expect(next, next.stderr).toMatchObject({ code: 0 });
  expect(await hangs()).toBe(2);
}, 300_000);

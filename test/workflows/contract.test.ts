/** The required behaviours of a task, one test each. */
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { request } from 'undici';
import { describe, expect, inject, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { freePort } from '../support/engine.ts';
import { temporaryFolder } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const run = promisify(execFile);

/** The environment of a user without any of our settings. */
async function newcomer(): Promise<NodeJS.ProcessEnv> {
  const home = await temporaryFolder();
  return { PATH: process.env['PATH'], HOME: home, TEMPORAL_CLI_PATH: inject('temporalCli') };
}

describe('dispatch', () => {
  it('no API key: error', async () => {
    const dispatching = run(join(PACKAGE_ROOT, 'scripts/dispatch-kimi.sh'), ['-p', 'x', '-n', 'y'], {
      // An address without a server: a running stack of this machine's user must not get tasks.
      env: { ...(await newcomer()), KIMI_TEMPORAL_PORT: String(await freePort()) },
    });
    await expect(dispatching).rejects.toMatchObject({ code: 3, stderr: expect.stringContaining('KIMI_API_KEY') });
  });

  it('no prompt: error', async () => {
    const dispatching = run(join(PACKAGE_ROOT, 'scripts/dispatch-kimi.sh'), ['-n', 'y'], { env: await newcomer() });
    await expect(dispatching).rejects.toMatchObject({ code: 2, stderr: expect.stringContaining('沒有內容') });
  });

  it('API call: API id returned', async () => {
    const world = await openWorld();
    expect(await world.start('x')).toMatchObject({ status: 'accepted', api_id: expect.stringMatching(/^cmpl-/) });
  });
});

describe('webhook', () => {
  it('bad signature: refused', async () => {
    const { webhookUrl } = await openWorld({ worker: false });
    const { statusCode } = await request(`${webhookUrl}/kimi/webhook/kimi-1-1`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-kimi-signature': 'bad' },
      body: '{}',
    });
    expect(statusCode).toBe(401);
  });

  it('result: file written', async () => {
    const world = await openWorld();
    const started = await world.start('x');
    await world.handle(started).result();
    expect(JSON.parse(await readFile(world.results.resultPath(started.task_id), 'utf8'))).toMatchObject({
      task_id: started.task_id,
      status: 'done',
    });
  });

  it('wake: gateway woken', async () => {
    const world = await openWorld();
    const started = await world.start('x');
    await world.handle(started).result();
    // The text ends with the task id: gateways drop an event with the same text as an earlier one.
    const text = `Kimi 任務完成：calculator（${started.task_id}）`;
    expect(world.counts.wakes).toEqual([{ key: started.task_id, text }]);
  });
});

it('whole: ./run-kimi.sh "寫一個 Python 費波那契函數", then jq .status results/latest.json: "done"', async () => {
  const env = await newcomer();
  await run(join(PACKAGE_ROOT, 'run-kimi.sh'), ['--simulate', '寫一個 Python 費波那契函數'], { env });
  const file = join(env['HOME'] ?? '', '.openclaw/workspace/kimi-dispatch/results/latest.json');
  expect(JSON.parse(await readFile(file, 'utf8'))).toMatchObject({ status: 'done' });
});

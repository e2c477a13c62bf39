/** What the services log. */
import { execFile } from 'node:child_process';
import { promisify, stripVTControlCharacters } from 'node:util';
import { expect, inject, it } from 'vitest';
import { parseLogLine, readable } from '../../src/service/log-line.ts';
import { DIST } from '../../src/service/files.ts';
import { launch } from '../support/service.ts';
import { SECRET } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

it('each step of a task is one line with its id, without prompt and answer', async () => {
  const world = await openWorld({ worker: false });
  const worker = await launch('worker', {
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_TASK_QUEUE: world.taskQueue,
    KIMI_API_URL: `${world.simulatorUrl}/v1`,
    KIMI_API_KEY: 'sk-test',
    WEBHOOK_SECRET: SECRET,
    KIMI_CALLBACK_BASE_URL: world.webhookUrl,
    OPENCLAW_WAKE_URL: `${world.simulatorUrl}/hooks/wake`,
    KIMI_RESULTS_DIR: world.results.folder,
    KIMI_LOG_LEVEL: 'trace',
  });
  let all = '';
  worker.child.stdout.on('data', (chunk: Buffer) => (all += chunk.toString()));
  await worker.says('ready');
  const { task_id } = await world.start('a distinctive prompt', { task_name: 'distinctive-name' });
  await world.handle({ task_id }).result();
  for (const words of ['dispatched', 'saved', 'agent woken', 'acknowledged']) {
    expect(await worker.says(words)).toMatchObject({ msg: words, task_id });
  }
  expect(all).toContain(task_id);
  expect(all).not.toMatch(/distinctive|fibonacci/);
});

/** Without colours, which depend on the terminal. */
function read(line: object): string {
  return stripVTControlCharacters(readable(parseLogLine(JSON.stringify(line), '')));
}

it('is formatted in a terminal', () => {
  const line = {
    level: 40,
    time: 0,
    name: 'webhook',
    pid: 1,
    hostname: 'h',
    path: '/x\u001B[2J',
    status: 401,
    msg: 'refused',
  };
  expect(read(line)).toBe('00:00:00.000 warn  webhook refused path=/x [2J status=401\n');
  const broken = {
    level: 50,
    time: 0,
    name: 'worker',
    msg: 'lost',
    err: { message: 'no', stack: 'Error: no\n  at x' },
  };
  expect(read(broken)).toBe('00:00:00.000 error worker lost\n    Error: no\n      at x\n');
});

it('a service detects whether its output is one', async () => {
  const program = "require('node:child_process');process.stdout.isTTY=true;import(process.argv[1])";
  const env = { PATH: process.env['PATH'], NO_COLOR: '1' };
  const run = promisify(execFile)(process.execPath, ['-e', program, `${DIST}/webhook.js`], { env });
  const { stdout } = (await run.catch((error: unknown) => error)) as { stdout: string };
  expect(stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} error webhook WEBHOOK_SECRET is not set/);
});

/** `wait`, `retry`, `rm`, `prune`, `report` and `version`, against a running service; the rotation of its logs. */
import { execFile } from 'node:child_process';
import { statSync } from 'node:fs';
import { mkdir, readFile, readdir, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { Webhook } from 'standardwebhooks';
import { describe, expect, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { ResultStore } from '../../src/results/store.ts';
import type { StackState } from '../../src/stack/state.ts';
import { pendingOf, type ResultFile } from '../../src/shared/result.ts';
import { cleanHome, cli, onTerminal, resultsOf, up, type Ended } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, shared, until } from '../support/resources.ts';

const home = shared(async () => {
  const env = await cleanHome({
    KIMI_LANG: 'en',
    KIMI_API_PORT: '0',
    KIMI_NOTIFY_ALLOW: '127.0.0.1',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
  });
  await up(env, '--simulate');
  return env;
});

async function run(...args: string[]): Promise<Ended> {
  return await inProcess(args, home());
}

async function started(...args: string[]): Promise<string> {
  const { stdout, stderr } = await run('dispatch', '--json', ...args);
  expect(stdout, stderr).toContain('task_id');
  return (JSON.parse(stdout) as { task_id: string }).task_id;
}

async function resultOf(task_id: string): Promise<ResultFile> {
  return JSON.parse((await run('result', task_id, '--json')).stdout) as ResultFile;
}

/** What the running stack says of itself. */
async function stack(): Promise<StackState> {
  return JSON.parse(
    await readFile(join(home()['HOME'] ?? '', '.local/share/kimi-dispatch/stack.json'), 'utf8'),
  ) as StackState;
}

it('token creates, lists and revokes what the API over TCP takes; standard output has the token alone', async () => {
  const { http_api_url: url } = await stack();
  const created = await run('token', 'create', 'ci');
  expect(created).toMatchObject({ code: 0, stdout: expect.stringMatching(/^kimi_dispatch_[\w-]{43}\n$/) as string });
  expect(created.stderr).toBe(
    'Token ci (submit, read) created. It is shown this once only: store it. To use it: Authorization: Bearer TOKEN\n',
  );
  const headers = { authorization: `Bearer ${created.stdout.trim()}` };
  const statusOf = async (): Promise<number> => (await fetch(`${url}/v1/tasks`, { headers })).status;
  expect(await statusOf()).toBe(200);
  expect(await run('token', 'create', 'ci')).toMatchObject({ code: 2, stdout: '' });
  expect(await run('token', 'create', 'a b')).toMatchObject({ code: 2 });
  expect(await run('token', 'create', 'b', '--scope', 'write')).toMatchObject({ code: 2 });
  const { stdout } = await run('token', 'list', '--json');
  const token = { name: 'ci', scopes: ['submit', 'read'], created_at: expect.any(String) as string };
  expect(JSON.parse(stdout)).toEqual([token]);
  expect((await run('token', 'list')).stdout).toMatch(/ci +(?:│ +)?submit, read/);
  expect(await run('token', 'revoke', 'ci')).toMatchObject({ code: 0 });
  expect(await statusOf()).toBe(401);
  expect(await run('token', 'revoke', 'ci')).toMatchObject({ code: 2 });
});

it('webhook tests a receiver, whose tasks are reported by the services with the same secret', async () => {
  const { stdout } = await run('webhook', 'secret');
  const secret = stdout.trim();
  const types: string[] = [];
  const url = await serve(
    (request, response) =>
      void text(request).then((body) => {
        new Webhook(secret).verify(body, request.headers as Record<string, string>);
        types.push((JSON.parse(body) as { type: string }).type);
        return response.writeHead(types.length === 2 ? 500 : 200).end();
      }),
  );
  const accepted = await run('webhook', 'test', `${url}/secret-path`);
  expect(accepted).toMatchObject({ code: 0, stderr: '' });
  expect(accepted.stdout).toMatch(`${url} accepted the test event: it answered 200 in `);
  expect(await run('webhook', 'test', `${url}/secret-path`)).toMatchObject({
    code: 6,
    stderr: `The test event was not accepted: ${url} answered 500\n`,
  });
  const refused = await run('dispatch', 'x', '--notify', 'http://169.254.169.254/');
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toBe(
    'Nothing was sent: events are sent to public addresses only; if this one is meant, add its host to KIMI_NOTIFY_ALLOW.\n',
  );
  await started('x [[simulate: delay=0]]', '-n', 'reported', '--notify', url);
  await until(() => types.length === 3);
  await until(async () => (await run('status', 'reported')).stdout.includes(`  ${url}: delivered, `));
  // A task again has the receiver of the first one.
  expect(await run('retry', 'reported')).toMatchObject({ code: 0 });
  await until(() => types.length === 4);
  expect(types).toEqual(['webhook.test', 'webhook.test', 'task.done', 'task.done']);
  expect(await run('webhook', 'list')).toMatchObject({ code: 0 });
  expect(await run('webhook', 'drop', 'kimi-1-1')).toMatchObject({ code: 4 });
});

describe('wait', () => {
  it('waits until each task has a result, and exits as the first one without an answer', async () => {
    const slow = await started('slow [[simulate: delay=1500]]', '-n', 'slow');
    const failing = await started('x [[simulate: delay=0 fail=1]]', '-n', 'failing');
    const { code, stdout } = await run('wait', slow, 'failing');
    expect(code).toBe(6);
    expect(stdout).toBe(`${slow}  slow  done\n${failing}  failing  failed\n`);
    expect(await run('wait', slow)).toMatchObject({ code: 0 });
    expect(await run('wait', 'kimi-1-1')).toMatchObject({ code: 4 });
  });
});

describe('retry', () => {
  it('starts a new task with the same question, name, model and settings, and says that it is paid anew', async () => {
    const file = join(home()['HOME'] ?? '', 'system.txt');
    await writeFile(file, 'You are brief.');
    const options = ['-n', 'again', '--system', file, '--max-tokens', '99', '--timeout', '90s', '--priority', '2'];
    const first = await started('an old question [[simulate: delay=0]]', ...options, '-m', 'kimi-k2.5');
    await run('wait', first);
    const { code, stdout, stderr } = await run('retry', first, '--json');
    expect(code).toBe(0);
    expect(stderr).toContain(`question of task ${first} again as a new task; Kimi is paid again`);
    const { task_id: second } = JSON.parse(stdout) as { task_id: string };
    expect(second).not.toBe(first);
    await run('wait', second);
    const [before, after] = [await resultOf(first), await resultOf(second)];
    expect(after).toMatchObject({
      task_name: 'again',
      model: before.model,
      prompt: 'an old question [[simulate: delay=0]]',
      request: { system: 'You are brief.', max_tokens: 99 },
      timeout_ms: 90_000,
      priority: 2,
    });
    const other = await run('retry', first, '-m', 'kimi-k3', '--json');
    const { task_id: third } = JSON.parse(other.stdout) as { task_id: string };
    await run('wait', third);
    expect(await resultOf(third)).toMatchObject({ model: 'kimi-k3', request: { max_tokens: 99 } });
  });

  it('of a continued task whose first one was removed names the task that was typed, and starts nothing', async () => {
    const parent = await started('one [[simulate: delay=0]]', '-n', 'parent');
    await run('wait', parent);
    const child = await started('two [[simulate: delay=0]]', '-n', 'child', '--continue', 'parent');
    await run('wait', child);
    await until(async () => (await run('list', '--name', 'child')).stdout.includes('done'));
    await until(async () => (await run('rm', parent, '--yes')).code === 0);
    const { code, stdout, stderr } = await run('retry', 'child');
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    expect(stderr).toContain(`The conversation of task ${child} is not whole: the result file of ${parent}`);
    expect(stderr).not.toContain('Dispatching');
  });

  it('refuses a task without a result, and one whose question was not kept: nothing is started', async () => {
    const open = await started('x [[simulate: drop=1]]', '-n', 'open');
    const store = new ResultStore(resultsOf(home()));
    const older = { task_id: 'kimi-1707654321-7', task_name: 'older', status: 'done', model: 'kimi-k2.6' } as const;
    await store.persist({ ...older, output: 'x', created_at: '2026-02-17T15:30:00Z' });
    const count = async (): Promise<number> => (JSON.parse((await run('list', '--json')).stdout) as object[]).length;
    await until(async () => (await run('list', '--name', 'open')).stdout.includes(open));
    const before = await count();
    expect(await run('retry', open)).toMatchObject({ code: 9 });
    expect(await run('retry', older.task_id)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('saved by an older version'),
    });
    expect(await count()).toBe(before);
  });
});

it('a simulated task is marked: in list, status, result, inbox and export', async () => {
  const task_id = await started('x [[simulate: delay=0]]', '-n', 'made-up');
  await run('wait', task_id);
  expect(await resultOf(task_id)).toMatchObject({ simulated: true });
  expect((await run('status', task_id)).stdout).toContain('done (simulated)');
  expect((await run('result', task_id)).stderr).toBe('(Simulation: the real Kimi is not called)\n');
  await until(async () => (await run('list', '--name', 'made-up')).stdout.includes('done (simulated)'));
  expect((await run('export', '--name', 'made-up')).stdout).toContain('done (simulated)');
  const [row] = (await run('export', '--name', 'made-up', '--csv')).stdout.split('\r\n').slice(1);
  expect(row).toContain(`"${task_id}","made-up","done","true"`);
});

describe('status without a task', () => {
  it('shows the services and the newest tasks, with times as a reader says them', async () => {
    const task_id = await started('x [[simulate: delay=0]]', '-n', 'newest');
    await until(async () => (await run('list', '-l', '1')).stdout.includes(task_id));
    const { code, stdout } = await run('status');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Kimi Dispatch is running\n\n {2}Temporal +127\.0\.0\.1:/);
    expect(stdout).toMatch(new RegExp(`^${task_id} +newest .*(?:now|seconds? ago)$`, 'm'));
    const json = JSON.parse((await run('status', '--json')).stdout) as { tasks: { task_id: string }[] };
    expect(json).toMatchObject({ running: true, stack: { simulated: true } });
    expect(json.tasks[0]).toMatchObject({ task_id });
  });

  it('shows a chat its tasks, and nothing of this machine', async () => {
    const { stdout } = await run('status', '--route', '{"channel":"telegram","to":"4242"}');
    expect(stdout).toBe('There are no tasks yet.\n');
  });

  it('says that nothing runs, and lists what is saved', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    expect(await inProcess(['status'], env)).toMatchObject({
      code: 5,
      stdout: 'No service is running; start it with kimi-dispatch up --detach.\n',
    });
    const older = { task_id: 'kimi-1707654321-7', task_name: 'saved', status: 'done', model: 'kimi-k2.6' } as const;
    await new ResultStore(resultsOf(env)).persist({ ...older, output: 'x', created_at: '2026-02-17T15:30:00Z' });
    expect(await inProcess(['status'], env)).toMatchObject({ code: 5, stdout: expect.stringContaining('saved') });
    const { stdout } = await inProcess(['status', '--json'], env);
    expect(JSON.parse(stdout)).toMatchObject({ running: false, tasks: [{ task_name: 'saved' }] });
  });

  it.each(['en', 'zh-TW'] as const)('shows what Kimi had accepted when the services stopped, %s', async (lang) => {
    const env = await cleanHome({ KIMI_LANG: lang });
    const task_id = 'kimi-1707654321-8';
    const open = { task_id, task_name: 'owner', model: 'kimi-k2.6', simulated: true } as const;
    await new ResultStore(resultsOf(env)).recordPending(pendingOf(open, '2026-02-17T15:30:00Z'));
    const again = 'kimi-dispatch up --detach --simulate';
    const said = lang === 'en' ? 'must not be dispatched again' : '請不要重新派發';
    const status = await inProcess(['status'], env);
    expect(status).toMatchObject({ code: 5, stdout: expect.stringMatching(new RegExp(`${task_id} +owner `)) });
    expect(status.stdout).toContain(said);
    expect(status.stdout).toContain(lang === 'en' ? 'so they may time out' : '所以這些任務可能逾時');
    const list = await inProcess(['list'], env);
    expect(list).toMatchObject({ code: 5, stdout: expect.stringContaining('owner') });
    expect(list.stderr).toContain(said);
    const known = lang === 'en' ? 'It continues when they run again' : '服務再次執行';
    for (const command of ['status', 'result', 'wait', 'watch', 'cancel', 'retry']) {
      for (const word of ['owner', 'own', 'last', '8', task_id]) {
        const { code, stderr } = await inProcess([command, word], env);
        expect({ command, word, code, stderr }).toMatchObject({ code: 5, stderr: expect.stringContaining(known) });
        expect(stderr).toContain(task_id);
        expect(stderr).toContain(again);
      }
    }
  });

  it('of an unused home mentions no stack that ran there; prune removes nothing', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    for (const args of [['list'], ['wait', 'last'], ['limits']]) {
      const { code, stderr } = await inProcess(args, env);
      expect({ args, code }).toEqual({ args, code: 5 });
      expect(stderr).toContain('Run kimi-dispatch up --detach first');
      expect(stderr).not.toContain('does not exist');
    }
    expect(await inProcess(['prune', '--older-than', '90d'], env)).toMatchObject({
      code: 0,
      stdout: 'Removed 0 old acknowledged results.\n',
    });
    await mkdir(resultsOf(env), { recursive: true });
    expect((await inProcess(['limits'], env)).stderr).toContain('does not exist; if it was removed while a stack ran');
  });

  it.each(['nosuch', 'kimi-1-1'])(
    'run --continue %s, which has no result, is refused before anything starts',
    async (word) => {
      const env = await cleanHome({ KIMI_LANG: 'en' });
      expect(await inProcess(['run', '--simulate', '--continue', word, 'x'], env)).toMatchObject({
        code: 4,
        stdout: '',
        stderr: expect.stringContaining(`No task is called ${word}`),
      });
    },
  );

  it('starts a simulation again as one, unless there is a key; what needs the engine names its task', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    const older = { task_id: 'kimi-1707654321-7', task_name: 'saved', status: 'done', model: 'kimi-k2.6' } as const;
    const made = { output: 'x', prompt: 'q', simulated: true, created_at: '2026-02-17T15:30:00Z' } as const;
    await new ResultStore(resultsOf(env)).persist({ ...older, ...made });
    const again = 'kimi-dispatch up --detach --simulate';
    expect((await inProcess(['status'], env)).stdout).toContain(`run ${again} to list`);
    expect((await inProcess(['list'], env)).stderr).toContain(`run ${again} to list`);
    expect(await inProcess(['result', 'beta'], env)).toMatchObject({
      code: 5,
      stderr: expect.stringMatching(new RegExp(`^Task beta: No services run from .* Run ${again} first;`)),
    });
    for (const args of [
      ['retry', 'saved'],
      ['dispatch', 'more'],
      ['dispatch', 'more', '--continue', 'last'],
    ]) {
      const { code, stderr } = await inProcess(args, env);
      expect({ args, code, stderr }).toMatchObject({ code: 5, stderr: expect.stringContaining(`Run ${again} first;`) });
      expect(stderr).not.toContain('Dispatching');
    }
    expect((await inProcess(['status', 'kimi-1-1'], env)).stderr).toMatch(/^Task kimi-1-1: No services run from /);
    expect((await inProcess(['list'], { ...env, KIMI_API_KEY: 'sk-x' })).stderr).toContain(
      'run kimi-dispatch up --detach to',
    );
  });
});

it('a failure is red in list and status: on a terminal, and not with NO_COLOR', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', TEMPORAL_ADDRESS: '127.0.0.1:1', TERM: 'xterm' });
  const failed = { task_id: 'kimi-1-1', task_name: 'x', status: 'failed', model: 'kimi-k2.6' } as const;
  const error = { type: 'unknown', message: 'the reason' };
  await new ResultStore(resultsOf(env)).persist({ ...failed, error, created_at: '2026-02-17T15:30:00Z' });
  const printed = async (args: string, changes: Record<string, string> = {}): Promise<string> => {
    // `script` provides a terminal. Without an engine `list` exits with 5.
    const command = `${process.execPath} ${join(DIST, 'kimi-dispatch.cjs')} ${args}; true`;
    return (await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env: { ...env, ...changes } }))
      .stdout;
  };
  expect(await printed('list')).toContain('\u001B[31mfailed\u001B[39m');
  const status = await printed('status kimi-1-1');
  expect(status).toContain('\u001B[31mfailed\u001B[39m');
  expect(status).toContain('\u001B[31mthe reason\u001B[39m');
  expect(await printed('status kimi-1-1', { NO_COLOR: '1' })).not.toContain('\u001B[31m');
  expect((await cli(['status', 'kimi-1-1'], { ...env, CI: 'true' })).stdout).not.toContain('\u001B');
});

it.each(['status', 'watch', 'wait', 'result', 'cancel', 'retry', 'rm', 'ack'])(
  '%s --help names the ways to name a task',
  async (command) => {
    const text = (await run(command, '--help')).stdout.replaceAll(/\s+/g, ' ');
    expect(text).toMatch(/the number at its end.*the name of the task or its beginning.*last|named as for status/);
  },
);

describe('rm', () => {
  it('removes the result, the latest one too, and the task from the list', async () => {
    const task_id = await started('a secret [[simulate: delay=0]]', '-n', 'removed');
    await run('wait', task_id);
    await until(async () => (await run('status', task_id, '--json')).stdout.includes('"step": "closed"'));
    expect(await run('rm', task_id)).toMatchObject({ code: 2, stderr: expect.stringContaining('--yes') });
    expect(await resultOf(task_id)).toMatchObject({ task_name: 'removed' });
    expect(await run('rm', task_id, '--yes')).toMatchObject({ code: 0 });
    const folder = resultsOf(home());
    const names = await readdir(folder, { recursive: true });
    // An empty file notes that it was removed: the engine lists it for a while.
    expect(names.filter((name) => name.includes(task_id))).toEqual([`.removed/${task_id}`]);
    expect(await readFile(join(folder, '.removed', task_id), 'utf8')).toBe('');
    const files = names.filter((name) => name.endsWith('.json')).map((name) => join(folder, name));
    const contents = await Promise.all(files.map(async (file) => await readFile(file, 'utf8')));
    expect(contents.join('')).not.toContain('a secret');
    expect((await run('list', '-l', '100')).stdout).not.toContain(task_id);
    expect(await run('result', task_id)).toMatchObject({ code: 4 });
    expect(await run('rm', task_id, '--yes')).toMatchObject({ code: 4 });
  });

  it('lists several tasks of a name and removes none; neither the name, its beginning nor `last` means a removed one', async () => {
    const ids: string[] = [];
    for (const name of ['twin', 'twin', 'twin']) {
      const task_id = await started('x [[simulate: delay=0]]', '-n', name);
      await run('wait', task_id);
      await until(async () => (await run('status', task_id, '--json')).stdout.includes('"step": "closed"'));
      ids.unshift(task_id);
    }
    const [newest = '', second = '', third = ''] = ids;
    const several = await run('rm', 'twin', '--yes');
    expect(several).toMatchObject({ code: 2, stdout: '' });
    for (const task_id of ids) expect(several.stderr).toContain(task_id);
    expect((await run('rm', newest, '--yes')).stdout).toContain(newest);
    expect((await run('status', 'twi', '--json')).stdout).toContain(second);
    expect((await run('result', 'last', '--json')).stdout).toContain(second);
    expect((await run('rm', second, '--yes')).stdout).toContain(second);
    expect((await run('rm', 'last', '--yes')).stdout).toContain(third);
    expect(await run('rm', 'twin', '--yes')).toMatchObject({ code: 4 });
    expect((JSON.parse((await run('list', '--name', 'twin', '--json')).stdout) as object[]).length).toBe(0);
  });

  it('asks with name and question, says what continues it, and that nothing was removed', async () => {
    const first = await started('the first question [[simulate: delay=0]]', '-n', 'talk');
    await run('wait', first);
    const ids = [first];
    for (const next of ['second', 'third']) {
      const args = [`${next} [[simulate: delay=0]]`, '--continue', ids.at(-1) ?? '', '-n', next];
      ids.push(await started(...args));
      await run('wait', ids.at(-1) ?? '');
    }
    await until(async () => (await run('status', first, '--json')).stdout.includes('"step": "closed"'));
    const said = '2 tasks continue this conversation';
    const asked = await onTerminal(['rm', first], 'n\n', home());
    expect(asked.stdout).toContain(said);
    expect(asked.stdout).toMatch(/^talk {2}the first question .*\r?\nRemove task kimi-/m);
    expect(asked.stdout).toContain('Nothing was removed.');
    expect(await resultOf(first)).toMatchObject({ task_name: 'talk' });
    const removed = await run('rm', first, '--yes');
    expect(removed).toMatchObject({ code: 0, stderr: expect.stringContaining(said) });
  });

  it('takes one task', async () => {
    expect(await run('rm', 'a', 'b', '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('rm takes 1 '),
    });
  });

  it('refuses a task that has not ended', async () => {
    const task_id = await started('x [[simulate: drop=1]]', '-n', 'kept');
    expect(await run('rm', task_id, '--yes')).toMatchObject({ code: 9, stderr: expect.stringContaining('cancel') });
    expect((await run('status', task_id)).stdout).toContain('kept');
  });
});

function of(to: string): string[] {
  return ['--route', JSON.stringify({ channel: 'telegram', to })];
}

it('search with a chat finds its tasks only', async () => {
  const [own, others] = [await started('pangolins', ...of('1')), await started('pangolins too', ...of('2'))];
  await run('wait', own, others);
  const found = async (...more: string[]): Promise<string[]> => {
    const matches = JSON.parse((await run('search', '--json', ...more, '--', 'pangolins')).stdout) as ResultFile[];
    return matches.map(({ task_id }) => task_id);
  };
  expect(await found(...of('1'))).toEqual([own]);
  // The plugin remembers whose answer a chat was shown.
  expect((await run('result', 'pangolins', ...of('1'))).stderr).toContain(own);
  expect(await found(...of('3'))).toEqual([]);
  expect((await found()).toSorted()).toEqual([own, others].toSorted());
});

it('prune removes acknowledged results of that age only', async () => {
  const store = new ResultStore(resultsOf(home()));
  const ids = ['kimi-1707654321-81', 'kimi-1707654321-82', 'kimi-1707654321-83'];
  for (const task_id of ids) {
    const task = { task_id, task_name: 'old', status: 'done', model: 'kimi-k2.6', output: 'x' } as const;
    await store.persist({ ...task, created_at: '2026-02-17T15:30:00Z' });
  }
  const [old = '', unread = '', young = ''] = ids;
  await store.acknowledge(old);
  await store.acknowledge(young);
  for (const task_id of [old, unread]) await utimes(store.resultPath(task_id), 0, 0);
  const found = /^1 acknowledged result is that old, completed .*\./;
  expect(await run('prune', '--older-than', '90d')).toMatchObject({
    code: 2,
    stderr: expect.stringMatching(new RegExp(`${found.source}.*--yes`)),
  });
  const asked = await onTerminal(['prune', '--older-than', '90d'], '\n', home());
  expect(asked).toMatchObject({ code: 0, stdout: expect.stringMatching(found) });
  expect(asked.stdout).toContain('Nothing was removed.');
  expect(await store.read(old)).toBeDefined();
  expect(await run('prune', '--older-than', '90d', '--yes')).toMatchObject({
    code: 0,
    stdout: 'Removed 1 old acknowledged result.\n',
  });
  expect(ids.map((id) => store.sizeOf(id))).toEqual([0, expect.any(Number), expect.any(Number)]);
  expect(await store.read(unread)).toBeDefined();
  expect(await store.read(young)).toBeDefined();
  expect(await run('prune')).toMatchObject({ code: 2 });
});

describe('where the agent acknowledges, the only task', () => {
  const agents = shared(async () => {
    const env = await cleanHome({ KIMI_LANG: 'en', KIMI_ACK: 'agent' });
    await up(env, '--simulate');
    return env;
  });

  async function notifying(): Promise<string> {
    const { stdout } = await inProcess(['dispatch', '--json', 'x [[simulate: delay=0]]'], agents());
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    expect(await inProcess(['wait', task_id], agents())).toMatchObject({ code: 0 });
    return task_id;
  }

  it('says to rm how its notification ends, and nothing else', async () => {
    const task_id = await notifying();
    const { code, stderr } = await inProcess(['rm', task_id, '--yes'], agents());
    expect(code).toBe(9);
    expect(stderr).toBe(
      `Task ${task_id} has a result and is still notifying, so nothing was removed. Acknowledge it first: kimi-dispatch ack ${task_id}.\n`,
    );
    expect(await inProcess(['ack', task_id], agents())).toMatchObject({ code: 0 });
    await until(async () => (await inProcess(['rm', task_id, '--yes'], agents())).code === 0);
  });

  it('is no longer the latest one once it is pruned; wait and status say that its file was removed', async () => {
    const env = agents();
    const task_id = await notifying();
    expect(await inProcess(['ack', task_id], env)).toMatchObject({ code: 0 });
    await until(async () => (await inProcess(['status', task_id, '--json'], env)).stdout.includes('"step": "closed"'));
    await utimes(new ResultStore(resultsOf(env)).resultPath(task_id), 0, 0);
    expect(await inProcess(['prune', '--older-than', '90d', '--yes'], env)).toMatchObject({ code: 0 });
    expect(await inProcess(['result'], env)).toMatchObject({ code: 9, stderr: 'There is no result yet.\n' });
    const waited = await inProcess(['wait', task_id], env);
    expect(waited).toMatchObject({ code: 3, stderr: expect.stringContaining('was removed') });
    expect(waited.stderr).not.toContain('KIMI_RESULTS_DIR');
    const status = (await inProcess(['status', task_id], env)).stdout;
    expect(status).toMatch(
      new RegExp(`^Result +\\S*${task_id}\\.json \\(removed, e\\.g\\. by prune, or damaged\\)$`, 'm'),
    );
  });
});

it('report lists tasks in flight, with links to the running stack', async () => {
  const file = join(home()['HOME'] ?? '', 'rows.txt');
  await writeFile(file, 'x [[simulate: drop=1]]');
  const task_id = await started('--map', file, '-p', '{{text}}', '-n', 'waits');
  const report = await run('report', '-o', '-');
  expect(report.stdout).toContain(`${(await stack()).ui_url}/namespaces/default/workflows/${task_id}`);
  expect(report.stdout).toMatch(/id="in-flight"[\s\S]*<bdi>waits<\/bdi>[\s\S]*<small>0\/1<\/small>/);
});

it('a log that is too large is rotated while the stack runs, whichever process writes it', async () => {
  const file = join((await stack()).logs_dir, 'other.log');
  const written = `${'x'.repeat(1023)}\n`.repeat(10_241);
  await writeFile(file, written);
  await until(() => statSync(file).size === 0);
  expect(await readFile(`${file}.1`, 'utf8')).toBe(written);
});

it('version prints what --version does', async () => {
  const version = await cli(['version'], home());
  expect(version).toMatchObject({ code: 0, stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/) });
  expect((await cli(['--version'], home())).stdout).toBe(version.stdout);
});

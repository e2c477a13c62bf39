/** The built command line, as a user runs it. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { basename, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { check } from 'proper-lockfile';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import { MAX_PROMPT_BYTES } from '../../src/shared/task.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { RETIRED } from '../../src/kimi/models.ts';
import { DIST, PACKAGE_ROOT } from '../../src/service/files.ts';
import { identify, isAlive } from '../../src/stack/process-id.ts';
import type { StackState } from '../../src/stack/state.ts';
import { cleanHome, cli, latest, launch, resultsOf, up } from '../support/cli.ts';
import { freePort, isFree } from '../support/engine.ts';
import { inProcess } from '../support/in-process.ts';
import { openProxy } from '../support/proxy.ts';
import { serve, shared, temporaryFolder, until } from '../support/resources.ts';
import { engineClient, openWorld } from '../support/world.ts';

/** Environment and arguments of the child processes of a process, from /proc; `ps` shows the same. */
async function environmentsOf(parent: number): Promise<{ name: string; given: string }[]> {
  const found = [];
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = async (file: string): Promise<string> =>
      await readFile(`/proc/${pid}/${file}`, 'utf8').catch(() => '');
    if (!(await read('status')).includes(`\nPPid:\t${parent}\n`)) continue;
    const args = (await read('cmdline')).split('\0');
    const [program, first] = args;
    const name = first === 'server' ? program : args.slice(1).find((arg) => !arg.startsWith('-'));
    found.push({
      name: basename(name ?? '').replace(/^temporal.*/, 'temporal'),
      given: `${args.join(' ')} ${await read('environ')}`,
    });
  }
  return found;
}

/** @returns a port that is in use until the test has finished. The next two are free: metrics need three in a row. */
async function takenPort(): Promise<number> {
  const server = createServer().listen(await freePort(3), '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** The webhook's secret is readable by this user only, and in neither the logs nor the database. */
async function expectSecretToBeKept(home: string): Promise<void> {
  expect((await stat(join(home, 'webhook-secret'))).mode & 0o777).toBe(0o600);
  const secret = (await readFile(join(home, 'webhook-secret'), 'utf8')).trim();
  expect(secret).toMatch(/^[0-9a-f]{64}$/);
  for (const name of ['worker', 'webhook', 'simulator', 'temporal']) {
    expect(await readFile(join(home, 'logs', `${name}.log`), 'utf8')).not.toContain(secret);
  }
  expect((await readFile(join(home, 'temporal.db'))).includes(secret)).toBe(false);
}

describe('run --simulate in a clean HOME', () => {
  it('works end to end, also beside another run, whose task fails, and leaves no process', async () => {
    const [env, other] = [await cleanHome(), await cleanHome()];
    const fails = 'x [[simulate: delay=100 fail=1]]';
    // It names a model that only a simulation accepts.
    const failing = cli(['run', '--simulate', fails, '-m', 'moonshot-v1-128k'], other);
    const { code, stdout, stderr } = await cli(['run', '--simulate', '寫一個 Python 費波那契函數'], env);
    expect(code, stderr).toBe(0);
    const result = await latest(env);
    expect(result).toMatchObject({ status: 'done', acknowledged: true, task_name: 'python-費波那契函數' });
    expect(stdout).toBe(`${result.output?.replace(/\n$/, '')}\n`);
    expect(stderr).toContain(
      [
        '✅ Kimi 任務完成！',
        '',
        '📋 任務：python-費波那契函數',
        '🤖 模型：kimi-k2.6',
        `💾 Token：${result.tokens?.prompt} (提示) + ${result.tokens?.completion} (生成) = ${result.tokens?.total}`,
        `⏱️ 完成時間：${result.completed_at}`,
      ].join('\n'),
    );
    // Its own file or, once that is written, latest.json.
    const [, shown = ''] = /💡 完整結果：~(\/\.openclaw\/workspace\/kimi-dispatch\/results\/\S+)\n/.exec(stderr) ?? [];
    const saved = JSON.parse(await readFile(join(env['HOME'] ?? '', shown), 'utf8')) as ResultFile;
    expect(saved.task_id).toBe(result.task_id);
    expect(stderr).toContain('沒有呼叫真正的 Kimi');
    expect(stderr).toContain('等待 Kimi 回呼');

    const failed = await failing;
    expect(failed).toMatchObject({ code: 6, stdout: '', stderr: expect.stringContaining('❌ Kimi 任務失敗') });
    expect(failed.stderr.match(/moonshot-v1-128k 於 2026-08-31 在 Moonshot 停用，後繼的是 kimi-k2\.6/g)).toHaveLength(
      1,
    );
    expect(await latest(other)).toMatchObject({ status: 'failed' });
    for (const { HOME = '' } of [env, other]) {
      expect(existsSync(join(HOME, '.local/share/kimi-dispatch/stack.json'))).toBe(false);
    }
  });

  it('that started the services keeps them for the tasks that others started since, until Ctrl-C', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    const first = launch(['run', '--simulate', 'A [[simulate: delay=10000]]', '-n', 'first'], env);
    await until(() => first.said.stderr.includes('Task id'));
    // Its answer is awaited in its grace, not by others.
    const late = await cli(['dispatch', 'late [[simulate: drop=1]]', '--timeout', '1s'], env);
    expect(late, late.stderr).toMatchObject({ code: 0 });
    // It is dispatched later, so it ends later.
    const second = launch(['run', 'B [[simulate: delay=10000]]', '-n', 'second'], env);
    const one = await first.ended;
    expect(one.code, one.stderr).toBe(0);
    expect(one.stderr).toContain('once 1 other task');
    expect(await second.ended).toMatchObject({ code: 0, stdout: expect.stringMatching(/\S/) });

    const again = launch(['run', '--simulate', 'C [[simulate: delay=5000]]'], env);
    await until(() => again.said.stderr.includes('Task id'));
    await cli(['dispatch', 'D [[simulate: delay=600000]]', '--timeout', '10m'], env);
    await until(() => again.said.stderr.includes('once 1 other task'));
    again.child.kill('SIGINT');
    expect(await again.ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining('Unfinished tasks continue'),
    });
    expect(existsSync(join(env['HOME'] ?? '', '.local/share/kimi-dispatch/stack.json'))).toBe(false);
  });

  it('interrupted keeps the task and the limits, and the next stack resumes both', async () => {
    const env = await cleanHome();
    const run = launch(['run', '--simulate', 'x [[simulate: delay=600000]]', '-n', 'kept', '--timeout', '10m'], env);
    await until(() => run.said.stderr.includes('任務編號'));
    expect(await inProcess(['limits', '--concurrent', '7'], env)).toMatchObject({ code: 0 });
    run.child.kill('SIGINT');
    const { code, stderr } = await run.ended;
    expect(code, stderr).toBe(130);
    expect(stderr).toContain('服務再次啟動後');
    const task_id = /kimi-\d+-\d+/.exec(stderr)?.[0] ?? '';
    const stack = await up(env, '--simulate');
    const status = await inProcess(['status', task_id, '--json'], env);
    expect(JSON.parse(status.stdout)).toMatchObject({ task_id, task_name: 'kept' });
    expect((await inProcess(['limits'], env)).stdout).toMatch(/（上限 7）\n/);

    const watch = launch(['watch', task_id], env);
    await until(() => watch.said.stderr !== '');
    watch.child.kill('SIGINT');
    const watched = await watch.ended;
    expect(watched, watched.stderr).toMatchObject({
      code: 130,
      stderr: expect.stringContaining(`服務會繼續處理任務 ${task_id}`),
    });
    expect(await stack.stop()).toMatchObject({ code: 0, stderr: expect.stringContaining('已停止') });
  });
});

describe('a start', () => {
  it.each([
    ['SIGINT', ['up', '--simulate'], '啟動已中斷，已啟動的部分也已停止。'],
    ['SIGTERM', ['up', '--detach', '--simulate'], '啟動已中斷，已啟動的部分也已停止。'],
    ['SIGTERM', ['run', '--simulate', 'x'], '啟動已中斷，已啟動的部分也已停止；任務沒有派發。'],
  ] as const)('that %s interrupts says so (%j)', async (signal, args, sentence) => {
    const env = await cleanHome();
    const { child, said, ended } = launch([...args], env);
    await until(() => said.stderr.includes('啟動 worker 與 webhook'));
    child.kill(signal);
    const { code, stdout, stderr } = await ended;
    expect({ code, stdout }).toEqual({ code: 130, stdout: '' });
    expect(stderr.split('\n').filter((line) => line === sentence)).toHaveLength(1);
    await until(() => !existsSync(join(env['HOME'] ?? '', '.local/share/kimi-dispatch/stack.json')));
    expect(await cli(['down'], env)).toMatchObject({ code: 0 });
  });
});

describe('up', () => {
  it('cancels, acknowledges, lists unacknowledged results, and limits', async () => {
    const env = await cleanHome({ KIMI_MAX_CONCURRENT_TASKS: '1', KIMI_ACK: 'agent' });
    await up(env, '--simulate');
    const dispatch = async (name: string, ...more: string[]) => {
      const { stdout } = await inProcess(['dispatch', '-p', 'x [[simulate: delay=600000]]', '-n', name, ...more], env);
      // The list follows a start.
      const task_id = await until(async () => {
        const tasks = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as Record<string, string>[];
        return tasks.find(({ task_name }) => task_name === name)?.['task_id'];
      });
      return { stdout, task_id };
    };
    const first = await dispatch('first');
    const [listed] = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as Record<string, string>[];
    expect(listed?.['state']).toMatch(/^dispatch(?:ing|ed)$/);
    expect(listed?.['status']).toBe(listed?.['state']);
    expect(first.stdout).toContain('✅ Kimi 任務已派發：first');
    const second = await dispatch('second', '--priority', '5');
    // On a busy machine the limiter answers after dispatch has returned.
    expect(second.stdout).toMatch(
      /^(?:🕒 Kimi 任務已排隊：second（第 1 位）|✅ Kimi 任務已派發：second)\n完成後會自動通知你！\n$/,
    );
    await until(async () => (await inProcess(['list'], env)).stdout.match(/second\s+排隊中（模擬） 第 1 位/));
    await dispatch('third', '--priority', '1');
    await until(async () => (await inProcess(['status', second.task_id], env)).stdout.match(/排隊位置\s+第 2 位/));
    expect((await inProcess(['list'], env)).stdout).toMatch(/second\s+排隊中（模擬） 第 2 位/);
    expect((await inProcess(['limits'], env)).stdout).toMatch(/進行中的任務\s+1（上限 1）/);

    const changed = await inProcess(['limits', '--concurrent', '2', '--json'], env);
    expect(JSON.parse(changed.stdout)).toMatchObject({ limits: { concurrent: 2, per_minute: 10, queued: 1000 } });
    await until(async () => (await inProcess(['list'], env)).stdout.match(/third\s+等待回覆/));

    expect(await inProcess(['cancel', second.task_id], env)).toMatchObject({
      code: 0,
      stdout: `已取消任務 ${second.task_id}。\n`,
    });
    expect(await inProcess(['cancel', second.task_id], env)).toMatchObject({
      code: 10,
      stderr: expect.stringContaining('已經結束'),
    });
    expect(await inProcess(['cancel', 'kimi-1-1'], env)).toMatchObject({ code: 4 });
    expect(await inProcess(['ack', first.task_id], env)).toMatchObject({
      code: 9,
      stderr: expect.stringContaining('還沒有結果'),
    });
    expect(await inProcess(['cancel', first.task_id], env)).toMatchObject({ code: 0 });

    const inbox = JSON.parse((await inProcess(['inbox', '--json'], env)).stdout) as ResultFile[];
    // Both may have ended in the same second.
    expect(inbox.map(({ task_id }) => task_id).toSorted()).toEqual([second.task_id, first.task_id].toSorted());
    expect((await inProcess(['inbox'], env)).stdout).toMatch(/second\s+已取消/);
    expect(await inProcess(['ack', second.task_id], env)).toMatchObject({ code: 0 });
    expect((await inProcess(['inbox'], env)).stdout).not.toContain('second');
    expect(await inProcess(['ack', 'kimi-1-1'], env)).toMatchObject({ code: 4 });
  });

  it('names the damaged file of a generated secret', async () => {
    const env = await cleanHome();
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    await mkdir(home, { recursive: true });
    await writeFile(join(home, 'webhook-secret'), Buffer.from([0x61, 0, 0xff, 0x62]));
    const refused = await cli(['up', '--simulate'], env);
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toContain('webhook-secret');
    expect(refused.stderr).not.toMatch(/\n\s+at /);
  });

  it('--detach runs in the background until down', async () => {
    const env = await cleanHome();
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    await mkdir(home, { recursive: true });
    await writeFile(join(home, '.env'), 'KIMI_API_KEY=sk-of-the-file\n');
    const started = await cli(['up', '--detach', '--simulate'], env);
    expect(started).toMatchObject({ code: 0, stdout: expect.stringContaining('Kimi Dispatch 就緒') });
    onTestFinished(async () => void (await cli(['down'], env)));
    const { pid } = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8');
    expect(environment).toContain(`HOME=${env['HOME']}`);
    expect(environment).not.toContain('sk-of-the-file');
    expect(await inProcess(['run', 'x'], env)).toMatchObject({ code: 0 });
    expect((await inProcess(['usage'], env)).stderr).toContain('不收費');
    expect((await inProcess(['logs', 'worker'], env)).stdout).toContain('"msg":"ready"');
    expect(await cli(['down'], env)).toMatchObject({ code: 0, stdout: '已停止。\n' });
    expect(await inProcess(['down'], env)).toMatchObject({ code: 0, stdout: '沒有服務在執行。\n' });
  });

  it('restarts killed services, and ends its children in order when it is killed itself', async () => {
    const env = await cleanHome();
    const stack = await up(env, '--simulate');
    const log = async (name: string): Promise<string> =>
      await readFile(join(env['HOME'] ?? '', `.local/share/kimi-dispatch/logs/${name}.log`), 'utf8');
    const pid = async (): Promise<number> => Number([...(await log('worker')).matchAll(/"pid":(\d+)/g)].at(-1)?.[1]);
    process.kill(await pid(), 'SIGKILL');
    await until(() => stack.said.stderr.includes('services 意外結束'));
    expect(await inProcess(['run', 'x'], env)).toMatchObject({ code: 0 });
    // The worker answers tasks before everything is started, and a process that is still starting has nothing to end in order.
    await until(async () => (await log('services')).split('"msg":"ready"').length > 2);

    const { webhook_url, temporal_address } = stack.state;
    // The services wait for the call that is under way, for longer than the interval of their reports to `up`.
    await inProcess(['dispatch', 'x [[simulate: accept-delay=4000]]'], env);
    stack.child.kill('SIGKILL');
    await until(
      async () =>
        await fetch(`${webhook_url}/healthz`).then(
          () => false,
          () => true,
        ),
    );
    await until(
      async () =>
        await fetch(`http://${temporal_address}`).then(
          () => false,
          (error: Error) => String(error.cause).includes('ECONNREFUSED'),
        ),
    );
    const services = await pid();
    await until(() => identify(services) === undefined);
    expect(await log('services')).not.toContain('ERR_IPC_CHANNEL_CLOSED');
    // What the SDK's core logs at the end may come after it.
    const last = (await log('worker')).split('\n').filter((line) => line.includes(`"pid":${services},`));
    expect(last.join('\n')).toContain('"msg":"stopped"');
  });

  it('that was killed is waited for by the next one and by down, even while it is a zombie', async () => {
    const env = await cleanHome({ KIMI_TEMPORAL_PORT: String(await freePort()), KIMI_UI_PORT: '0' });
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    // A shell that does not reap its child: killed, it stays in the process table.
    const script = `"$1" "$2" up --simulate & exec sleep 600`;
    const shell = launch(['-c', script, 'sh', process.execPath, join(DIST, 'kimi-dispatch.cjs')], env, 'sh');
    await until(() => shell.said.stdout.includes('Ctrl-C'));
    const readStack = async () => JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
    /** Kills `up`, with one of its children paused. @returns a function that lets the child end. */
    const kill = async (): Promise<() => void> => {
      const { pid, children } = await readStack();
      const left = children.at(-1)?.pid ?? 0;
      process.kill(left, 'SIGSTOP');
      process.kill(pid, 'SIGKILL');
      return () => process.kill(left, 'SIGCONT');
    };
    const letEnd = await kill();
    const next = launch(['up', '--simulate'], env);
    await until(() => next.said.stderr.includes('等上次執行留下的程序結束'));
    letEnd();
    await until(() => next.said.stdout.includes('Ctrl-C'));
    expect(await inProcess(['run', 'x'], env)).toMatchObject({ code: 0 });

    const state = await readStack();
    const letEndToo = await kill();
    await next.ended;
    const down = launch(['down'], env);
    await until(() => down.said.stderr.includes('停止'));
    letEndToo();
    expect(await down.ended).toMatchObject({ code: 0, stdout: '已停止。\n' });
    for (const url of [`http://${state.temporal_address}`, state.webhook_url]) {
      await expect(fetch(url)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    }
    expect(await inProcess(['down'], env)).toMatchObject({ code: 0, stdout: '沒有服務在執行。\n' });
  });

  it('with the relay in front of the simulated Kimi shows the progress of an answer', async () => {
    const env = await cleanHome({ KIMI_CALLBACKS: 'relay' });
    const { state } = await up(env, '--simulate');
    const prompt = '寫一個 Python 計算器 [[simulate: delay=0 reasoning=0 size=2000 chunks=200 chunk-delay=100]]';
    const { stderr } = await inProcess(['dispatch', '-p', prompt, '-n', 'calculator'], env);
    const task_id = /kimi-\d+-\d+/.exec(stderr)?.[0] ?? '';
    const watching = launch(['watch', task_id], env);
    await until(() => watching.said.stderr.includes('Kimi 正在回答'));
    await until(async () => (await inProcess(['list'], env)).stdout.includes('Kimi 正在回答，目前約'));
    const status = await inProcess(['status', task_id], env);
    expect(status.stdout).toMatch(/Kimi 正在回答，目前約 \d+ 個 Token\n/);
    const { progress } = JSON.parse((await inProcess(['status', task_id, '--json'], env)).stdout) as {
      progress?: { tokens: number; tail: string; text: string };
    };
    expect(progress?.tokens).toBeGreaterThan(0);
    expect(progress?.tail).not.toBe('');
    expect(progress?.text).toMatch(/^Kimi 正在.*約 \d+ 個 Token/);
    expect(await watching.ended).toMatchObject({ code: 0, stdout: expect.stringContaining('✅ Kimi 任務完成！') });
    expect(watching.said.stderr).toContain('Kimi 正在回答');
    expect(await latest(env)).toMatchObject({ task_id, status: 'done', model: 'kimi-k2.6' });
    expect((await fetch(`${state.relay_url}/readyz`)).status).toBe(200);
    expect((await inProcess(['doctor'], env)).stdout).toContain('中繼在線');
  });

  it('closes an existing home to other users, and passes no secret in an environment or arguments, which others can read', async () => {
    const secrets = {
      KIMI_API_KEY: 'sk-for-the-relay',
      KIMI_RELAY_TOKEN: 'token-for-relay-and-worker',
      WEBHOOK_SECRET: 'secret-for-webhook-and-relay',
      WEBHOOK_ADDITIONAL_SECRETS: 'next-secret-for-the-webhook',
      OPENCLAW_WAKE_TOKEN: 'hook-for-the-worker',
      KIMI_PAYLOAD_KEYS: `k:${Buffer.alloc(32, 7).toString('base64')}`,
      KIMI_CODEC_TOKEN: 'codec-for-the-worker',
      KIMI_DASHBOARD_TOKEN: 'dashboard-for-the-webhook',
      AWS_SECRET_ACCESS_KEY: 'aws-for-those-who-store',
    };
    const env = await cleanHome(secrets);
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    await mkdir(home, { recursive: true, mode: 0o755 });
    await writeFile(join(home, '.env'), `KIMI_API_KEY=${secrets.KIMI_API_KEY}\n`, { mode: 0o644 });
    const { stdout: found } = await inProcess(['doctor'], {
      ...env,
      KIMI_LANG: 'en',
      KIMI_API_URL: 'http://127.0.0.1:9',
    });
    expect(found).toMatch(/✗ a file with a secret is readable by other users; run chmod 600 ~\S*\.env\n/);
    // A foreign program, which notes what it is given.
    const program = join(env['HOME'] ?? '', 'temporal');
    const seen = join(env['HOME'] ?? '', 'seen');
    await writeFile(program, `#!/bin/sh\nenv >> '${seen}'\nexec '${env['TEMPORAL_CLI_PATH']}' "$@"\n`, { mode: 0o755 });
    const { state, said } = await up({ ...env, TEMPORAL_CLI_PATH: program });
    expect((await stat(home)).mode & 0o777).toBe(0o700);
    for (const name of (await readdir(home)).filter((file) => file.startsWith('temporal.db'))) {
      expect((await stat(join(home, name))).mode & 0o777, name).toBe(0o600);
    }
    // No model was chosen: the output says which one is used, and why.
    expect(said.stdout).toMatch(/模型 +kimi-k2\.6（預設：Moonshot 各項價格最低的模型）\n/);
    expect(await inProcess(['dispatch', '-p', 'x', '-m', 'moonshot-v1-8k'], env)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('後繼的是 kimi-k2.6'),
    });
    const children = await environmentsOf(state.pid);
    expect(children.map(({ name }) => name).toSorted()).toEqual(['services.js', 'temporal']);
    // Restarted services get their secrets again.
    process.kill(state.children[1]?.pid ?? 0, 'SIGKILL');
    await until(() => said.stderr.includes('services 意外結束'));
    await until(async () => (await fetch(`${state.relay_url}/readyz`).catch(() => undefined))?.status === 200);
    for (const { name, given } of [...children, ...(await environmentsOf(state.pid))]) {
      for (const secret of Object.values(secrets)) expect(given, name).not.toContain(secret);
    }
    const given = await readFile(seen, 'utf8');
    expect(given).toContain('HOME=');
    for (const secret of Object.values(secrets)) expect(given).not.toContain(secret);
    for (const log of await readdir(join(home, 'logs'))) {
      const lines = await readFile(join(home, 'logs', log), 'utf8');
      for (const secret of Object.values(secrets)) expect(lines, log).not.toContain(secret);
    }
  });

  it('uses a Temporal server named by TEMPORAL_ADDRESS, and any stub of the API that calls back', async () => {
    const calls: { headers: Record<string, unknown>; body: string }[] = [];
    const apiUrl = await serve((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        calls.push({ headers: request.headers, body });
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"cmpl-stub"}');
      });
    });
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: `cli-${crypto.randomUUID()}`,
      KIMI_API_URL: `${apiUrl}/v1`,
      KIMI_API_KEY: 'sk-stub',
      KIMI_CALLBACK_BASE_URL: 'http://callbacks.example:1234',
    });
    const stack = await up(env);
    expect(stack.state).not.toHaveProperty('ui_url');
    const { stdout } = await inProcess(['dispatch', '-p', '-', '-n', 'stub', '--json'], env, '從標準輸入');
    const { task_id = '', status } = JSON.parse(stdout) as Record<string, string>;
    expect(['accepted', 'pending']).toContain(status);
    await until(async () =>
      (await inProcess(['status', task_id, '--json'], env)).stdout.includes('"api_id": "cmpl-stub"'),
    );
    expect(calls[0]?.headers).toMatchObject({ authorization: 'Bearer sk-stub', 'idempotency-key': task_id });
    expect(JSON.parse(calls[0]?.body ?? '')).toEqual({
      model: 'moonshot-v1-128k',
      messages: [{ role: 'user', content: '從標準輸入' }],
      temperature: 0.3,
      max_tokens: 8000,
      metadata: { task_id, task_name: 'stub' },
      callback_url: `http://callbacks.example:1234/kimi/webhook/${task_id}`,
    });
  });
});

describe('a stack with KIMI_PAYLOAD_KEYS', () => {
  const KIMI_PAYLOAD_KEYS = `k:${Buffer.alloc(32, 7).toString('base64')}`;
  const running = shared(async () => {
    const env = await cleanHome({ KIMI_PAYLOAD_KEYS });
    return { env, stack: await up(env, '--simulate') };
  });

  it('can be used only with these', async () => {
    const { env } = running();
    const { stderr } = await inProcess(['dispatch', '-p', 'x [[simulate: drop=1]]'], env);
    const task_id = /kimi-\d+-\d+/.exec(stderr)?.[0] ?? '';
    await until(async () => (await inProcess(['status', task_id, '--json'], env)).stdout.includes('api_id'));
    for (const keys of ['', `other:${Buffer.alloc(32, 8).toString('base64')}`]) {
      const status = await inProcess(['status', task_id], { ...env, KIMI_PAYLOAD_KEYS: keys });
      expect(status).toMatchObject({ code: 3, stderr: expect.stringContaining('服務的金鑰是：k；') });
      const dispatched = await inProcess(['dispatch', '-p', 'x'], { ...env, KIMI_PAYLOAD_KEYS: keys });
      expect(dispatched).toMatchObject({ code: 3, stdout: '' });
    }
  });

  it('keeps its secret and all content of a task out of its files, and does not start without the keys; the last test, as it stops the stack', async () => {
    const words = ['秘密的計畫', 'the simulation was asked to fail', '模擬模擬', '提示'];
    const readIn = async (env: Record<string, string>, stack: Awaited<ReturnType<typeof up>>): Promise<string[]> => {
      for (const directives of ['delay=0 size=1000', 'delay=0 size=200000', 'fail=1 delay=0']) {
        await inProcess(['run', `秘密的計畫 [[simulate: ${directives}]]`, '-n', 'calculator'], env);
      }
      await stack.stop();
      const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
      await expectSecretToBeKept(home);
      const files = await readdir(home, { recursive: true, withFileTypes: true });
      expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['temporal.db', 'payloads']));
      const contents = files
        .filter((file) => file.isFile())
        .map(async (file) => await readFile(join(file.parentPath, file.name)));
      const whole = Buffer.concat(await Promise.all(contents));
      expect(whole.includes(KIMI_PAYLOAD_KEYS.slice(2))).toBe(false);
      return words.filter((word) => whole.includes(word));
    };
    const { env, stack } = running();
    const plain = await cleanHome();
    const encrypted = await readIn(env, stack);
    const clear = await readIn(plain, await up(plain, '--simulate'));
    expect({ encrypted, clear }).toEqual({ encrypted: [], clear: words });
    const without = await cli(['up', '--simulate'], { ...env, KIMI_PAYLOAD_KEYS: '' });
    expect(without).toMatchObject({ code: 3, stderr: expect.stringContaining('以金鑰 "k" 加密') });
  });
});

describe('one stack', () => {
  const running = shared(async () => {
    const env = await cleanHome();
    return { env, stack: await up(env, '--simulate') };
  });

  it('serves dispatch, status, list, watch and result, and is found by a second up', async () => {
    const { env, stack } = running();
    expect(await cli(['up'], env)).toMatchObject({ code: 3, stderr: expect.stringContaining('模擬的 Kimi') });
    const again = await cli(['up', '--simulate'], env);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('Kimi Dispatch 已在執行') });

    // Its answer comes after the questions below.
    const dispatched = await cli(
      ['dispatch', '-p', '寫一個 Python 計算器，包含測試 [[simulate: delay=15000]]', '-n', 'calculator'],
      env,
    );
    expect(dispatched).toMatchObject({ code: 0, stdout: '✅ Kimi 任務已派發：calculator\n完成後會自動通知你！\n' });
    const task_id = /kimi-\d+-\d+/.exec(dispatched.stderr)?.[0] ?? '';
    // On a loaded machine dispatch returns before Kimi has accepted.
    await until(() => existsSync(join(resultsOf(env), `pending-${task_id}.json`)));
    expect(JSON.parse((await inProcess(['status', task_id, '--json'], env)).stdout)).toMatchObject({
      task_id,
      state: 'dispatched',
      step: 'waiting',
      api_id: expect.stringMatching(/^cmpl-sim-/),
    });
    expect(await inProcess(['result', task_id], env)).toMatchObject({ code: 9, stdout: '' });

    expect(await cli(['watch', task_id], env)).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('calculator'),
    });
    const result = await cli(['result', task_id], env);
    expect(result).toMatchObject({ code: 0, stdout: expect.stringContaining('def fibonacci') });
    expect((await cli(['result'], env)).stdout).toBe(result.stdout);
    await until(async () => (await latest(env)).acknowledged);
    const listed = await until(async () => {
      const tasks = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as {
        task_id: string;
        state: string;
      }[];
      return tasks.find((task) => task.task_id === task_id && task.state === 'done');
    });
    expect(listed).toMatchObject({ task_name: 'calculator', model: 'kimi-k2.6', tokens: expect.any(Number) });

    const { webhook_url, worker_health_url } = stack.state;
    for (const url of [webhook_url, worker_health_url]) {
      for (const path of ['/healthz', '/readyz']) expect((await fetch(url + path)).status).toBe(200);
    }
    expect(await inProcess(['doctor'], env)).toMatchObject({ code: 0, stdout: expect.stringContaining('一切正常') });
  });

  it('a run whose task times out has its own exit code', async () => {
    const { env } = running();
    const run = await cli(['run', '--simulate', 'x [[simulate: drop=1]]'], { ...env, KIMI_TASK_TIMEOUT_MS: '1000' });
    expect(run).toMatchObject({ code: 7, stdout: '', stderr: expect.stringContaining('⏰ Kimi 任務逾時') });
    expect(await latest(env)).toMatchObject({ status: 'timed_out' });
  });

  it('run --json prints the result with its question, and nothing else', async () => {
    const { env } = running();
    const { code, stdout } = await cli(['run', '長答案 [[simulate: delay=0 size=5000]]', '--json'], env);
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { output: string };
    expect(result).toMatchObject({ status: 'done', prompt: '長答案 [[simulate: delay=0 size=5000]]' });
    expect(result.output).toHaveLength(5_000);
  });

  it('restarts a killed engine, and commands meanwhile say to wait', async () => {
    const { env, stack } = running();
    const { child, state } = stack;
    const [engine] = state.children;
    const uiPort = Number((await readFile(`/proc/${engine?.pid}/cmdline`, 'utf8')).match(/--ui-port\0(\d+)/)?.[1]);
    // The supervisor is paused: it might restart the engine faster than a command runs.
    child.kill('SIGSTOP');
    onTestFinished(() => void child.kill('SIGCONT'));
    // Including its guard: the process group has the id of the guard.
    process.kill(-(engine?.pid ?? 0), 'SIGKILL');
    expect(await cli(['dispatch', '-p', 'x'], env)).toMatchObject({
      code: 5,
      stderr: expect.stringContaining('請稍後再試'),
    });
    // As another stack might, which starts at the same time.
    const other = createServer().listen(
      await until(async () => ((await isFree(uiPort)) ? uiPort : undefined)),
      '127.0.0.1',
    );
    onTestFinished(() => void other.close());
    child.kill('SIGCONT');
    // Until the engine is back every command gives the same error.
    for (let code: number | null = 5; code !== 0;) {
      const { code: next, stderr } = await inProcess(['dispatch', '-p', 'x'], env);
      expect([0, 5], stderr).toContain(next);
      code = next;
    }
    expect((await fetch(String(state.ui_url))).status).toBe(200);
  });

  it('is still found after a pause, as when the machine slept; the last test, as it stops the stack', async () => {
    const { env, stack } = running();
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    stack.child.kill('SIGSTOP');
    // Its lock is stale by now, so that another process could take it.
    await until(async () => !(await check(home, { lockfilePath: join(home, 'stack.lock'), stale: 3_000 })));
    const again = await cli(['up', '--simulate'], env);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('已在執行') });
    expect(await inProcess(['run', 'x'], env)).toMatchObject({ code: 0 });
    expect(await cli(['down'], env)).toMatchObject({ code: 0, stdout: '已停止。\n' });
    await expect(fetch(`${stack.state.webhook_url}/healthz`)).rejects.toThrow('fetch failed');
    // The engine is stopped; the saved result is still shown.
    const { task_id } = await latest(env);
    expect(JSON.parse((await inProcess(['status', task_id, '--json'], env)).stdout)).toMatchObject({
      state: 'done',
      status: 'done',
    });
  });
});

describe('invalid input gives one clear sentence and an exit code', () => {
  const huge = 'x'.repeat(MAX_PROMPT_BYTES + 1);
  it.each([
    ['no prompt', ['dispatch'], 2, '沒有內容可以交給 Kimi'],
    ['an empty prompt', ['dispatch', '-p', '  '], 2, '沒有內容可以交給 Kimi'],
    ['a prompt too long', ['dispatch', '-p', '-'], 2, `上限是 ${MAX_PROMPT_BYTES}`],
    ['an endless file', ['dispatch', '-f', '/dev/zero'], 2, `/dev/zero 太長了，上限是 ${MAX_PROMPT_BYTES}`],
    ['an endless attachment', ['dispatch', '-p', 'x', '--attach', '/dev/zero'], 2, '/dev/zero 是裝置或管線'],
    ['an endless schema', ['dispatch', '-p', 'x', '--json-schema', '/dev/zero'], 2, '/dev/zero 太長了'],
    ['two prompts', ['dispatch', '-p', 'x', '--message', 'kimi: x'], 2, '只能選一個來源'],
    ['two prompts for run', ['run', 'x', '-p', 'y'], 2, '只能選一個來源'],
    ['a message without a trigger', ['dispatch', '--message', 'hello'], 2, '不是 Kimi 任務'],
    ['a file that does not exist', ['dispatch', '-f', 'nowhere.md'], 2, '讀不到 nowhere.md'],
    [
      'a file that is not text',
      ['dispatch', '-f', '/bin/sh'],
      2,
      '不是 UTF-8 的文字檔；其他編碼的檔案請用 --attach 附上。',
    ],
    ['an empty file', ['dispatch', '-f', '/dev/null'], 2, '/dev/null 是空的。'],
    ['an attached file without a name', ['dispatch', 'x', '--attach', ''], 2, "讀不到 ''（"],
    ['bytes that are not text on standard input', ['dispatch', '-p', '-'], 2, '不是 UTF-8 的文字檔', '\0'],
    ['an empty model', ['dispatch', '-p', 'x', '-m', ''], 2, '必須是 1 到 128 個字元'],
    ['a model too long', ['dispatch', '-p', 'x', '-m', 'x'.repeat(129)], 2, '必須是 1 到 128 個字元'],
    ['an invalid temperature', ['dispatch', '-p', 'x', '--temperature', 'warm'], 2, '0 到 2 的數字'],
    ['a temperature too high', ['dispatch', '-p', 'x', '--temperature', '2.1'], 2, '0 到 2 的數字'],
    ['no tokens at all', ['dispatch', '-p', 'x', '--max-tokens', '0'], 2, '1 到 9999999'],
    ['half a token', ['run', 'x', '--max-tokens', '1.5'], 2, '1 到 9999999'],
    ['an invalid --thinking', ['dispatch', '-p', 'x', '--thinking', 'A lot'], 2, '必須是 on、off'],
    ['a system prompt that does not exist', ['dispatch', '-p', 'x', '--system', 'nowhere.md'], 2, '讀不到 nowhere.md'],
    ['a system prompt that is not text', ['dispatch', '-p', 'x', '--system', '/bin/sh'], 2, '不是 UTF-8 的文字檔'],
    ['an attachment that does not exist', ['dispatch', '-p', 'x', '--attach', 'nowhere.png'], 2, '讀不到 nowhere.png'],
    ['an attachment Kimi cannot read', ['dispatch', '-p', 'x', '--attach', '/bin/sh'], 2, '不能附上'],
    [
      'a schema that does not exist',
      ['dispatch', '-p', 'x', '--json-schema', 'nowhere.json'],
      2,
      '讀不到 nowhere.json',
    ],
    [
      'an invalid schema',
      ['dispatch', '-p', 'x', '--json-schema', join(PACKAGE_ROOT, 'README.md')],
      2,
      '不是 JSON Schema',
    ],
    ['a retired model', ['dispatch', '-p', 'x', '-m', 'moonshot-v1-8k'], 2, '已經停用'],
    ['a temperature that the model refuses', ['run', 'x', '--temperature', '0.3'], 2, '只接受 temperature 1'],
    [
      'an effort that the model does not know',
      ['run', 'x', '-m', 'kimi-k3', '--thinking', 'medium'],
      2,
      '可用 low、high、max',
    ],
    ['an invalid priority', ['dispatch', '-p', 'x', '--priority', '6'], 2, '必須是 1 到 5'],
    ['an invalid chat', ['list', '--route', '{}'], 2, '含有 channel 與 to 的 JSON'],
    ['an invalid limit', ['limits', '--concurrent', '-1'], 2, '0 到 100000'],
    ['a timeout without a unit', ['dispatch', '-p', 'x', '--timeout', '5'], 2, '必須有單位'],
    ['an unknown option', ['dispatch', '--zzz'], 2, '沒有 --zzz 這個選項。加上 --help 可查看有哪些。'],
    ['an unknown command', ['nope'], 2, '沒有 nope 這個指令。加上 --help 可查看有哪些。'],
    ['a misspelt option', ['list', '--statuss', 'done'], 2, '沒有 --statuss 這個選項。是不是 --status？'],
    ['help of an unknown command', ['help', 'nope'], 2, '沒有 nope 這個指令。加上 --help 可查看有哪些。'],
    ['a misspelt command', ['dispach'], 2, '沒有 dispach 這個指令。是不是 dispatch？'],
    ['an option without its value', ['dispatch', '-p'], 2, '加上 --help 可查看用法。'],
    ['a name with a slash', ['dispatch', '-p', 'x', '-n', 'a/b'], 2, '任務名稱只能包含'],
    ['a name with a control character', ['dispatch', '-p', 'x', '-n', 'a\u0007b'], 2, '任務名稱只能包含'],
    ['a bad timeout', ['dispatch', '-p', 'x', '--timeout', 'soon'], 2, '例如 120s'],
    ['an empty task', ['status', ''], 2, "'' 不是任務編號"],
    ['an empty task to continue', ['dispatch', 'x', '--continue', ' '], 2, "' ' 不是任務編號"],
    ['an empty word to search for', ['search', 'x', ' '], 2, '要搜尋的字詞是空的'],
    ['an unknown state', ['list', '--status', 'open'], 2, 'dispatched（等待回覆）、done（完成）'],
    ['a task id that is not ours', ['status', '../../etc/passwd'], 2, '不是任務編號'],
    ['an option that takes one value, given twice', ['dispatch', '-p', 'A', '-p', 'B'], 2, '--prompt 重複出現'],
    ['two prompts', ['dispatch', 'A', '-p', 'B'], 2, '只能選一個來源'],
    ['a time before all times', ['report', '--since', '300000y'], 2, '最長 100y'],
    ['an unknown command', ['nonsense'], 2, '沒有 nonsense 這個指令。加上 --help'],
    ['a result without the engine', ['result', 'kimi-1-1'], 5, '連不上'],
    ['an acknowledgement without the engine', ['ack', 'kimi-1-1'], 5, '連不上'],
    ['no result', ['result'], 9, '還沒有任何結果'],
    ['no key', ['dispatch', '-p', 'x'], 3, '沒有 KIMI_API_KEY'],
    ['no key for a prompt without -p', ['dispatch', 'x y'], 3, '沒有 KIMI_API_KEY'],
    ['no key for run', ['run', 'x'], 3, '沒有 KIMI_API_KEY'],
  ] as [string, string[], number, string, string?][])('%s', async (_name, args, code, sentence, input = huge) => {
    // A free port: a running stack of this machine's user must not get tasks.
    const env = await cleanHome({ KIMI_TEMPORAL_PORT: String(await freePort()) });
    const ended = await inProcess(args, env, args.includes('-') ? input : '');
    expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(sentence) });
    expect(ended.stderr).not.toMatch(/\n\s+at /);
  });

  it('an endless standard input', async () => {
    const endless = launch(
      ['-c', 'yes | "$0" "$@"', process.execPath, join(DIST, 'kimi-dispatch.cjs'), 'dispatch', '-p', '-'],
      await cleanHome(),
      'sh',
    );
    expect(await endless.ended).toMatchObject({ code: 2, stderr: expect.stringContaining('標準輸入太長了') });
  });

  it('a home that is not a folder, and the reason why up --detach could not start', async () => {
    const home = await cli(['up', '--simulate'], await cleanHome({ KIMI_HOME: '/dev/null/x' }));
    expect(home).toMatchObject({ code: 3, stderr: expect.stringContaining('/dev/null/x 不能使用') });
    const noServer = await cleanHome({ TEMPORAL_CLI_PATH: '/nowhere/temporal' });
    const detached = await cli(['up', '--detach', '--simulate'], noServer);
    expect(detached).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/^找不到可用的.*\/nowhere/s),
    });
  });

  it('without a stack, no foreign engine is used unless it is configured', async () => {
    const env = await cleanHome({ KIMI_API_KEY: 'sk-for-nobody-else', TEMPORAL_ADDRESS: '' });
    const sentence = '沒有從 ~/.local/share/kimi-dispatch 啟動的服務';
    for (const args of [['dispatch', '-p', 'x'], ['list'], ['status', 'kimi-1-1']]) {
      expect(await inProcess(args, env)).toMatchObject({
        code: 5,
        stdout: '',
        stderr: expect.stringContaining(sentence),
      });
    }
    const doctor = await inProcess(['doctor'], env);
    expect(doctor).toMatchObject({ code: 3, stdout: expect.stringContaining(sentence) });
    expect(doctor.stdout).not.toMatch(/webhook (?:在線|沒有回應)/);

    const address = inject('engine');
    const profile = join(await temporaryFolder(), 'temporal.toml');
    await writeFile(profile, `[profile.default]\naddress = "${address}"\n`);
    // A profile that other tools use by default does not configure ours.
    const others = { TEMPORAL_CONFIG_FILE: profile, TEMPORAL_PROFILE: 'default' };
    expect(await inProcess(['status', 'kimi-1-1'], { ...env, ...others })).toMatchObject({ code: 5 });
    for (const named of [
      { TEMPORAL_ADDRESS: address },
      { TEMPORAL_CONFIG_FILE: profile, KIMI_TEMPORAL_PROFILE: 'default' },
      { KIMI_TEMPORAL_PORT: new URL(`tcp://${address}`).port },
    ] as Record<string, string>[]) {
      expect(await inProcess(['status', 'kimi-1-1'], { ...env, ...named })).toMatchObject({ code: 4 });
    }
    for (const command of ['result', 'ack']) {
      expect(await inProcess([command, 'kimi-1-1'], { ...env, TEMPORAL_ADDRESS: address })).toMatchObject({
        code: 4,
        stderr: expect.stringContaining('沒有 kimi-1-1 這個任務'),
      });
    }
  });

  it('an unwritable standard output: a started task still gives exit code 0, so that no caller starts it again', async () => {
    const world = await openWorld();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    const program = ['sh', process.execPath, join(DIST, 'kimi-dispatch.cjs')];
    const full = async (...args: string[]) =>
      await launch(['-c', '"$@" > /dev/full', ...program, ...args], env, 'sh').ended;
    expect(await full('dispatch', '-p', 'x', '--json')).toMatchObject({
      code: 0,
      stderr: expect.stringContaining('任務已經派發，但無法寫入標準輸出（磁碟已滿）'),
    });
    expect(await full('run', 'x [[simulate: delay=0]]')).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/答案沒有寫出：.*磁碟已滿.*kimi-dispatch result kimi-\d+-\d+ /),
    });
    for (const command of [
      'list',
      '--version',
      '--help',
      'models',
      'usage',
      'limits',
      'token list',
      'completion bash',
    ]) {
      expect(await full(...command.split(' ')), command).toMatchObject({
        code: 1,
        stderr: expect.stringContaining('無法寫入標準輸出（磁碟已滿）'),
      });
    }

    const closed = launch(['dispatch', '-p', 'x'], env);
    closed.child.stdout.destroy();
    expect(await closed.ended).toMatchObject({ code: 0, stderr: expect.stringMatching(/任務編號.*（連線已關閉）/s) });
  });

  it.each([
    ['dispatch', ['dispatch', '-p', 'x'], 0],
    ['run, of a task that fails', ['run', 'x [[simulate: fail=1]]'], 6],
    ['watch', ['watch', 'TASK'], 0],
  ])('broken standard output and standard error: the exit code of %s is that of the task', async (_, args, code) => {
    const world = await openWorld();
    const { task_id } = await world.start('x [[simulate: delay=0]]');
    await world.handle({ task_id }).result();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    const program = [process.execPath, join(DIST, 'kimi-dispatch.cjs'), ...args].map((arg) =>
      arg.replace('TASK', task_id),
    );
    for (const broken of ['"$@" > /dev/full 2>&1', '"$@" 2> /dev/full', '"$@" 2>&1 | true; exit ${PIPESTATUS[0]}']) {
      const said = await launch(['-c', broken, 'bash', ...program], env, 'bash').ended;
      expect(said.code, broken).toBe(code);
    }
  });

  it('an engine that fails while run waits: the task is named, and the exit code is that of the engine', async () => {
    const world = await openWorld();
    const proxy = await openProxy(inject('engine'));
    const env = await cleanHome({
      TEMPORAL_ADDRESS: proxy.address,
      KIMI_LANG: 'en',
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    const running = launch(['run', 'x [[simulate: drop=1]]'], env);
    const task_id = await until(() => /kimi-\d+-\d+/.exec(running.said.stderr)?.[0]);
    await until(async () => (await world.view({ task_id })).step === 'waiting');
    await proxy.cut();
    const { code, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 5, stderr: expect.stringContaining(`kimi-dispatch watch ${task_id}`) });
  });

  it('an engine that fails while it starts tasks, and returns: no other error is reported, and no task is started twice', async () => {
    const proxy = await openProxy(inject('engine'));
    const env = await cleanHome({ TEMPORAL_ADDRESS: proxy.address, KIMI_TASK_QUEUE: `cli-${crypto.randomUUID()}` });
    const dispatching = Array.from({ length: 4 }, () => launch(['dispatch', '-p', 'x', '--json'], env));
    const client = await engineClient();
    const isStarted = async () => {
      const { count } = await client.workflow.count(`TaskQueue = "${env['KIMI_TASK_QUEUE']}"`);
      return count >= dispatching.length;
    };
    await until(isStarted);
    await proxy.cut();
    // Long enough for the interval between retries to exceed the time of the query for the task.
    await pause(1_200);
    await proxy.restore();
    for (const { ended } of dispatching) {
      const { code, stdout, stderr } = await ended;
      expect([0, 5]).toContain(code);
      expect(stdout).toMatch(code === 0 ? /"status":"pending"/ : /^$/);
      expect(stderr).toMatch(code === 0 ? /^$/ : /^引擎沒有及時確認任務 kimi-\d+-\d+，[^\n]+\n$/);
    }
    expect((await client.workflow.count(`TaskQueue = "${env['KIMI_TASK_QUEUE']}"`)).count).toBe(dispatching.length);
  });

  it.each([
    [
      'zh-TW',
      /沒有從 (\S+) 啟動的服務，也沒有 KIMI_API_KEY/,
      /請在 \S*home\/\.env 或環境設定/,
      /（~\/\.env 裡有這把金鑰，但不會讀取/,
    ],
    ['en', /No services run from (\S+)/, /in \S*home\/\.env/, /~\/\.env/],
  ])(
    'no key, in %s: where it is missing, which file is read, and which one is not',
    async (KIMI_LANG, nothing, file, unread) => {
      const env = await cleanHome({ KIMI_LANG, KIMI_TEMPORAL_PORT: '' });
      env['KIMI_HOME'] = join(env['HOME'] ?? '', 'home');
      await mkdir(env['KIMI_HOME']);
      const without = await inProcess(['dispatch', 'x'], env);
      expect(without).toMatchObject({ code: 3, stdout: '', stderr: expect.stringMatching(nothing) });
      expect(without.stderr).toMatch(file);
      expect(without.stderr).not.toMatch(unread);
      // The current folder is HOME.
      await writeFile(join(env['HOME'] ?? '', '.env'), 'export KIMI_API_KEY=sk-unread\n');
      const { stderr } = await inProcess(['dispatch', 'x'], env);
      expect(stderr).toMatch(unread);
      expect(stderr).not.toContain('sk-unread');
    },
  );

  it('no server', async () => {
    const env = await cleanHome({ TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_API_KEY: 'sk-x' });
    const ended = await inProcess(['dispatch', '-p', 'x'], env);
    expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('連不上位於 127.0.0.1:1') });
  });

  it('all configuration problems, together, and in English on request', async () => {
    const env = await cleanHome({ WEBHOOK_PORT: 'x', KIMI_API_URL: 'ftp://x', KIMI_LANG: 'en' });
    const { code, stderr } = await inProcess(['list'], env);
    expect(code).toBe(3);
    expect(stderr).toContain('2 problems');
    expect(stderr).toContain('WEBHOOK_PORT=9001');
    expect(stderr).toContain('KIMI_API_URL=https://');
  });

  it('a results folder that is not writable', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    const notWritable = await cli(['up', '--simulate'], await cleanHome({ KIMI_RESULTS_DIR: join(file, 'results') }));
    expect(notWritable).toMatchObject({ code: 3, stderr: expect.stringContaining('KIMI_RESULTS_DIR') });
  });

  it.each([
    ['zh-TW', '（', /已被占用.*TEMPORAL_ADDRESS/, /已被占用.*WEBHOOK_PORT 換一個$/, /已被占用/],
    ['en', ' (', /is taken.*TEMPORAL_ADDRESS/, /is taken.*choose another with WEBHOOK_PORT$/, /is taken/],
  ])('in %s each port that is in use, before the engine is looked for', async (lang, opens, engine, webhook, other) => {
    const sentences = {
      KIMI_TEMPORAL_PORT: engine,
      KIMI_UI_PORT: other,
      WEBHOOK_PORT: webhook,
      KIMI_WORKER_PORT: other,
      KIMI_RELAY_PORT: other,
      KIMI_SIMULATOR_PORT: other,
      KIMI_METRICS_PORT: other,
    };
    const ports: Record<string, string> = {};
    for (const variable of Object.keys(sentences)) ports[variable] = String(await takenPort());
    const env = await cleanHome({
      KIMI_LANG: lang,
      KIMI_CALLBACKS: 'relay',
      // A missing engine: whichever code looks for it first would report that instead.
      TEMPORAL_CLI_PATH: '/nowhere/temporal',
      ...ports,
    });
    const { code, stdout, stderr } = await cli(['up', '--simulate'], env);
    expect({ code, stdout }).toEqual({ code: 3, stdout: '' });
    const [, ...lines] = stderr.trim().split('\n');
    expect(lines).toHaveLength(Object.keys(sentences).length);
    for (const [variable, sentence] of Object.entries(sentences)) {
      const line = lines.find((each) => each.includes(`${opens}${variable}`));
      expect(line, variable).toContain(ports[variable]);
      expect(line).toMatch(sentence);
    }
  });

  it('every port in use, including one configured twice, and the same from up --detach', async () => {
    const port = String(await takenPort());
    const free = String(await freePort());
    const ports = { WEBHOOK_PORT: port, KIMI_UI_PORT: port, KIMI_WORKER_PORT: free, KIMI_SIMULATOR_PORT: free };
    for (const args of [[], ['--detach']]) {
      const { code, stderr } = await cli(['up', '--simulate', ...args], await cleanHome(ports));
      expect(code).toBe(3);
      expect([...stderr.matchAll(/（(\w+_PORT)）/g)].map(([, variable]) => variable)).toEqual([
        'KIMI_UI_PORT',
        'WEBHOOK_PORT',
        'KIMI_SIMULATOR_PORT',
      ]);
    }
  });

  it('a real stack is never used for a simulation', async () => {
    const world = await openWorld();
    const env = await cleanHome({ TEMPORAL_ADDRESS: inject('engine'), KIMI_TASK_QUEUE: world.taskQueue });
    const ended = await inProcess(['run', '--simulate', 'x'], env);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining('真正的 Kimi') });
    expect(world.counts.requests).toBe(0);
  });

  it('a provider that never calls back is refused before anything is sent', async () => {
    const env = await cleanHome({ KIMI_API_KEY: 'sk-never-sent', KIMI_CALLBACKS: 'native' });
    const ended = await inProcess(['run', 'x'], env);
    expect(ended).toMatchObject({ code: 3, stderr: expect.stringContaining('不會回呼') });
    expect(ended.stderr + ended.stdout).not.toContain('sk-never-sent');
  });
});

it('help names no retired model', async () => {
  const { stdout } = await inProcess(['dispatch', '--help'], await cleanHome());
  expect(stdout).toContain('--model kimi-');
  for (const model of RETIRED.models) expect(stdout).not.toContain(`--model ${model}`);
});

describe('the shims', () => {
  it('dispatch-kimi.sh passes its arguments on', async () => {
    const env = await cleanHome();
    const { ended } = launch(['-n', 'calculator'], env, join(PACKAGE_ROOT, 'scripts/dispatch-kimi.sh'));
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining('沒有內容可以交給 Kimi') });
  });

  it('run-kimi.sh passes its arguments on', async () => {
    const env = await cleanHome();
    await mkdir(join(env['HOME'] ?? '', 'elsewhere'));
    const { ended } = launch([], env, join(PACKAGE_ROOT, 'run-kimi.sh'));
    expect(await ended).toMatchObject({ code: 2, stderr: expect.stringContaining('沒有內容可以交給 Kimi') });
  });
});

it('a stack whose home is removed stops all its processes, and down says so', async () => {
  const env = await cleanHome({ KIMI_LANG: 'zh-TW' });
  const { state, ended } = await up(env, '--simulate');
  await rm(join(env['HOME'] ?? '', '.local/share/kimi-dispatch'), { recursive: true });
  const said = expect.stringContaining('that stack stops by itself');
  const english = { ...env, KIMI_LANG: 'en' };
  expect(await inProcess(['list'], english)).toMatchObject({ code: 5, stderr: said });
  expect(await inProcess(['status', 'kimi-1707654321-1'], english)).toMatchObject({ code: 5, stderr: said });
  expect(await cli(['down'], english)).toMatchObject({ code: 0, stdout: said });
  expect(await inProcess(['doctor'], english)).toMatchObject({ code: 3, stdout: said });
  expect(await ended).toMatchObject({ code: 0, stderr: expect.stringContaining('已被刪除') });
  expect(state.children.length).toBe(3);
  expect(state.children.filter(isAlive)).toEqual([]);
});

it('run, whose home is removed, says so and stops its processes', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', KIMI_MODLE: 'x' });
  const run = launch(['run', '--simulate', 'x [[simulate: delay=600000]]', '--timeout', '10m'], env);
  await until(() => run.said.stderr.includes('Task id'));
  await rm(join(env['HOME'] ?? '', '.local/share/kimi-dispatch'), { recursive: true });
  const { code, stderr } = await run.ended;
  expect(code, stderr).toBe(3);
  expect(stderr).toContain('~/.local/share/kimi-dispatch was removed');
  expect(stderr).toContain('KIMI_MODLE in the environment has no effect');
});

describe('without running services', () => {
  it('list shows the saved results, and says that it cannot show more', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    const folder = resultsOf(env);
    await mkdir(folder, { recursive: true });
    for (const n of [1, 2, 3]) {
      const result: ResultFile = {
        task_id: `kimi-1707654321-${n}`,
        task_name: `saved-${n}`,
        status: n === 3 ? 'failed' : 'done',
        model: 'kimi-k2.6',
        output: '42',
        created_at: `2026-11-0${n}T00:00:00Z`,
        completed_at: `2026-11-0${n}T00:00:01Z`,
      };
      await writeFile(join(folder, `${result.task_id}.json`), JSON.stringify(result));
    }
    const list = await inProcess(['list', '--limit', '1', '--status', 'done', '--json'], env);
    expect(JSON.parse(list.stdout)).toEqual([
      expect.objectContaining({ task_id: 'kimi-1707654321-2', status: 'done', created_at: '2026-11-02T00:00:00Z' }),
    ]);
    const said = expect.stringMatching(/the saved results only; .*kimi-dispatch up --detach/);
    expect(list).toMatchObject({ code: 5, stderr: said });
    expect((await inProcess(['list'], env)).stdout).toMatch(/saved-3[^]*saved-2[^]*saved-1/);
    // A result file does not contain its chat.
    const chat = JSON.stringify({ channel: 'telegram', to: '1' });
    expect(await inProcess(['list', '--route', chat], env)).toMatchObject({ code: 5, stdout: '' });
  });

  it('dispatch without a key names both ways to try the simulated Kimi', async () => {
    const { code, stderr } = await inProcess(['dispatch', '-p', 'x'], await cleanHome());
    expect(code).toBe(3);
    expect(stderr).toContain('kimi-dispatch run --simulate');
    expect(stderr).toContain('kimi-dispatch up --detach --simulate');
  });
});

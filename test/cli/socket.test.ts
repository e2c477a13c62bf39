/** Commands through the API of the running services, and without it: the output is the same. */
import { createServer, request } from 'node:http';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { COMMANDS } from '../../src/cli/every-command.ts';
import { TAKES, type CommandName } from '../../src/cli/program.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { settingsDigest } from '../../src/config/settings.ts';
import { SECRETS, VARIABLES } from '../../src/config/variables.ts';
import type { StackState } from '../../src/stack/state.ts';
import { call } from '../support/api.ts';
import { cleanHome, resultsOf, up, type Ended } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { shared, temporaryFolder, until } from '../support/resources.ts';

type Env = Record<string, string>;

/** A proxy between the command line and the services. */
interface Between {
  /** `METHOD path` of every request. */
  seen: string[];
  /** Closes the connection of the next request, before or after the services have responded, amid that response, or after one of another kind. */
  cutNext?: 'before' | 'after' | 'amid' | 'foreign' | undefined;
}

/** Changes the description of the services, so that commands connect to another socket. */
async function standBetween(env: Env, { api_socket: socketPath = '' }: StackState): Promise<Between> {
  const between: Between = { seen: [] };
  const server = createServer((incoming, response) => {
    const { method = '', url = '', headers } = incoming;
    between.seen.push(`${method} ${url.split('?', 1)[0]}`);
    const cut = between.cutNext;
    between.cutNext = undefined;
    if (cut === 'before') {
      incoming.socket.destroy();
      return;
    }
    const onward = request({ socketPath, method, path: url, headers, agent: false }, (answer) => {
      if (cut === 'after') incoming.socket.destroy();
      else if (cut === 'foreign') incoming.socket.end('200 {"status":"accepted"}');
      else if (cut === 'amid') {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.once('data', (chunk: Buffer) => {
          response.write(chunk.subarray(0, chunk.length / 2), () => incoming.socket.end());
        });
      } else {
        response.writeHead(answer.statusCode ?? 0, answer.headers);
        answer.pipe(response);
      }
    });
    onward.on('error', () => incoming.socket.destroy());
    incoming.pipe(onward);
  });
  const path = join(await temporaryFolder(), 'between.sock');
  await new Promise<void>((resolve) => server.listen(path, resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const file = join(env['HOME'] ?? '', '.local/share/kimi-dispatch/stack.json');
  const stack = JSON.parse(await readFile(file, 'utf8')) as StackState;
  await writeFile(file, JSON.stringify({ ...stack, api_socket: path }));
  return between;
}

/** An environment with another setting, which has no effect here except that its commands do not use the service. */
function without(env: Env): Env {
  return { ...env, KIMI_GRACE_MS: '86400000' };
}

/** Ids and times differ from task to task. On a busy machine, Kimi's acceptance may come after a command has returned. */
function alike({ code, stdout, stderr }: Ended): Ended {
  return { code, stdout: withoutIds(stdout), stderr: withoutIds(stderr) };
}

function withoutIds(text: string): string {
  return text
    .replaceAll(/kimi-\d+-\d+/g, 'kimi-N')
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:]+Z|\d+ (?:秒|分鐘)[前後]|現在/g, 'TIME')
    .replace(`${cliText('zh-TW').pending}\n`, '')
    .replace(/"status":"(?:accepted|pending)"/, '"status":"…"')
    .replace(/"api_id":"cmpl-[\w-]+",/, '')
    .replaceAll(/cmpl-[\w-]+/g, 'cmpl-N');
}

const stack = shared(async () => {
  const env = await cleanHome();
  return { env, state: (await up(env, '--simulate')).state };
});

const ENGLISH = { KIMI_LANG: 'en' };

it('a command has the same output through the service and without it', { timeout: 600_000 }, async () => {
  const { env, state } = stack();
  const between = await standBetween(env, state);
  const both = async (args: string[], changes: Env = {}): Promise<Ended> => {
    between.seen = [];
    const withService = await inProcess(args, { ...env, ...changes });
    const requests = between.seen.length;
    expect(requests, args.join(' ')).toBeGreaterThan(0);
    const own = await inProcess(args, without({ ...env, ...changes }));
    expect(between.seen, args.join(' ')).toHaveLength(requests);
    expect(alike(withService), args.join(' ')).toEqual(alike(own));
    return withService;
  };

  // No task exists yet.
  expect(await both(['list'])).toMatchObject({ code: 0 });
  expect(await both(['result'])).toMatchObject({ code: 9 });
  expect(await both(['inbox'])).toMatchObject({ code: 0 });
  for (const command of ['status', 'result', 'ack', 'cancel', 'allow']) {
    expect(await both([command, 'kimi-1-1'], ENGLISH)).toMatchObject({ code: 4 });
  }

  // Errors in the input of the user.
  expect(await both(['dispatch', 'x', '-n', '../x'])).toMatchObject({ code: 2 });
  expect(await both(['dispatch', 'x', '-m', 'kimi-k2.6', '--temperature', '2'], ENGLISH)).toMatchObject({ code: 2 });

  expect(await inProcess(['dispatch', 'x', '--budget', '¥5'], env)).toMatchObject({ code: 2 });

  // A simulated task costs nothing.
  const json = await both(['dispatch', 'hello', '--json', '--budget', '0.01']);
  expect(JSON.parse(json.stdout)).toMatchObject({ status: expect.stringMatching(/accepted|pending/) });
  const { task_id } = JSON.parse(json.stdout) as { task_id: string };
  const waiting =
    /kimi-\d+-\d+/.exec((await both(['dispatch', 'x [[simulate: drop=1]]', '--timeout', '1h'])).stderr)?.[0] ?? '';
  expect(await both(['result', waiting])).toMatchObject({ code: 9 });
  expect(await both(['ack', waiting], ENGLISH)).toMatchObject({ code: 9 });
  await until(async () => (await inProcess(['result', task_id], env)).code === 0);
  // The newest of that name.
  await until(async () => (await inProcess(['result', 'hello'], env)).code === 0);

  // By its name, by the number at its end, and as the newest one, through the service and without it.
  for (const asked of [env, without(env)]) {
    const whole = await inProcess(['result', task_id], asked);
    expect(await inProcess(['result', 'hello'], asked)).toEqual(whole);
    expect(await inProcess(['result', 'hel'], asked)).toEqual(whole);
    expect(await inProcess(['result', task_id.split('-')[2] ?? ''], asked)).toEqual(whole);
    const [newest] = JSON.parse((await inProcess(['list', '-l', '1', '--json'], asked)).stdout) as [
      { task_id: string },
    ];
    expect((await inProcess(['status', 'last'], asked)).stdout).toContain(newest.task_id);
    expect(await inProcess(['cancel', 'nobody'], asked)).toMatchObject({
      code: 4,
      stderr: expect.stringContaining('nobody'),
    });
  }

  await both(['status', waiting]);
  for (const more of [[], ['--json']]) {
    await both(['status', task_id, ...more]);
    await both(['result', task_id, ...more]);
    await both(['list', '--status', 'done', '--name', 'hel', '--since', '1d', ...more]);
    await both(['inbox', ...more]);
  }
  expect(await both(['list', '--name', 'nothing'])).toMatchObject({ code: 0 });

  // An answer that came late is marked, though not for programs.
  const file = join(resultsOf(env), `${task_id}.json`);
  const saved = JSON.parse(await readFile(file, 'utf8')) as object;
  await writeFile(file, JSON.stringify({ ...saved, late: true }));
  expect((await both(['list', '--name', 'hel'])).stdout).toContain('完成（模擬）（遲到的答案）');
  expect((await both(['list', '--name', 'hel', '--json'])).stdout).not.toContain('"late"');
  await writeFile(file, JSON.stringify(saved));
  const route = ['--route', '{"channel":"telegram","to":"1"}'];
  expect(await both(['status', task_id, ...route])).toMatchObject({ code: 4 });
  expect(await both(['list', ...route])).toMatchObject({ code: 0 });
  expect(await both(['ack', task_id])).toMatchObject({ code: 0 });
  expect(await both(['ack', `${task_id}-late`], ENGLISH)).toMatchObject({ code: 9 });
  expect(await both(['cancel', task_id])).toMatchObject({ code: 10 });
  expect(await both(['allow', task_id])).toMatchObject({ code: 10, stderr: expect.stringContaining('不是在等候預算') });
  expect(await inProcess(['cancel', waiting], env)).toMatchObject({ code: 0, stdout: `已取消任務 ${waiting}。\n` });
});

it(
  'a dispatch whose service ends meanwhile is one task, and is reported as dispatched',
  { timeout: 300_000 },
  async () => {
    const { env, state } = stack();
    const between = await standBetween(env, state);
    for (const cut of ['before', 'after', 'amid', 'foreign'] as const) {
      between.cutNext = cut;
      const ended = await inProcess(['dispatch', 'x', '-n', cut], env);
      expect(ended, cut).toMatchObject({ code: 0, stdout: expect.stringContaining(`✅ Kimi 任務已派發：${cut}`) });
      expect(between.cutNext).toBeUndefined();
      const task_id = /kimi-\d+-\d+/.exec(ended.stderr)?.[0];
      const list = async (): Promise<string[]> => {
        const { body } = await call(state.api_socket ?? '', 'GET', `/v1/tasks?name=${cut}`);
        return (body as { tasks: { task_id: string }[] }).tasks.map((task) => task.task_id);
      };
      await expect.poll(list).toEqual([task_id]);
    }
  },
);

it('a service with other settings is not used; secrets, language and home do not count as settings', () => {
  const env = { KIMI_MODEL: 'x', KIMI_TASK_QUEUE: 'q' };
  const same = [
    { ...env, KIMI_LANG: 'en' },
    { ...env, KIMI_HOME: '/x' },
    { ...env, PATH: '/bin', OPENCLAW_STATE_DIR: '/x' },
    { ...env, KIMI_METRICS_HOST: ' ' },
  ];
  for (const each of same) expect(settingsDigest(each)).toBe(settingsDigest(env));
  const compared = Object.keys(VARIABLES).filter(
    (name) => !SECRETS.some((secret) => secret === name) && !['KIMI_HOME', 'KIMI_LANG'].includes(name),
  );
  for (const name of [...compared, 'TEMPORAL_NAMESPACE', 'TEMPORAL_TLS']) {
    expect(settingsDigest({ ...env, [name]: 'other' }), name).not.toBe(settingsDigest(env));
  }
  for (const name of SECRETS.filter((secret) => secret !== 'KIMI_PAYLOAD_KEYS')) {
    expect(settingsDigest({ ...env, [name]: 'secret' }), name).toBe(settingsDigest(env));
  }
  // Encryption keys are compared by their ids.
  const keys = ['a:x', 'a:y', 'b:x'].map((KIMI_PAYLOAD_KEYS) => settingsDigest({ KIMI_PAYLOAD_KEYS }));
  expect(keys[0]).toBe(keys[1]);
  expect(keys[0]).not.toBe(keys[2]);
});

it.each(Object.keys(TAKES) as CommandName[])('the help lists %s with its actual options', async (name) => {
  const command = (await COMMANDS[name]())(cliText('en'));
  expect(command.description()).toBe(cliText('en').help[name]);
  const words = command.registeredArguments.map((argument) => {
    const word = `${argument.name()}${argument.variadic ? '...' : ''}`;
    return argument.required ? `<${word}>` : `[${word}]`;
  });
  expect([...(command.options.length > 0 ? ['[options]'] : []), ...words].join(' ')).toBe(TAKES[name]);
});

/** `kimi-dispatch mcp`, as clients of the official SDK use it: on one stack with the simulated Kimi. */
import { createInterface } from 'node:readline';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client, StreamableHTTPClientTransport, type ClientOptions } from '@modelcontextprotocol/client';
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio';
import {
  CallToolResultV2Schema,
  CancelTaskResultV2Schema,
  CreateTaskResultV2Schema,
  GetTaskResultV2Schema,
  UpdateTaskResultV2Schema,
} from '@modelcontextprotocol/ext-tasks/core/v2';
import { describe, expect, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { runningStack } from '../../src/stack/state.ts';
import { homeBesideKimi } from '../support/beside-kimi.ts';
import { cli, launch, resultsOf, up } from '../support/cli.ts';
import { lifetime, shared, until } from '../support/resources.ts';

const COMMAND = join(DIST, 'kimi-dispatch.cjs');

const MODERN: ClientOptions = { versionNegotiation: { mode: { pin: '2026-07-28' } } };

const stack = shared(async () => {
  const { env, home } = await homeBesideKimi({ KIMI_LANG: 'en', WEBHOOK_PORT: '23902', KIMI_API_PORT: '0' });
  return { env, home, ...(await up(env)) };
});

async function connect(env: Record<string, string>, args: string[] = [], options?: ClientOptions): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, options);
  await client.connect(
    new StdioClientTransport({
      command: process.execPath,
      args: [COMMAND, 'mcp', ...args],
      env,
      cwd: env['HOME'] ?? '',
    }),
  );
  lifetime()(async () => await client.close());
  return client;
}

/** @param name of a new token */
async function connectTo(name: string, scope: string, options?: ClientOptions): Promise<Client> {
  const { env, state } = stack();
  const { stdout } = await cli(['token', 'create', name, '--scope', scope], env);
  const client = new Client({ name: 'test', version: '1' }, options);
  const requestInit = { headers: { authorization: `Bearer ${stdout.trim()}` } };
  await client.connect(new StreamableHTTPClientTransport(new URL(`${state.http_api_url}/mcp`), { requestInit }));
  lifetime()(async () => await client.close());
  return client;
}

type Called = Awaited<ReturnType<Client['callTool']>>;

const textOf = ({ content }: Called): string =>
  content.map((part) => (part.type === 'text' ? part.text : '')).join('\n');

async function call(
  client: Client,
  name: string,
  args: Record<string, unknown>,
  // oxlint-disable-next-line typescript/no-explicit-any
): Promise<Called & { data: Record<string, any> }> {
  const result = await client.callTool({ name, arguments: args });
  return { ...result, data: (result.structuredContent ?? {}) as Record<string, unknown> };
}

describe('over standard input and output', () => {
  it('a client dispatches, waits with progress, and reads the answer and the resources', async () => {
    const client = await connect(stack().env);
    const { tools } = await client.listTools();
    expect(tools.map(({ name }) => name)).toEqual([
      'kimi_dispatch',
      'kimi_continue',
      'kimi_map',
      'kimi_schedule',
      'kimi_status',
      'kimi_wait',
      'kimi_result',
      'kimi_cancel',
    ]);
    for (const { inputSchema, outputSchema } of tools) {
      expect(inputSchema).toMatchObject({ type: 'object', additionalProperties: false });
      expect(outputSchema).toMatchObject({ type: 'object' });
    }

    const key = `key-${crypto.randomUUID()}`;
    const asked = { prompt: 'calculator [[simulate: delay=1200]]', name: 'calculator', thinking: 'off', key };
    const started = await call(client, 'kimi_dispatch', asked);
    // The first task of a busy machine may be accepted after the tool has answered.
    expect(textOf(started)).toMatch(
      /^(?:Kimi has accepted t|T)ask calculator \(kimi-\d+-\d+\)(?: is saved and on its way to Kimi)?\.\nWait for /,
    );
    const { task_id } = started.data;
    // A call that is repeated starts no second task.
    expect((await call(client, 'kimi_dispatch', asked)).data).toMatchObject({ status: 'known', task_id });

    const progress: number[] = [];
    const waited = await client.callTool(
      { name: 'kimi_wait', arguments: { task_id } },
      { onprogress: (report) => void progress.push(report.progress) },
    );
    expect(waited.structuredContent).toMatchObject({ ended: true, result: { task_id, status: 'done' } });
    expect(progress.length).toBeGreaterThan(0);
    expect(progress).toEqual([...new Set(progress)].toSorted((a, b) => a - b));

    const { output } = (await call(client, 'kimi_result', { task_id })).data;
    expect(output).toContain('calculator');
    const uri = `kimi-dispatch://results/${task_id}`;
    const { resources } = await client.listResources();
    expect(resources).toContainEqual(expect.objectContaining({ uri, name: 'calculator', mimeType: 'text/markdown' }));
    expect((await client.readResource({ uri })).contents).toEqual([{ uri, mimeType: 'text/markdown', text: output }]);
    const { resourceTemplates } = await client.listResourceTemplates();
    expect(resourceTemplates[0]).toMatchObject({ uriTemplate: 'kimi-dispatch://results/{task_id}' });
    await expect(client.readResource({ uri: 'kimi-dispatch://results/kimi-1-1' })).rejects.toThrow(
      'There is no task kimi-1-1',
    );

    const modern = await connect(stack().env, [], MODERN);
    expect((await modern.listTools()).tools).toHaveLength(tools.length);
    expect((await call(modern, 'kimi_result', { task_id })).data).toMatchObject({ task_id, output });

    const next = await call(client, 'kimi_continue', { task_id, prompt: 'shorter' });
    expect(next.data).toMatchObject({ task_name: 'calculator' });
    const standing = await call(client, 'kimi_status', { task_id: next.data['task_id'] });
    expect(standing.data).toMatchObject({ task: { continues: task_id } });
    expect((await call(client, 'kimi_status', {})).data['tasks']).toContainEqual(expect.objectContaining({ task_id }));
  });

  it('asks for many rows, of the call or of a file, and adds, runs and removes schedules', async () => {
    const { env } = stack();
    const client = await connect(env);
    const asked = { prompt: 'Define {{word}}', name: 'words', rows: [{ word: 'fig' }, { word: 'plum' }], key: 'words' };
    const { task_id, ...started } = (await call(client, 'kimi_map', asked)).data;
    expect(started).toMatchObject({ task_name: 'words', status: 'started', rows: 2 });
    expect((await call(client, 'kimi_map', asked)).data).toMatchObject({ status: 'known', task_id });
    expect((await call(client, 'kimi_wait', { task_id })).data).toMatchObject({ result: { map: { done: 2 } } });
    const second = await call(client, 'kimi_result', { task_id, row: 2 });
    expect(second.data).toMatchObject({ status: 'done', output: expect.stringContaining('plum') as string });
    const file = join(env['HOME'] ?? '', 'rows.csv');
    await writeFile(file, 'word\nlime\n');
    expect((await call(client, 'kimi_map', { prompt: 'Define {{word}}', file })).data).toMatchObject({ rows: 1 });

    const added = await call(client, 'kimi_schedule', {
      action: 'add',
      name: 'news',
      when: 'every day 8:00',
      timezone: 'Asia/Taipei',
      prompt: 'news of {{date}}',
    });
    expect(added.data).toMatchObject({ schedules: [{ name: 'news', timezone: 'Asia/Taipei', paused: false }] });
    const paused = await call(client, 'kimi_schedule', { action: 'pause', name: 'news' });
    expect(paused.data).toMatchObject({ schedules: [{ name: 'news', paused: true }] });
    const run = await call(client, 'kimi_schedule', { action: 'run', name: 'news' });
    const waited = await call(client, 'kimi_wait', { task_id: run.data['started'].task_id });
    expect(waited.data).toMatchObject({
      ended: true,
      result: { status: 'done', task_name: run.data['started'].task_name },
    });
    expect(textOf(await call(client, 'kimi_schedule', { action: 'list' }))).toContain('news');
    await call(client, 'kimi_schedule', { action: 'remove', name: 'news' });
    expect(textOf(await call(client, 'kimi_schedule', { action: 'list' }))).toBe('There are no schedules yet.');
  });

  it('bad input is answered with a sentence, and starts nothing', async () => {
    const { env } = stack();
    const client = await connect(env);
    const count = async (): Promise<number> => (await call(client, 'kimi_status', {})).data['tasks'].length;
    const before = await count();
    const key = `key-${crypto.randomUUID()}`;
    const { task_id } = (await call(client, 'kimi_dispatch', { prompt: 'one', key })).data;
    await writeFile(join(env['HOME'] ?? '', 'empty.txt'), '');
    const refused: [string, Record<string, unknown>, string][] = [
      ['kimi_dispatch', { prompt: ' ' }, 'prompt'],
      ['kimi_dispatch', { prompt: 'x', temperature: 1 }, 'temperature'],
      ['kimi_dispatch', { prompt: 'x', timeout: 'soon' }, 'timeout'],
      ['kimi_dispatch', { prompt: 'x', timeout: '48h' }, 'timeout'],
      ['kimi_dispatch', { prompt: 'x', key: 'two words' }, 'key'],
      ['kimi_dispatch', { prompt: 'x', budget: -1 }, 'budget'],
      ['kimi_map', { prompt: '{{a}}' }, 'either rows or file'],
      ['kimi_map', { prompt: '{{a}}', rows: [{ b: 1 }] }, 'a'],
      ['kimi_schedule', { action: 'add', name: 'x' }, 'when, prompt is missing'],
      ['kimi_schedule', { action: 'pause', name: 'x' }, 'x'],
      ['kimi_dispatch', { prompt: 'two', key }, `The key had started task ${task_id} with another prompt`],
      ['kimi_dispatch', { prompt: 'x', model: 'kimi-k2.6', thinking: 'high' }, 'thinking'],
      ['kimi_dispatch', { prompt: 'x', files: ['missing.pdf'] }, 'missing.pdf'],
      ['kimi_dispatch', { prompt: 'x', files: ['empty.txt'] }, 'empty.txt'],
      ['kimi_continue', { prompt: 'x', task_id: 'kimi-1-1' }, 'There is no task kimi-1-1'],
      ['kimi_wait', { task_id: 'kimi-1-1' }, 'There is no task kimi-1-1'],
      ['kimi_wait', { task_id, seconds: 600 }, 'seconds'],
      ['kimi_result', { task_id: '../../etc/passwd' }, 'task_id'],
      ['kimi_wait', { task_id: 'big' }, 'is no task id, e.g. kimi-'],
    ];
    for (const [name, args, words] of refused) {
      const result = await call(client, name, args);
      expect(result.isError, name).toBe(true);
      expect(textOf(result)).toContain(words);
    }
    await call(client, 'kimi_wait', { task_id });
    const again = await call(client, 'kimi_cancel', { task_id });
    expect({ isError: again.isError, text: textOf(again) }).toMatchObject({
      isError: true,
      text: expect.stringContaining('already ended') as string,
    });
    expect(await count()).toBe(before + 1);
  });

  it('attaches files of the user; an answer is returned in parts, and a bounded wait says what to do', async () => {
    const { env } = stack();
    await writeFile(join(env['HOME'] ?? '', 'notes.md'), '# notes');
    const client = await connect({ ...env, KIMI_LANG: 'zh-TW' });
    const started = await call(client, 'kimi_dispatch', {
      prompt: 'long [[simulate: delay=1500 size=50000]]',
      files: ['notes.md'],
    });
    expect(textOf(started)).toContain('Kimi 已收下任務');
    const { task_id } = started.data;
    const early = await call(client, 'kimi_wait', { task_id, seconds: 1 });
    expect(early.data).toMatchObject({ ended: false, task: { files: [{ name: 'notes.md' }] } });
    expect(textOf(early)).toContain('請再呼叫一次 kimi_wait');
    await call(client, 'kimi_wait', { task_id });
    let answer = '';
    for (let offset: number | undefined = 0; offset !== undefined;) {
      const { data } = await call(client, 'kimi_result', { task_id, offset });
      answer += data['output'];
      offset = data['next_offset'];
    }
    const file = await readFile(join(resultsOf(env), `${task_id}.json`), 'utf8');
    expect(answer === (JSON.parse(file) as { output: string }).output).toBe(true);
    expect(answer.length).toBeGreaterThan(40_000);
  });

  it('with --channel wakes the client when a task that it started has ended; without it does not', async () => {
    const { env } = stack();
    const woken: unknown[] = [];
    const client = await connect(env, ['--channel']);
    client.fallbackNotificationHandler = async (notification) => void woken.push(notification);
    expect(client.getServerCapabilities()?.experimental).toEqual({ 'claude/channel': {} });
    const asked = { prompt: 'wake me', name: 'wake', key: 'wake-once' };
    const { task_id } = (await call(client, 'kimi_dispatch', asked)).data;
    await until(() => woken.length > 0);
    // A repeated call sends no second notification.
    expect((await call(client, 'kimi_dispatch', asked)).data).toMatchObject({ status: 'known' });
    const next = await call(client, 'kimi_dispatch', { prompt: 'wake me too', name: 'next' });
    await until(() => woken.length > 1);
    const wakes = [[task_id, 'wake'] as const, [next.data['task_id'] as string, 'next'] as const];
    expect(woken).toEqual(
      wakes.map(([id, name]) => ({
        jsonrpc: '2.0',
        method: 'notifications/claude/channel',
        params: {
          content: `Kimi task ${name} (${id}) has ended: done. Read it with kimi_result.`,
          meta: { task_id: id, status: 'done' },
        },
      })),
    );
    expect((await connect(env)).getServerCapabilities()?.experimental).toBeUndefined();
  });

  it('a client of the Tasks extension gets a task that tasks/get knows; another client gets none', async () => {
    const { env } = stack();
    const server = launch(['mcp', '--channel'], env);
    const lines = createInterface(server.child.stdout)[Symbol.asyncIterator]();
    let id = 0;
    const request = async (
      method: string,
      params: object,
      extensions: object = { 'io.modelcontextprotocol/tasks': {} },
    ) => {
      id += 1;
      const meta = {
        'io.modelcontextprotocol/protocolVersion': '2026-07-28',
        'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
        'io.modelcontextprotocol/clientCapabilities': { extensions },
      };
      server.child.stdin.write(
        `${JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: meta } })}\n`,
      );
      return await until(async () => {
        // oxlint-disable-next-line typescript/no-explicit-any
        const answer = JSON.parse((await lines.next()).value as string) as Record<'id' | 'result' | 'error', any>;
        // A notification of the channel has none.
        return answer.id === undefined ? undefined : answer;
      });
    };
    // What is no JSON is no request, and ends nothing.
    server.child.stdin.write('no JSON\n\0\n');
    expect((await request('server/discover', {})).result.capabilities.extensions).toEqual({
      'io.modelcontextprotocol/tasks': {},
    });
    const args = { name: 'kimi_dispatch', arguments: { prompt: 'as a task', name: 'extension' } };
    const { result: created } = await request('tools/call', args);
    expect(created).toMatchObject({
      resultType: 'task',
      status: 'working',
      ttlMs: null,
      taskId: expect.any(String) as string,
    });
    const { taskId } = CreateTaskResultV2Schema.parse(created);
    const ended = await until(async () => {
      const { result } = await request('tasks/get', { taskId });
      GetTaskResultV2Schema.parse(result);
      return result.status === 'working' ? undefined : result;
    });
    expect(ended).toMatchObject({
      resultType: 'complete',
      status: 'completed',
      result: { structuredContent: { task_id: taskId, status: 'done' } },
    });
    CallToolResultV2Schema.parse(ended.result);
    CancelTaskResultV2Schema.parse((await request('tasks/cancel', { taskId })).result);
    UpdateTaskResultV2Schema.parse((await request('tasks/update', { taskId, inputResponses: {} })).result);
    await rm(join(resultsOf(env), `${taskId}.json`));
    const { result: gone } = await request('tasks/get', { taskId });
    GetTaskResultV2Schema.parse(gone);
    expect(gone).toMatchObject({ status: 'failed', error: { message: expect.stringContaining(taskId) as string } });
    expect((await request('tasks/get', { taskId: 'kimi-1-1' })).error).toMatchObject({
      code: -32_602,
      message: expect.stringContaining('There is no task kimi-1-1') as string,
    });
    expect((await request('tasks/get', { taskId }, {})).error.code).toBe(-32_021);
    const { result: plain } = await request('tools/call', args, {});
    expect(plain).toMatchObject({ resultType: 'complete', structuredContent: { task_name: 'extension' } });
    expect(plain).not.toHaveProperty('taskId');
    // What the channel still waits for keeps no process.
    await request('tools/call', { ...args, arguments: { prompt: 'open [[simulate: delay=60000]]' } });
    server.child.stdin.end();
    expect((await server.ended).code).toBe(0);
  });
});

describe('over HTTP', () => {
  it('the holder of a token dispatches, waits with progress and reads; others see nothing of it', async () => {
    const mine = await connectTo('mine', 'submit,read', MODERN);
    const key = `key-${crypto.randomUUID()}`;
    const asked = { prompt: 'over HTTP [[simulate: delay=1200]]', name: 'http', key };
    const { task_id } = (await call(mine, 'kimi_dispatch', asked)).data;
    expect((await call(mine, 'kimi_dispatch', asked)).data).toMatchObject({ status: 'known', task_id });
    const progress: number[] = [];
    const waited = await mine.callTool(
      { name: 'kimi_wait', arguments: { task_id } },
      { onprogress: (report) => void progress.push(report.progress) },
    );
    expect(waited.structuredContent).toMatchObject({ ended: true, result: { task_id, status: 'done' } });
    expect(progress.length).toBeGreaterThan(0);
    // Its result may be removed then, when it is old.
    const isAcknowledged = async (id: string): Promise<true | undefined> =>
      (
        JSON.parse(await readFile(join(resultsOf(stack().env), `${id}.json`), 'utf8')) as {
          acknowledged?: true;
        }
      ).acknowledged;
    await until(async () => await isAcknowledged(task_id));
    const { task_id: map } = (await call(mine, 'kimi_map', { prompt: '{{n}}', rows: [{ n: 1 }] })).data;
    await until(async () => !(await call(mine, 'kimi_result', { task_id: map, row: 1 })).isError);
    await until(async () => await isAcknowledged(map));
    // A path would be one of the computer of the services.
    const files = await call(mine, 'kimi_dispatch', { prompt: 'x', files: ['/etc/passwd'] });
    expect({ isError: files.isError, text: textOf(files) }).toMatchObject({
      isError: true,
      text: expect.stringContaining('POST /v1/files, then POST /v1/tasks') as string,
    });

    const other = await connectTo('other', 'read');
    expect(textOf(await call(other, 'kimi_result', { task_id }))).toContain(`There is no task ${task_id}`);
    expect((await other.listResources()).resources).toEqual([]);
    expect(textOf(await call(other, 'kimi_dispatch', { prompt: 'x' }))).toContain('This token lacks the scope submit');
    const { state } = stack();
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' });
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
    const refused = await fetch(`${state.http_api_url}/mcp`, { method: 'POST', headers, body });
    expect(refused.status).toBe(401);

    // A client that goes away is no error of the services.
    const long = await call(mine, 'kimi_dispatch', { prompt: 'long [[simulate: delay=60000]]' });
    const leaving = new AbortController();
    const left = mine.callTool(
      { name: 'kimi_wait', arguments: { task_id: long.data['task_id'] } },
      { signal: leaving.signal, onprogress: () => leaving.abort() },
    );
    await expect(left).rejects.toThrow('aborted');
    expect((await call(mine, 'kimi_cancel', { task_id: long.data['task_id'] })).data).toMatchObject({
      status: 'cancelled',
    });
    expect((await cli(['logs', '--json'], stack().env)).stdout).not.toMatch(/unexpected error/);
  });
});

it('kill -9 of everything between dispatch and wait loses nothing; without services the sentence says what to do', async () => {
  const { env, home, state } = stack();
  const client = await connect(env);
  const { task_id } = (await call(client, 'kimi_dispatch', { prompt: 'survive [[simulate: delay=2000]]' })).data;
  for (const { pid } of [state, ...state.children]) process.kill(pid, 'SIGKILL');
  await until(async () => ((await runningStack(home)) ? undefined : true));
  const lost = await call(client, 'kimi_wait', { task_id });
  expect({ isError: lost.isError, text: textOf(lost) }).toMatchObject({
    isError: true,
    text: expect.stringContaining('kimi-dispatch up') as string,
  });
  await up(env);
  const waited = await call(client, 'kimi_wait', { task_id });
  expect(waited.data).toMatchObject({ ended: true, result: { task_id, status: 'done' } });
});

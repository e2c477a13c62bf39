/** Maps on the real engine: every row is asked once, and there is one notification. */
import { writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { rowTaskId } from '../../src/shared/task-id.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { idFrom } from '../../src/tasks/start.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import type { StartedMap } from '../../src/tasks/tasks.ts';
import { tasksOf } from '../support/api.ts';
import { allRows, resultOfMap, startMapIn } from '../support/maps.ts';
import { until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const lines = (count: number, line: (n: number) => string): string =>
  Array.from({ length: count }, (_, index) => line(index + 1)).join('\n');

/** Every third row is refused once. */
const failing = (n: number): string => (n % 3 === 0 ? 'status=400 refusals=1 delay=0' : 'delay=0');

async function answersOf(world: World, map: ResultFile): Promise<(string | undefined)[]> {
  return (await allRows(world, map)).map(({ result }) => result?.output);
}

describe('a map', () => {
  it.each([
    ['rows.jsonl', '{"text":"一","n":1}\n\n{"text":"二","n":{"a":2}}\r\n', ['一 1', '二 {"a":2}']],
    [
      'numbers.jsonl',
      '{"text":"\\"1.10","n":1.10}\n{"text":-1e3,"n":12345678901234567890}',
      ['"1.10 1.10', '-1e3 12345678901234567890'],
    ],
    ['rows.CSV', '\uFEFFtext,n\r\n"一,\r\n行",1\r\n二,\r\n', ['一,\r\n行 1', '二 ']],
    ['rows.txt', '一\n\n  二 \n', ['一', '  二 ']],
  ])('asks for each row of %s', async (name, content, asked) => {
    const world = await openWorld({ delayMs: 0 });
    const prompt = name.endsWith('txt') ? '{{text}}' : '{{ text }} {{n}}';
    const started = await startMapIn(world, [name, content], { prompt });
    expect(started).toMatchObject({ status: 'started', rows: 2 });
    const map = await resultOfMap(world, started);
    expect(map).toMatchObject({ status: 'done', prompt, map: { rows: 2, done: 2, failures: [] }, acknowledged: true });
    const rows = await allRows(world, map);
    expect(rows.map(({ result }) => result?.prompt)).toEqual(asked);
    expect(rows.map(({ result }) => result?.output)).toEqual(asked.map((question) => answerTo(question)));
    expect(world.counts).toMatchObject({ requests: 2, wakes: [{ key: started.task_id }] });
  });

  it('with failed rows notifies once, is listed without its rows, and sums their tokens and cost', async () => {
    const world = await openWorld({ delayMs: 0 });
    const rows = lines(30, (n) => JSON.stringify({ n, how: n % 10 === 0 ? 'fail=1' : 'delay=0' }));
    const prompt = 'row {{n}} [[simulate: {{how}}]]';
    const started = await startMapIn(world, ['rows.jsonl', rows], { prompt, name: 'thirty', lang: 'en' });
    const { task_id } = started;
    const map = await resultOfMap(world, started);
    expect(map).toMatchObject({
      status: 'failed',
      error: { type: 'rows_failed', message: 'some rows have no answer' },
      map: { rows: 30, done: 27, failed: 3 },
    });
    expect(map.map?.failures.map(({ number }) => number)).toEqual([10, 20, 30]);
    expect(map.map?.failures[0]).toMatchObject({
      task_id: rowTaskId(task_id, 10),
      error: { type: expect.any(String) },
    });
    const saved = (await allRows(world, map)).map(({ result }) => result);
    expect(map.map?.tokens.total).toBe(saved.reduce((sum, result) => sum + (result?.tokens?.total ?? 0), 0));
    expect(world.counts.wakes).toEqual([
      { key: task_id, text: `Kimi task ended: thirty (${task_id}), 27 of 30 done, 3 failed` },
    ]);
    expect(world.counts.requests).toBe(30);
    expect(await world.results.unacknowledged()).toEqual([]);
    expect((await world.results.latest())?.task_id).toBe(task_id);

    const tasks = tasksOf(world);
    await expect.poll(async () => (await tasks.list({}, 10)).tasks).toMatchObject([{ task_id, state: 'failed' }]);
    expect(await tasks.find(task_id)).toMatchObject({ state: 'failed', map: { rows: 30, done: 27, failed: 3 } });
    const row = rowTaskId(task_id, 7);
    expect(await tasks.find(row)).toMatchObject({ state: 'done', row: { map: task_id, number: 7 } });
    expect(await tasks.question(row)).toMatchObject({ prompt: 'row 7 [[simulate: delay=0]]' });
  });

  it('is continued as new: no row is lost or asked twice, and it is one task that started once', async () => {
    const world = await openWorld({ delayMs: 0 });
    // More than the events of a run: each row reports by a signal.
    const rows = 260;
    const started = await startMapIn(world, ['rows.txt', lines(rows, (n) => `row ${n}`)], { prompt: '{{text}}' });
    const first = await world.handle(started).describe();
    const map = await resultOfMap(world, started);
    expect(map.map).toMatchObject({ rows, done: rows, failures: [] });
    expect(await answersOf(world, map)).toEqual(
      Array.from({ length: rows }, (_, index) => answerTo(`row ${index + 1}`)),
    );
    expect(world.counts).toMatchObject({ requests: rows, billed: rows });
    expect(world.counts.wakes).toHaveLength(1);
    const last = await world.handle(started).describe();
    expect(last.runId).not.toBe(first.runId);
    await expect
      .poll(async () => (await tasksOf(world).list({}, 10)).tasks)
      .toMatchObject([{ created_at: map.created_at }]);
  });

  it('that is started again with its key is the same; the key of another prompt is refused', async () => {
    const world = await openWorld({ delayMs: 0 });
    const key = newKey();
    const file: [string, string] = ['rows.txt', 'a\nb'];
    const started = await startMapIn(world, file, { prompt: 'x {{text}}' }, key);
    const again = await startMapIn(world, file, { prompt: 'x {{text}}' }, key);
    expect(again).toMatchObject({ status: 'known', task_id: started.task_id });
    await expect(startMapIn(world, file, { prompt: 'y {{text}}' }, key)).rejects.toMatchObject({ code: 'key_reused' });
    await resultOfMap(world, started);
    expect(world.counts.requests).toBe(2);
  });

  it('that is cancelled cancels the rows in progress, and sends no others', async () => {
    const world = await openWorld({ delayMs: 0 });
    const started = await startMapIn(world, ['rows.txt', lines(50, (n) => (n === 1 ? '' : 'drop=1') + ` n=${n}`)], {
      prompt: 'x [[simulate: {{text}}]]',
    });
    await until(
      async () => (await tasksOf(world).find(started.task_id)).map?.done === 1 && world.counts.requests >= 20,
    );
    const { requests } = world.counts;
    expect(await tasksOf(world).cancel(started.task_id)).toMatchObject({ status: 'cancelled' });
    const map = await resultOfMap(world, started);
    expect(map).toMatchObject({ status: 'cancelled', map: { rows: 50, done: 1, failed: 0, cancelled: 49 } });
    expect(map.map?.failures.at(-1)).toMatchObject({ number: 50, error: { type: 'not_started' } });
    expect(world.counts.requests).toBe(requests);
    expect(world.counts.wakes).toHaveLength(1);
  });

  it('retries the rows without an answer, and only those; their answers are those of the whole', async () => {
    const world = await openWorld({ delayMs: 0 });
    const file: [string, string] = ['rows.jsonl', lines(9, (n) => JSON.stringify({ n, how: failing(n) }))];
    const prompt = 'row {{n}} [[simulate: {{how}}]]';
    const first = await startMapIn(world, file, { prompt, name: 'nine' });
    const failed = await resultOfMap(world, first);
    expect(failed.map).toMatchObject({ rows: 9, done: 6, failed: 3 });
    const again = await startMapIn(world, file, { prompt, name: 'nine', retries: first.task_id });
    expect(again).toMatchObject({ rows: 3, task_name: 'nine' });
    const map = await resultOfMap(world, again);
    expect(map.map).toMatchObject({ rows: 3, only: [3, 6, 9], of: 9, retries: first.task_id });
    expect(world.counts.requests).toBe(12);
    const rows = await allRows(world, map);
    expect(rows.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(rows[0]?.task_id).toBe(rowTaskId(first.task_id, 1));
    expect(rows[2]?.task_id).toBe(rowTaskId(again.task_id, 3));
  });

  it('asks no row again that an earlier retry has answered, or that was answered after a cancellation', async () => {
    const world = await openWorld({ delayMs: 0 });
    const file: [string, string] = ['rows.jsonl', lines(6, (n) => JSON.stringify({ n, how: failing(n) }))];
    const prompt = 'row {{n}} [[simulate: {{how}}]]';
    const first = await startMapIn(world, file, { prompt, name: 'six' });
    await resultOfMap(world, first);
    // The simulated Kimi refuses a row of each map.
    const answer = async (map: string, number: number, changes: Partial<ResultFile>): Promise<void> => {
      const task_id = rowTaskId(map, number);
      const row = { ...(await world.results.read(task_id)), output: `answer ${number}`, ...changes };
      await writeFile(world.results.resultPath(task_id), JSON.stringify(row));
    };
    await answer(first.task_id, 3, { status: 'cancelled', late: true });
    const key = newKey();
    const retry = async (by = newKey()) => await startMapIn(world, file, { prompt, retries: first.task_id }, by);
    const again = await retry(key);
    const map = await resultOfMap(world, again);
    expect(map.map).toMatchObject({ only: [6], retries: first.task_id });
    await answer(again.task_id, 6, { status: 'done' });
    expect((await answersOf(world, map)).filter((said) => said?.startsWith('answer'))).toEqual([
      'answer 3',
      'answer 6',
    ]);
    await expect(retry()).rejects.toMatchObject({ code: 'no_failed_rows' });
    expect(await retry(key)).toMatchObject({ status: 'known', task_id: again.task_id });
    expect(world.counts.requests).toBe(7);
  });

  it('is not retried while it is being retried, nor twice at the same time', async () => {
    const world = await openWorld({ delayMs: 0 });
    // No row is ever answered: each map is open until it is cancelled.
    const file: [string, string] = ['rows.txt', 'drop=1'];
    const map = { prompt: 'x [[simulate: {{text}}]]' };
    const first = await startMapIn(world, file, map);
    await until(() => world.counts.requests === 1);
    await tasksOf(world).cancel(first.task_id);
    await resultOfMap(world, first);
    const retry = async () => await startMapIn(world, file, { ...map, retries: first.task_id });
    const both = await Promise.allSettled([retry(), retry()]);
    const again = both.find((start) => start.status === 'fulfilled')?.value as StartedMap;
    const unfinished = { code: 'unfinished', params: { task_id: again.task_id } };
    expect(both.find((start) => start.status === 'rejected')).toMatchObject({ reason: unfinished });
    await until(() => world.results.pending().length > 0);
    await expect(retry()).rejects.toMatchObject(unfinished);
    // One that was ended in the engine is not under way for ever; its rows are not answered.
    await world.handle(again).terminate();
    const third = await retry();
    expect(third).toMatchObject({ status: 'started', rows: 1 });
    expect(await world.results.read(again.task_id)).toMatchObject({
      status: 'failed',
      map: { retries: first.task_id },
    });
    await tasksOf(world).cancel(third.task_id);
    expect((await resultOfMap(world, third)).map?.retries).toBe(again.task_id);
  });

  it('is retried with another id if a task that is no retry of it has the id', async () => {
    const world = await openWorld({ delayMs: 0 });
    const file: [string, string] = ['rows.txt', 'fail=1'];
    const map = { prompt: 'x [[simulate: {{text}}]]' };
    const first = await startMapIn(world, file, map);
    const { completed_at } = await resultOfMap(world, first);
    const other = idFrom({ word: `retry of ${first.task_id}`, at: Date.parse(completed_at), isKey: true }, 0);
    await world.client.workflow.start('other', { workflowId: other, taskQueue: 'nobody', args: [] });
    await world.handle({ task_id: other }).terminate();
    const result = await world.results.read(first.task_id);
    await writeFile(world.results.resultPath(other), JSON.stringify({ ...result, task_id: other }));
    const retry = await startMapIn(world, file, { ...map, retries: first.task_id });
    expect(retry).toMatchObject({ status: 'started', rows: 1 });
    expect(retry.task_id).not.toBe(other);
    expect((await resultOfMap(world, retry)).map?.retries).toBe(first.task_id);
  });

  it('counts a row whose workflow was terminated as failed, after a while', async () => {
    const world = await openWorld({ delayMs: 0 });
    const started = await startMapIn(world, ['rows.txt', 'drop=1\ndelay=0'], { prompt: 'x [[simulate: {{text}}]]' });
    await until(async () => (await tasksOf(world).find(started.task_id)).map?.done === 1);
    await world.handle({ task_id: rowTaskId(started.task_id, 1) }).terminate();
    await world.skipTime(started);
    const map = await resultOfMap(world, started);
    expect(map.map).toMatchObject({ done: 1, failed: 1, failures: [{ number: 1, error: { type: 'row_lost' } }] });
  });
});

describe('before anything is paid', () => {
  it.each([
    ['rows.xlsx', 'x', {}, { code: 'unusable_rows', params: { why: 'format' } }],
    ['rows.txt', ' \n\n', {}, { code: 'unusable_rows', params: { why: 'empty' } }],
    ['rows.csv', 'a,b\n', {}, { code: 'unusable_rows', params: { why: 'empty' } }],
    ['rows.csv', 'a,a\n1,2\n', {}, { code: 'unusable_rows', params: { why: 'header', line: 1 } }],
    [
      'rows.csv',
      'a,b\n1,2\n\n3\n',
      {},
      { code: 'unusable_rows', params: { why: 'cells', line: 4, cells: 1, columns: 2 } },
    ],
    ['rows.csv', 'a,b\n1,"2\n3,4\n', {}, { code: 'unusable_rows', params: { why: 'quotes', line: 2 } }],
    ['rows.jsonl', '{"text":"a"}\n{"text":\n', {}, { code: 'unusable_rows', params: { why: 'not_json', line: 2 } }],
    ['rows.jsonl', '{"text":"a"}\n\n["b"]\n', {}, { code: 'unusable_rows', params: { why: 'not_object', line: 3 } }],
    [
      'rows.jsonl',
      '{"text":"a"}\n{"txt":"b"}\n',
      {},
      { code: 'unknown_column', params: { column: 'text', line: 2, columns: ['txt'] } },
    ],
    ['rows.txt', 'a', { prompt: 'x' }, { code: 'no_column', params: { columns: ['text'] } }],
    [
      'rows.csv',
      'text\na\n" "\n',
      { prompt: '{{text}}' },
      { code: 'unusable_row', params: { line: 3, reason: { code: 'no_prompt' } } },
    ],
    ['rows.txt', 'a', { model: 'kimi-k2.6', request: { temperature: 2 } }, { code: 'unusable_request' }],
  ])('%s %j is refused, and the line is named', async (name, content, changes, problem) => {
    const world = await openWorld({ worker: false });
    await expect(startMapIn(world, [name, content], { prompt: 'x {{text}}', ...changes })).rejects.toMatchObject(
      problem,
    );
    expect((await tasksOf(world).list({}, 1)).tasks).toEqual([]);
  });
});

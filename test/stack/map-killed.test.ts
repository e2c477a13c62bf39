/** kill -9 of everything amid a map, engine included: no row is lost or paid twice, and there is one notification. */
import { expect, it } from 'vitest';
import { ResultStore } from '../../src/results/store.ts';
import { rowTaskId } from '../../src/shared/task-id.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { runningStack } from '../../src/stack/state.ts';
import { call } from '../support/api.ts';
import { homeBesideKimiAndGateway } from '../support/beside-kimi.ts';
import { cli, launch, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { until } from '../support/resources.ts';

const ROWS = 60;
const PROMPT = 'row {{n}} [[simulate: delay={{delay}}]]';
const delayOf = (n: number): number => 300 + (n % 7) * 100;

/** How many rows have a result when everything is killed. */
const KILLED_AT = [5, 30];

it('of everything, twice', { timeout: 600_000 }, async () => {
  const { gateway, events, env, home } = await homeBesideKimiAndGateway({
    KIMI_MAX_CONCURRENT_TASKS: '8',
    KIMI_TASK_TIMEOUT_MS: '30000',
    WEBHOOK_PORT: '23901',
  });
  const start = async () => {
    const { child } = launch(['up'], env);
    await until(async () => ((await runningStack(home))?.pid === child.pid ? true : undefined));
    return await runningStack(home);
  };
  const file = Array.from({ length: ROWS }, (_, n) => JSON.stringify({ n: n + 1, delay: delayOf(n + 1) })).join('\n');
  let stack = await start();
  const socket = stack?.api_socket ?? '';
  const kept = await call(socket, 'POST', '/v1/rows?name=rows.jsonl', { file: Buffer.from(file) });
  expect(kept).toMatchObject({ status: 201, body: { rows: ROWS } });
  const started = await call(socket, 'POST', '/v1/maps', { body: { prompt: PROMPT, name: 'sixty', rows: kept.body } });
  expect(started).toMatchObject({ status: 201, body: { status: 'started', rows: ROWS } });
  const { task_id } = started.body as { task_id: string };

  const results = new ResultStore(resultsOf(env));
  const rowIds = Array.from({ length: ROWS }, (_, index) => rowTaskId(task_id, index + 1));
  const saved = async (): Promise<number> => {
    const all = await Promise.all(rowIds.map(async (id) => await results.read(id)));
    return all.filter((result) => result !== undefined).length;
  };
  for (const rows of KILLED_AT) {
    await until(async () => (await saved()) >= rows);
    const pids = [stack?.pid, ...(stack?.children.map(({ pid }) => pid) ?? [])].filter((pid) => pid !== undefined);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await until(async () => ((await runningStack(home)) ? undefined : true));
    stack = await start();
  }
  await until(async () => (await results.read(task_id))?.acknowledged);

  const map = await results.read(task_id);
  const rows = await Promise.all(rowIds.map(async (id) => await results.read(id)));
  for (const [index, row] of rows.entries()) {
    const prompt = PROMPT.replace('{{n}}', String(index + 1)).replace('{{delay}}', String(delayOf(index + 1)));
    expect(row?.prompt).toBe(prompt);
    const taken = events.filter((event) => event.task_id === rowIds[index] && event.what === 'taken').length;
    // A worker that was killed on the point of sending is not known not to have sent: the row is not sent again, and has no answer.
    expect([taken, row?.status]).toEqual(taken === 0 ? [0, 'timed_out'] : [1, 'done']);
    expect(row?.output).toBe(taken === 0 ? undefined : answerTo(prompt));
  }
  const done = rows.filter((row) => row?.status === 'done').length;
  expect(map?.map).toMatchObject({ rows: ROWS, done, timed_out: ROWS - done });
  const shown = gateway.wakes.filter((wake) => wake.shown);
  expect(shown.map(({ key }) => key)).toEqual([task_id]);
  const all = await inProcess(['result', task_id, '--all'], env);
  expect(
    all.stdout
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { row: number }).row),
  ).toEqual(Array.from({ length: ROWS }, (_, index) => index + 1));
  expect(await cli(['down'], env)).toMatchObject({ code: 0 });
});

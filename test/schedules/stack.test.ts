/** Schedules from the command line, on the embedded engine; everything is killed, and off when a task is due. */
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { Client, Connection } from '@temporalio/client';
import { expect, it } from 'vitest';
import { scheduleId } from '../../src/shared/names.ts';
import { isAlive } from '../../src/stack/process-id.ts';
import type { StackState } from '../../src/stack/state.ts';
import { ResultStore } from '../../src/results/store.ts';
import { cleanHome, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { until } from '../support/resources.ts';

/** Until everything is killed, and until the last due time: both pass while everything is off. Milliseconds. */
const DUE_AFTER_MS = [4_000, 6_000];

/** Makes a schedule due at certain seconds only: the command line has minutes. */
async function dueAt({ temporal_address: address, task_queue: queue }: StackState, times: Date[]): Promise<void> {
  const connection = await Connection.connect({ address });
  const handle = new Client({ connection }).schedule.getHandle(scheduleId(queue, 'morning'));
  const cronExpressions = times.map(
    (time) =>
      `${time.getUTCSeconds()} ${time.getUTCMinutes()} ${time.getUTCHours()} ${time.getUTCDate()} ${time.getUTCMonth() + 1} * ${time.getUTCFullYear()}`,
  );
  await handle.update((before) => ({ ...before, spec: { cronExpressions, timezone: 'UTC' } }));
  // An update that the engine has accepted and not applied counts from when it is applied.
  const next = async (): Promise<number | undefined> => (await handle.describe()).info.nextActionTimes[0]?.getTime();
  await until(async () => (await next()) === Math.floor((times[0]?.getTime() ?? 0) / 1_000) * 1_000);
  await connection.close();
}

async function schedule(env: Record<string, string>, ...words: string[]): ReturnType<typeof inProcess> {
  return await inProcess(['schedule', ...words], env);
}

it('is added, listed, run, paused and removed in both languages; bad words end with a sentence', async () => {
  const env = await cleanHome({ TZ: 'Asia/Taipei' });
  const english = { ...env, KIMI_LANG: 'en' };
  await up(env, '--simulate');

  expect((await schedule(env, 'list')).stdout).toMatch(/^還沒有排程。/);
  const added = await schedule(env, 'add', '每天 8:00', '{{date}} 的晨報', '-n', 'morning');
  expect(added).toMatchObject({ code: 0, stderr: '' });
  expect(added.stdout).toMatch(/^🗓️ 排程已建立：morning（每天 8:00）\n下次：\d+\/\d+（.）08:00，台北標準時間\n$/);
  const other = await schedule(english, 'add', 'every Monday 9:30', '-p', 'Plan the week', '--timezone', 'UTC');
  expect(other.stdout).toMatch(
    /^🗓️ Schedule added: plan-the-week \(every Monday 9:30\)\nNext: Mon \d+ \w{3} 09:30, UTC\n$/,
  );

  const ran = await schedule(env, 'run', 'morning');
  expect(ran).toMatchObject({ code: 0 });
  const [task_id = ''] = /kimi-\d+-\d+/.exec(ran.stderr) ?? [];
  expect(await inProcess(['wait', task_id], env)).toMatchObject({ code: 0 });
  const [name = ''] = /morning \d{4}-\d\d-\d\d/.exec(ran.stdout) ?? [];
  expect((await inProcess(['status', name], env)).stdout).toContain(task_id);

  expect(await schedule(env, 'pause', 'morning')).toMatchObject({ code: 0 });
  const list = await until(async () => {
    const { stdout } = await schedule(env, 'list');
    return stdout.includes(task_id) && stdout.includes('plan-the-week') && stdout;
  });
  expect(list).toMatch(/^morning .*已暫停 .*完成/m);
  expect((await schedule(english, 'list')).stdout).toMatch(/^plan-the-week .*Mon \d+ \w{3} 09:30 \(UTC\)/m);
  expect((await schedule(english, 'resume', 'morning')).stdout).toMatch(/^▶️ Schedule resumed: morning\nNext: /);
  const json = JSON.parse((await schedule(env, 'list', '--json')).stdout) as { name: string }[];
  expect(json.map((each) => each.name)).toEqual(['morning', 'plan-the-week']);

  const refused: [string[], number, string, string][] = [
    [['add', '明天 8:00', '-p', 'x'], 2, '看不懂「明天 8:00」', '"明天 8:00" is not understood'],
    [['add', '99 8 * * *', '-p', 'x'], 2, '（Minute is not in range [0-59]）', '(Minute is not in range [0-59])'],
    [['add', '0 0 31 2 *', '-p', 'x'], 2, '永遠不會到', 'never comes'],
    [['add', '每天 8:00', '-p', 'x', '--timezone', 'Taipei'], 2, '沒有「Taipei」這個時區', 'no time zone "Taipei"'],
    [['add', '每天 8:00', '-p', 'x', '-n', 'morning'], 2, '已經有名稱是「morning」', 'named "morning" already'],
    [['add', '每天 8:00'], 2, '沒有內容可以交給 Kimi', 'There is no prompt'],
    [['add', '每天 8:00', '-p', 'x', '--missed', 'some'], 2, '必須是', 'must be'],
    [['pause', 'evening'], 4, '沒有「evening」這個排程', 'no schedule "evening"'],
    [['stop', 'morning'], 2, '沒有 stop 這個指令', 'no command stop'],
  ];
  for (const [words, code, chinese, inEnglish] of refused) {
    const said = [await schedule(env, ...words), await schedule(english, ...words)];
    expect(
      said.map((each) => each.code),
      words.join(' '),
    ).toEqual([code, code]);
    expect(said[0]?.stderr).toContain(chinese);
    expect(said[1]?.stderr).toContain(inEnglish);
  }
  expect(await schedule(env, 'remove', 'morning')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('morning') as string,
  });
  expect((await schedule(env, 'list')).stdout).not.toMatch(/^morning /m);
});

it('starts the task that was due while everything was off, once, and says how many were missed', async () => {
  const env = await cleanHome();
  const first = await up(env, '--simulate');
  await inProcess(['schedule', 'add', '每天 8:00', '{{date}} 的晨報', '-n', 'morning'], env);
  const [earlier, later] = DUE_AFTER_MS.map((ms) => new Date(Date.now() + ms)) as [Date, Date];
  await dueAt(first.state, [earlier, later]);
  const processes = [first.state, ...first.state.children];
  for (const { pid } of processes) process.kill(pid, 'SIGKILL');
  if (first.child.exitCode === null && first.child.signalCode === null) await once(first.child, 'exit');
  await until(() => !processes.some(isAlive));
  expect(Date.now()).toBeLessThan(earlier.getTime());
  await pause(later.getTime() + 1_000 - Date.now());

  const { state } = await up(env, '--simulate');
  const store = new ResultStore(state.results_dir, new Map());
  const result = await until(async () => await store.latest());
  expect(result).toMatchObject({
    status: 'done',
    schedule: { name: 'morning', due_at: `${later.toISOString().slice(0, 19)}Z`, missed: 1 },
  });
  await expect.poll(async () => await store.unacknowledged()).toEqual([]);
  const list = JSON.parse((await inProcess(['schedule', 'list', '--json'], env)).stdout) as unknown[];
  expect(list).toMatchObject([{ last_run: { task_ids: [result.task_id], missed: 1 } }]);
  const tasks = JSON.parse((await inProcess(['list', '--json'], env)).stdout) as unknown[];
  expect(tasks).toHaveLength(1);
});

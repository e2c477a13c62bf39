/** The details that a task shows in the Web UI, step by step. test/e2e/web-ui.test.ts tests that the Web UI shows them. */
import { expect, it } from 'vitest';
import type { Timings } from '../../src/shared/result.ts';
import type { Task, TaskView } from '../../src/shared/task.ts';
import { textFor } from '../../src/text/index.ts';
import { StageTimes } from '../../src/workflows/task/stage-times.ts';
import { currentDetails } from '../../src/workflows/details.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { TASK } from '../support/world.ts';

const task: Task = { ...TASK, task_id: 'kimi-1707654321-12345' };
const base: TaskView = {
  task_id: task.task_id,
  task_name: task.task_name,
  model: task.model,
  state: 'dispatching',
  step: 'dispatching',
  created_at: '2026-02-17T15:30:00Z',
  acknowledged: false,
};

function details(changes: Partial<TaskView>, timings: Timings = {}, lang: Task['lang'] = 'zh-TW'): string {
  return currentDetails({ ...task, lang }, { ...base, ...changes }, timings, textFor(lang));
}

const saved = { api_id: 'cmpl-1', completed_at: '2026-02-17T15:30:43Z', result_file: '~/results/x.json' };

it('the position in the queue, then the waiting time', () => {
  expect(details({ state: 'queued', step: 'queued', queue: { place: 3 } })).toContain('1. **排隊等候派發 · 第 3 位**');
  expect(details({}, { queued_ms: 65_000 })).toContain('1. ✓ 已放行，排隊 1:05\n1. **正在交給 Kimi**');
  expect(details({}, { queued_ms: 12 })).not.toContain('已放行');
});

it('the deadline, then the duration', () => {
  const waiting = { state: 'dispatched', step: 'waiting', api_id: 'cmpl-1', deadline: '2026-02-17T15:32:01Z' } as const;
  expect(details(waiting)).toContain(
    '1. ✓ Kimi 已收下：`cmpl-1`\n1. **等待 Kimi 回呼 · 最長 2:00，到 2026-02-17T15:32:01Z 為止**',
  );
  const answered = details({ state: 'done', step: 'saving', api_id: 'cmpl-1' }, { kimi_ms: 42_400 }, 'en');
  expect(answered).toContain('1. ✓ Kimi called back after 0:42 of 2:00\n1. **saving the result**');
  expect(details({ step: 'saving' }, { kimi_ms: 25 * 3_600_000 + 62_000 }, 'en')).toContain('after 25:01:02 of 2:00');
});

it('the cost, the result file, and that the user was notified', () => {
  const cost = { amount: 0.0358978, currency: 'CNY', price_date: '2026-09-01' } as const;
  const woken_at = '2026-02-17T15:30:44Z';
  const closed = details({ ...saved, state: 'done', step: 'closed', tokens: 1500, cost, woken_at, acknowledged: true });
  expect(closed).toContain(`1. ✓ 已喚醒 Agent，${woken_at}\n1. ✓ 已確認\n\n`);
  for (const fact of ['Token: 1500', '費用: ¥0.035898', '結果檔案: `~/results/x.json`']) {
    expect(closed).toContain(`- ${fact}`);
  }
  expect(closed).not.toContain('該怎麼做');
});

it('the error and what to do, once', () => {
  const failed = (type: string): string =>
    details({ ...saved, state: 'failed', step: 'waking', error: { type, message: 'no' } }, {}, 'en');
  expect(failed('server_error')).toContain('- Reason: no\n- What to do: correct the cause');
  // The reason states it.
  expect(failed('content_filter')).not.toContain('What to do');
  const timedOut = { ...saved, state: 'timed_out', error: { type: 'timed_out', message: 'no' } } as const;
  expect(details({ ...timedOut, step: 'awaiting_late_answer' })).toContain('遲到的答案仍會儲存並通知');
  // The Web UI would render it as a dash.
  expect(details({ ...timedOut, step: 'closed' })).toContain('沒有等到答案。重新派發，並用 `--timeout` 或');
  const unwoken = {
    ...saved,
    state: 'done',
    step: 'closed',
    wake_error: { type: 'unauthorized', message: '401' },
  } as const;
  expect(details(unwoken)).toContain('- Agent 沒有被喚醒: 閘道拒絕了權杖');
  expect(details(unwoken)).toContain('- 該怎麼做: 結果已儲存，列在 kimi-dispatch inbox');
});

it('cost and file come from where the result was saved', async () => {
  const world = await openRelayedWorld({}, { apiUrl: 'https://api.moonshot.cn/v1' });
  const started = await world.start('x [[simulate: delay=0]]');
  await world.handle(started).result();
  const view = await world.view(started);
  expect(view.cost).toEqual((await world.results.read(started.task_id))?.cost);
  expect(view.cost?.amount).toBeGreaterThan(0);
  expect(view.result_file).toBe(world.results.resultPath(started.task_id));
  expect(view.woken_at).toMatch(/^\d{4}-.*Z$/);
});

it('stage times: an answer before the API id counts from the request, and differences between clocks give no negative time', () => {
  const times = new StageTimes(1_000);
  expect(times.timings()).toEqual({});
  times.mark('queued', 1_500);
  times.mark('kimi', 4_000);
  expect(times.timings()).toEqual({ queued_ms: 500, kimi_ms: 2_500 });
  expect(times.untilDispatched()).toBe(500);
  times.mark('dispatch', 4_200);
  // The webhook's clock is slow.
  expect(times.timings()).toEqual({ queued_ms: 500, dispatch_ms: 2_700, kimi_ms: 0 });
  expect(times.untilDispatched()).toBe(3_200);
  times.countDispatchAsKimi();
  expect(times.timings()).toEqual({ queued_ms: 500, kimi_ms: 2_700 });
});

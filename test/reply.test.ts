import { expect, it } from 'vitest';
import type { ResultFile } from '../src/contract.ts';
import { replyText } from '../src/reply.ts';
import { textFor } from '../src/text/index.ts';

const FILE = '~/.openclaw/workspace/kimi-dispatch/results/latest.json';
const done: ResultFile = {
  task_id: 'kimi-1707654321-12345',
  task_name: 'calculator',
  status: 'done',
  model: 'moonshot-v1-128k',
  output: 'def add(a, b):\n    return a + b',
  tokens: { prompt: 200, completion: 1300, total: 1500 },
  created_at: '2026-02-17T15:30:00Z',
  completed_at: '2026-02-17T15:30:30Z',
};

it('is the text of contract section 5', () => {
  expect(replyText(done, FILE, textFor('zh-TW'))).toBe(`✅ Kimi 任務完成！

📋 任務：calculator
🤖 模型：moonshot-v1-128k
💾 Token：200 (提示) + 1300 (生成) = 1500
⏱️ 完成時間：2026-02-17T15:30:30Z

📝 結果摘要：
def add(a, b):
    return a + b

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('speaks English where it was asked to', () => {
  expect(replyText(done, FILE, textFor('en'))).toBe(`✅ Kimi task done!

📋 Task: calculator
🤖 Model: moonshot-v1-128k
💾 Tokens: 200 (prompt) + 1300 (completion) = 1500
⏱️ Completed: 2026-02-17T15:30:30Z

📝 Summary:
def add(a, b):
    return a + b

💡 Full result: ~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

const reply = (output: string): string => replyText({ ...done, output }, FILE, textFor('zh-TW'));

it('shows the first 300 characters, never half of one', () => {
  expect(reply('字'.repeat(301))).toContain(`摘要：\n${'字'.repeat(300)}\n\n`);
  const family = '👩‍👩‍👧‍👦';
  expect(reply(family.repeat(301))).toContain(`摘要：\n${family.repeat(300)}\n\n`);
});

it.each([
  ['failed', '❌ Kimi 任務失敗', { type: 'content_filter', message: 'high risk' }, 'high risk'],
  [
    'failed',
    '❌ Kimi 任務失敗',
    { type: 'no_api_key', message: 'not set' },
    'worker 沒有 KIMI_API_KEY；設定後重新派發 (not set)',
  ],
  ['timed_out', '⏰ Kimi 任務逾時', { type: 'timed_out', message: '沒有回呼' }, '沒有回呼'],
  ['cancelled', '🚫 Kimi 任務已取消', { type: 'cancelled', message: '任務已被取消' }, '任務已被取消'],
] as const)('says why a task ended %s', (status, heading, error, reason) => {
  const { output: _output, tokens: _tokens, ...rest } = done;
  const said = replyText({ ...rest, status, error }, FILE, textFor('zh-TW'));
  expect(said.startsWith(`${heading}\n\n📋 任務：calculator`)).toBe(true);
  expect(said).toContain(`⚠️ 原因：\n${reason}\n\n`);
  expect(said).not.toContain('Token');
});

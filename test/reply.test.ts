/** What the user reads when a task has ended (contract section 5). */
import { describe, expect, it } from 'vitest';
import type { ResultFile } from '../src/contract.ts';
import { replyText } from '../src/reply.ts';
import { textFor } from '../src/text/index.ts';

const FILE = '~/.openclaw/workspace/kimi-dispatch/results/latest.json';
const DONE: ResultFile = {
  task_id: 'kimi-1707654321-12345',
  task_name: 'calculator',
  status: 'done',
  model: 'moonshot-v1-128k',
  output: '答案',
  tokens: { prompt: 200, completion: 1300, total: 1500 },
  created_at: '2026-02-17T15:30:00Z',
  completed_at: '2026-02-17T15:30:30Z',
};
const { output: _output, tokens: _tokens, ...NOTHING } = DONE;

const summaryOf = (output: string): string =>
  /📝 結果摘要：\n(?<summary>.*)\n\n💡/su.exec(replyText({ ...DONE, output }, FILE, textFor('zh-TW')))?.groups?.[
    'summary'
  ] ?? '';

it('a done task is told as the contract writes it', () => {
  expect(replyText(DONE, FILE, textFor('zh-TW'))).toBe(`✅ Kimi 任務完成！

📋 任務：calculator
🤖 模型：moonshot-v1-128k
💾 Token：200 (提示) + 1300 (生成) = 1500
⏱️ 完成時間：2026-02-17T15:30:30Z

📝 結果摘要：
答案

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a done task is told in English', () => {
  expect(replyText(DONE, FILE, textFor('en'))).toBe(`✅ Kimi task done!

📋 Task: calculator
🤖 Model: moonshot-v1-128k
💾 Tokens: 200 (prompt) + 1300 (completion) = 1500
⏱️ Completed: 2026-02-17T15:30:30Z

📝 Summary:
答案

💡 Full result: ~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a failed task is told with the reason, in the words of Kimi', () => {
  const error = { type: 'content_filter', message: 'The request was rejected because it was considered high risk' };
  expect(replyText({ ...NOTHING, status: 'failed', error }, FILE, textFor('zh-TW'))).toBe(`❌ Kimi 任務失敗

📋 任務：calculator
🤖 模型：moonshot-v1-128k
⏱️ 完成時間：2026-02-17T15:30:30Z

⚠️ 原因：
The request was rejected because it was considered high risk

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a task that timed out is told with the reason', () => {
  const error = { type: 'timed_out', message: 'Kimi did not call back within 120 s' };
  expect(replyText({ ...NOTHING, status: 'timed_out', error }, FILE, textFor('en'))).toBe(`⏰ Kimi task timed out

📋 Task: calculator
🤖 Model: moonshot-v1-128k
⏱️ Completed: 2026-02-17T15:30:30Z

⚠️ Reason:
Kimi did not call back within 120 s

💡 Full result: ~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a cancelled task with a late answer is told with both', () => {
  const error = { type: 'cancelled', message: '任務已被取消' };
  const reply = replyText({ ...DONE, status: 'cancelled', late: true, error }, FILE, textFor('zh-TW'));
  expect(reply).toMatch(/^🚫 Kimi 任務已取消\n\n.*💾.*⚠️ 原因：\n任務已被取消\n\n📝 結果摘要：\n答案\n\n💡/su);
});

describe('a reason', () => {
  it('of ours is a sentence in the language of the user, the technical one behind it', () => {
    const error = { type: 'no_api_key', message: 'KIMI_API_KEY is not set' };
    const failed: ResultFile = { ...NOTHING, status: 'failed', error };
    expect(replyText(failed, FILE, textFor('zh-TW'))).toContain(
      '⚠️ 原因：\nworker 沒有 KIMI_API_KEY；設定後重新派發 (KIMI_API_KEY is not set)\n',
    );
    expect(replyText(failed, FILE, textFor('en'))).toContain(
      '⚠️ Reason:\nthe worker has no KIMI_API_KEY; set it and dispatch again (KIMI_API_KEY is not set)\n',
    );
  });

  it.each(['constructor', 'toString', '__proto__'])('of the type %s is told in the words of Kimi', (type) => {
    const reply = replyText({ ...NOTHING, status: 'failed', error: { type, message: 'no' } }, FILE, textFor('en'));
    expect(reply).toContain('⚠️ Reason:\nno\n');
  });
});

describe('the summary', () => {
  it.each([
    ['letters', 'x'],
    ['Chinese', '字'],
    ['emoji of two code units', '😀'],
    ['families', '👨‍👩‍👧‍👦'],
    ['skin tones', '👍🏽'],
    ['flags', '🇹🇼'],
    ['accents', 'e\u0301'],
  ])('is the first 300 characters of many %s, never half of one', (_what, character) => {
    expect(summaryOf(character.repeat(1_000))).toBe(character.repeat(300));
  });

  it('cuts between an emoji and the letters around it', () => {
    expect(summaryOf(`${'x'.repeat(299)}👨‍👩‍👧‍👦yz`)).toBe(`${'x'.repeat(299)}👨‍👩‍👧‍👦`);
    expect(summaryOf(`${'x'.repeat(300)}👨‍👩‍👧‍👦yz`)).toBe('x'.repeat(300));
  });

  it.each(['x'.repeat(300), '一行\n\n兩行 `code`', ''])('of a short answer is all of it', (output) => {
    expect(summaryOf(output)).toBe(output);
  });

  it('never ends in half an emoji, however many marks there are', () => {
    expect(summaryOf(`${'\u0301'.repeat(9_599)}${'😀'.repeat(300)}`)).not.toMatch(/\p{Cs}/u);
  });
});

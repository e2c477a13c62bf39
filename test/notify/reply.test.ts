/** The text of a notification (docs/openclaw.md). */
import { describe, expect, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { chatReplyText, pluginWake, replyText } from '../../src/notify/message.ts';
import { textFor } from '../../src/text/index.ts';

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

it('a done task has the documented text', () => {
  expect(replyText(DONE, FILE, textFor('zh-TW'))).toBe(`✅ Kimi 任務完成！

📋 任務：calculator
🤖 模型：moonshot-v1-128k
💾 Token：200 (提示) + 1300 (生成) = 1500
⏱️ 完成時間：2026-02-17T15:30:30Z

📝 結果摘要：
答案

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a done task in English', () => {
  expect(replyText(DONE, FILE, textFor('en'))).toBe(`✅ Kimi task done!

📋 Task: calculator
🤖 Model: moonshot-v1-128k
💾 Tokens: 200 (prompt) + 1300 (completion) = 1500
⏱️ Completed: 2026-02-17T15:30:30Z

📝 Summary:
答案

💡 Full result: ~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a failed task has the reason, as given by Kimi', () => {
  const error = { type: 'server_error', message: 'invalid state transition' };
  expect(replyText({ ...NOTHING, status: 'failed', error }, FILE, textFor('zh-TW'))).toBe(`❌ Kimi 任務失敗

📋 任務：calculator
🤖 模型：moonshot-v1-128k
⏱️ 完成時間：2026-02-17T15:30:30Z

⚠️ 原因：
invalid state transition

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a task that timed out has the reason', () => {
  const error = { type: 'timed_out', message: 'Kimi did not call back within 120 s' };
  expect(replyText({ ...NOTHING, status: 'timed_out', error }, FILE, textFor('en'))).toBe(`⏰ Kimi task timed out

📋 Task: calculator
🤖 Model: moonshot-v1-128k
⏱️ Completed: 2026-02-17T15:30:30Z

⚠️ Reason:
Kimi did not call back within 120 s

💡 Full result: ~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
});

it('a cancelled task with a late answer has both', () => {
  const error = { type: 'cancelled', message: '任務已被取消' };
  const reply = replyText({ ...DONE, status: 'cancelled', late: true, error }, FILE, textFor('zh-TW'));
  expect(reply).toMatch(/^🚫 Kimi 任務已取消\n\n.*💾.*⚠️ 原因：\n任務已被取消\n\n📝 結果摘要：\n答案\n\n💡/su);
});

describe('a truncated answer', () => {
  const cut: ResultFile = { ...DONE, finish_reason: 'length' };

  it('is never reported as done, and has a line about it', () => {
    expect(replyText(cut, FILE, textFor('zh-TW'))).toBe(`✂️ Kimi 的答案被截斷

📋 任務：calculator
🤖 模型：moonshot-v1-128k
💾 Token：200 (提示) + 1300 (生成) = 1500
⏱️ 完成時間：2026-02-17T15:30:30Z
✂️ 答案被截斷：達到 Token 上限，並不完整。可用 --max-tokens 調高上限。

📝 結果摘要：
答案

💡 完整結果：~/.openclaw/workspace/kimi-dispatch/results/latest.json`);
    expect(replyText(cut, FILE, textFor('en'))).toMatch(/^✂️ Kimi’s answer is cut off\n.*\n✂️ The answer is cut off:/s);
  });

  it('may be empty', () => {
    expect(replyText({ ...cut, output: '' }, FILE, textFor('zh-TW'))).toContain('📝 結果摘要：\n\n\n💡');
  });

  it('of a cancelled task is reported as cancelled', () => {
    const reply = replyText({ ...cut, status: 'cancelled', late: true }, FILE, textFor('zh-TW'));
    expect(reply).toMatch(/^🚫 Kimi 任務已取消\n.*✂️ 答案被截斷/s);
  });

  it.each(['stop', undefined])('is not one whose finish_reason is %s', (finish_reason) => {
    expect(replyText({ ...DONE, ...(finish_reason && { finish_reason }) }, FILE, textFor('zh-TW'))).toBe(
      replyText(DONE, FILE, textFor('zh-TW')),
    );
  });
});

it('cost, reasoning, cached and reasoning tokens do not change the text', () => {
  const rich: ResultFile = {
    ...DONE,
    reasoning: '想了想',
    tokens: { prompt: 200, completion: 1300, total: 1500, cached: 93, reasoning: 38 },
    cost: { amount: 0.0364, currency: 'CNY', price_date: '2026-09-01' },
  };
  expect(replyText(rich, FILE, textFor('zh-TW'))).toBe(replyText(DONE, FILE, textFor('zh-TW')));
});

describe('a reason', () => {
  it.each([
    ['retired_model', /已經停用/, /is retired/],
    ['bad_parameter', /不接受這個要求/, /does not support this option/],
    ['prompt_too_long', /超出模型能容納/, /too long for the model/],
    ['content_filter', /內容審查/, /content filter/],
    ['exceeded_current_quota_error', /額度已用完/, /no quota left/],
    ['invalid_authentication_error', /不接受這把金鑰/, /does not accept the key/],
    ['incorrect_api_key_error', /不認得這把金鑰/, /does not recognize the key/],
    ['permission_denied_error', /沒有權限/, /lacks this permission/],
    ['resource_not_found_error', /沒有這個模型/, /does not exist/],
  ])('of the type %s has its own sentence in both languages', (type, chinese, english) => {
    const failed: ResultFile = { ...NOTHING, status: 'failed', error: { type, message: 'as Kimi says' } };
    expect(replyText(failed, FILE, textFor('zh-TW'))).toMatch(chinese);
    expect(replyText(failed, FILE, textFor('en'))).toMatch(english);
    expect(replyText(failed, FILE, textFor('en'))).toContain('(as Kimi says)\n');
  });

  it('of ours is a sentence in the user’s language; in English the technical message follows', () => {
    const error = { type: 'no_api_key', message: 'KIMI_API_KEY is not set' };
    const failed: ResultFile = { ...NOTHING, status: 'failed', error };
    expect(replyText(failed, FILE, textFor('zh-TW'))).toContain(
      '⚠️ 原因：\n送出任務的環境沒有 KIMI_API_KEY；設定後重新派發\n',
    );
    expect(replyText(failed, FILE, textFor('en'))).toContain(
      '⚠️ Reason:\nKIMI_API_KEY is missing where the tasks are sent; set it and dispatch again (KIMI_API_KEY is not set)\n',
    );
  });

  it.each(['constructor', 'toString', '__proto__'])('of the type %s is reported as given by Kimi', (type) => {
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
  ])('is the first 300 characters of many %s, and never ends in half of one', (_what, character) => {
    expect(summaryOf(character.repeat(1_000))).toBe(character.repeat(300));
  });

  it('may end between an emoji and the letters around it', () => {
    expect(summaryOf(`${'x'.repeat(299)}👨‍👩‍👧‍👦yz`)).toBe(`${'x'.repeat(299)}👨‍👩‍👧‍👦`);
    expect(summaryOf(`${'x'.repeat(300)}👨‍👩‍👧‍👦yz`)).toBe('x'.repeat(300));
  });

  it.each(['x'.repeat(300), '一行\n\n兩行 `code`', ''])('of a short answer is the whole answer', (output) => {
    expect(summaryOf(output)).toBe(output);
  });

  it('never ends in half an emoji, however many combining marks follow', () => {
    expect(summaryOf(`${'\u0301'.repeat(9_599)}${'😀'.repeat(300)}`)).not.toMatch(/\p{Cs}/u);
  });
});

const inChat = (output: string) => chatReplyText({ ...DONE, output }, FILE, textFor('zh-TW'));

describe('in a chat', () => {
  it('the reply is the same', () => {
    const output = '一行\n\n```js\nx\n```\n';
    expect(inChat(output)).toBe(replyText({ ...DONE, output }, FILE, textFor('zh-TW')));
  });

  it.each(['```', '~~~', '````'])('a code block (%s) that the summary truncates is closed', (fence) => {
    expect(inChat(`${fence}python\n${'x'.repeat(400)}\n${fence}`)).toMatch(new RegExp(`x\\n${fence}\\n\\n💡`));
  });

  it('text that only resembles a fence closes none', () => {
    expect(inChat(`\`\`\`\n~~~\n\`\`\`x\n${'x'.repeat(400)}`)).toMatch(/x\n```\n\n💡/);
  });

  it('an unreadable result is reported in a line', () => {
    const wake = pluginWake('deliver', 'the news', DONE.task_id, { lang: 'en' }, undefined, FILE);
    expect(wake).toMatchObject({ text: 'the news', message: 'the news', task: { status: 'unknown' } });
    expect(wake).not.toHaveProperty('file');
    expect(wake).not.toHaveProperty('route');
  });

  it('says whether the answer was cut', () => {
    const [cut, whole] = ['length', 'stop'].map((finish_reason) =>
      pluginWake('deliver', '', DONE.task_id, { lang: 'en' }, { ...DONE, finish_reason }, FILE),
    );
    expect(cut).toMatchObject({ is_cut: true });
    expect(whole).not.toHaveProperty('is_cut');
  });

  it('where a chat has no room, the rest is at a link if there is one, else in the file', () => {
    const rest = (link?: string) => pluginWake('deliver', '', DONE.task_id, { lang: 'en' }, DONE, FILE, link).rest;
    expect(rest()).toBe(
      `(The rest does not fit into this chat. The next part: /kimi result ${DONE.task_id} 2\nThe whole answer: ${FILE})`,
    );
    expect(rest('https://kimi.example.com/x')).toBe(
      'The rest does not fit into this chat. The whole answer:\nhttps://kimi.example.com/x',
    );
  });

  it('the file name of an answer has no space', () => {
    const result = { ...DONE, task_name: 'my report' };
    expect(pluginWake('deliver', '', DONE.task_id, { lang: 'en' }, result, FILE).file?.name).toBe('my-report.md');
  });
});

import { describe, expect, it } from 'vitest';
import { TASK_ID } from '../src/contract.ts';
import { isTaskName, nameFromPrompt, newTaskId } from '../src/naming.ts';

describe('a name made from a prompt', () => {
  it.each([
    ['寫一個 Python 計算器，包含測試', 'python-計算器'],
    ['请帮我写一个贪吃蛇游戏', '贪吃蛇游戏'],
    ['Please write me a Python calculator, with tests', 'python-calculator'],
    ['Summarise https://example.com/report', 'summarise-https'],
    ['## Plan\n\nsecond line', 'plan'],
    ['🎉🎉', 'task'],
    ['寫一個', '一個'],
    ['a'.repeat(500), 'a'.repeat(24)],
    ['ｆｕｌｌ ｗｉｄｔｈ', 'full-width'],
  ])('%j is %s', (prompt, name) => {
    expect(nameFromPrompt(prompt)).toBe(name);
  });

  it.each([
    '../../etc/passwd',
    '..',
    'a\u0000b',
    '\u202Eevil',
    'é́́',
    '👩‍👩‍👧 family',
    "'; rm -rf /",
    '-n',
    'नमस्ते दुनिया',
    'שלום',
  ])('from %j is one a user could have given', (prompt) => {
    expect(isTaskName(nameFromPrompt(prompt))).toBe(true);
    expect(nameFromPrompt(prompt)).toBe(nameFromPrompt(prompt));
  });
});

it('of a megabyte without a space is made at once', () => {
  expect(nameFromPrompt('讀'.repeat(300_000))).toHaveLength(24);
  expect(nameFromPrompt('please '.repeat(100_000))).toBe('please');
});

it.each(['calculator', '計算器', 'a', 'v1.2_final-3', 'two words', 'a'.repeat(64)])('%j is a task name', (name) => {
  expect(isTaskName(name)).toBe(true);
});

it.each(['', ' ', 'a/b', 'a\\b', '..', '.hidden', 'a\nb', 'a\u0007', 'ends.', '-n', 'a'.repeat(65), '📋'])(
  '%j is no task name',
  (name) => {
    expect(isTaskName(name)).toBe(false);
  },
);

it('a task id holds the second it was drawn in', () => {
  const id = newTaskId(new Date('2024-02-11T12:25:21.900Z'));
  expect(id).toMatch(/^kimi-1707654321-\d{5}$/);
  expect(id).toMatch(TASK_ID);
});

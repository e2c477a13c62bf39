import { expect, it } from 'vitest';
import { taskFromMessage } from '../src/trigger.ts';

it.each([
  ['Kimi：寫一個 Python 計算器，包含測試', '寫一個 Python 計算器，包含測試'],
  ['Kimi: write a poem', 'write a poem'],
  ['kimi:write a poem', 'write a poem'],
  ['KIMI write a poem', 'write a poem'],
  ['  kimi 寫一首詩  ', '寫一首詩'],
  ['Kimi:\nfirst line\nsecond line', 'first line\nsecond line'],
  ['kimi: Kimi: twice', 'Kimi: twice'],
])('%j is a task', (message, task) => {
  expect(taskFromMessage(message)).toBe(task);
});

it.each(['kimi', 'Kimi:', 'Kimi：  ', 'kimiko: hello', 'say kimi: x', 'kimi-dispatch list', 'kimi，你好', ''])(
  '%j is none',
  (message) => {
    expect(taskFromMessage(message)).toBeUndefined();
  },
);

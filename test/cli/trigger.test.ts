/** How a chat message becomes a task. */
import { expect, it } from 'vitest';
import { taskFromMessage } from '../../src/shared/chat.ts';

it.each([
  ['Kimi: write a poem', 'write a poem'],
  ['Kimi:write a poem', 'write a poem'],
  ['kimi: write a poem', 'write a poem'],
  ['KIMI: write a poem', 'write a poem'],
  ['kImI：寫一首詩', '寫一首詩'],
  ['Kimi：寫一個 Python 計算器，包含測試', '寫一個 Python 計算器，包含測試'],
  ['Kimi： 寫一首詩 ', '寫一首詩'],
  ['kimi 寫一首詩', '寫一首詩'],
  ['KIMI write a poem', 'write a poem'],
  ['Kimi\u3000寫一首詩', '寫一首詩'],
  ['  Kimi: write a poem\n', 'write a poem'],
  ['Kimi: one: two：three', 'one: two：three'],
  ['kimi kimi: x', 'kimi: x'],
])('%j is the task %j', (message, task) => {
  expect(taskFromMessage(message)).toBe(task);
});

it.each([
  'kimiko: x',
  'Kimis x',
  'Kimi',
  'kimi ',
  'kimi:',
  'Kimi： \n ',
  'Kimi, write a poem',
  'Kimi-k3 is out',
  'Kimi；寫一首詩',
  ' say kimi: x',
  'xkimi: x',
  '/kimi x',
  'first line\nkimi: x',
  'Kim i: x',
  '',
])('%j is no task', (message) => {
  expect(taskFromMessage(message)).toBeUndefined();
});

it('a task may have several lines, blank ones included', () => {
  expect(taskFromMessage('Kimi：\n寫一首詩\r\n\n第二段\u2028第三段\n')).toBe('寫一首詩\r\n\n第二段\u2028第三段');
  expect(taskFromMessage('kimi\nwrite a poem\n')).toBe('write a poem');
});

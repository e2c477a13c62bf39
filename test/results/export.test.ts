/** Exported tasks name their attached files. */
import { expect, it } from 'vitest';
import type { KeptTask } from '../../src/results/kept.ts';
import { writerFor, type Format } from '../../src/results/export.ts';

const TASK = {
  task_id: 'kimi-1-1',
  task_name: 'files',
  status: 'done',
  model: 'kimi-k2.6',
  tokens: { prompt: 100, completion: 49, total: 149 },
  files: ['a.pdf', '合約.docx'].map((name) => ({ name, bytes: 8 })),
} as unknown as KeptTask;

it.each<[Format, string]>([
  ['markdown', 'Token 149 · 檔案 a.pdf'],
  ['markdown', '合約.docx'],
  ['csv', '"a.pdf; 合約.docx"'],
])('in %s: %s', (format, named) => {
  const words = { question: '問題', answer: '答案', notKept: '' };
  expect(writerFor(format, 'zh-TW', words).one(TASK)).toContain(named);
});

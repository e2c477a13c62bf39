/** What `/kimi help` shows. */

/** Discord takes 100 characters. */
export const DESCRIPTION =
  'PROMPT | continue | status | list | search | result | retry | cancel | allow | usage | schedule | help';

export const HELP = [
  'Kimi：問題　或　/kimi 問題 — 交給 Kimi',
  '　問題前面可以加：--搜尋（讓 Kimi 上網）、--批次（一天內回答，六折）、--預算 0.5（可能超過就先問你）、--逐筆（附上 .csv、.jsonl 或 .txt，問題裡的 {{欄名}} 逐筆代入；.txt 用 {{text}}）',
  '/kimi continue 問題 — 接著上一個任務問',
  '/kimi list、status、result、retry、cancel、allow [任務編號]、search 字詞、usage',
  '/kimi schedule 每天 8:00 問題 — 定時執行；schedule list、pause、resume、run、remove 名稱',
  '',
  'Kimi: PROMPT or /kimi PROMPT — ask Kimi',
  '  Before the prompt: --search (Kimi searches the web), --batch (within a day, at 60 % of the price), --budget 0.5 (asks you first if it may cost more), --map (attach a .csv, .jsonl or .txt; {{column}} in the prompt stands for each row’s value, {{text}} of a .txt)',
  '/kimi continue PROMPT — ask on after the newest task',
  '/kimi list, status, result, retry, cancel, allow [TASK], search WORDS, usage',
  '/kimi schedule every day 8:00 PROMPT — on time; schedule list, pause, resume, run, remove NAME',
].join('\n');

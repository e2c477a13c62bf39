/** Result files for a report: a busy month, and hostile content. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { mersenne } from 'pure-rand/generator/mersenne';
import { isoSeconds } from '../../src/shared/format.ts';
import type { ResultFile, Tokens } from '../../src/shared/result.ts';
import type { Outcome } from '../../src/shared/task.ts';
import { costOf } from '../../src/kimi/models.ts';
import { attached } from './answers.ts';

const HOUR_MS = 3_600_000;
const SEED = 7;

/** About 1300 tokens, as in the example of docs/http-api.md. */
const OUTPUT = '費波那契 def fibonacci(n): …\n'.repeat(150);

const NAMES = [
  'calculator',
  '翻譯合約',
  'python-費波那契函數',
  'review-pull-request',
  '整理會議紀錄',
  'unit-tests',
  '部落格草稿',
];
const MODELS = ['kimi-k2.6', 'kimi-k2.6', 'kimi-k2.6', 'kimi-k3', 'kimi-k2.7-code', 'moonshot-v1-128k'];
const FAILURES = [
  ['exceeded_current_quota_error', 'Your account has exceeded its current quota'],
  ['content_filter', 'The request was rejected because it was considered high risk'],
  ['outcome_unknown', 'the connection broke after the request was sent'],
  ['interrupted', 'the stream was interrupted'],
  ['server_error', 'Kimi answered 500: internal error'],
] as const;

/** Writes results of the last 30 days, deterministically. */
export async function fillBusyMonth(folder: string, tasks: number, until = Date.now()): Promise<void> {
  const generator = mersenne(SEED);
  const random = (): number => (generator.next() >>> 0) / 2 ** 32;
  const one = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;
  /** Log-normal: some take very long. */
  const spread = (median: number): number => Math.round(median * Math.exp((random() + random() + random() - 1.5) * 2));
  const files = Array.from({ length: tasks }, (_, n): ResultFile => {
    // More by day than by night, and fewer at the start of the month.
    const age = random() ** 1.4 * 30 * 24 * HOUR_MS;
    const completed = until - age;
    const chance = random();
    const status: Outcome =
      chance < 0.93 ? 'done' : chance < 0.965 ? 'failed' : chance < 0.99 ? 'timed_out' : 'cancelled';
    const model = one(MODELS);
    const tokens: Tokens = { prompt: spread(400), completion: spread(1800), total: 0, cached: 0 };
    tokens.total = tokens.prompt + tokens.completion;
    const cost = costOf(tokens, model, 'https://api.moonshot.cn/v1');
    const kimi_ms = spread(28_000);
    const queued_ms = random() < 0.7 ? spread(9) : spread(15_000);
    const [type, message] = one(FAILURES);
    // Results of an older version have no timings.
    const isOld = age > 25 * 24 * HOUR_MS;
    return {
      task_id: `kimi-${Math.floor((completed - kimi_ms - queued_ms) / 1000)}-${n}`,
      task_name: one(NAMES),
      status,
      model,
      created_at: isoSeconds(completed - kimi_ms - queued_ms),
      completed_at: isoSeconds(completed),
      ...(status === 'done' && { output: OUTPUT, tokens, finish_reason: random() < 0.02 ? 'length' : 'stop' }),
      ...(status === 'done' && cost && { cost }),
      ...(n % 7 === 0 && {
        prompt: '比較這一季與上一季的數字。',
        timeout_ms: 1,
        files: [attached('季報.pdf', spread(900_000))],
      }),
      ...(status === 'done' && random() < 0.01 && { late: true as const }),
      ...(status === 'failed' && { error: { type, message } }),
      ...(status === 'timed_out' && { error: { type: 'timed_out', message: 'Kimi 沒有在 120 秒內回呼' } }),
      ...(status === 'cancelled' && { error: { type: 'cancelled', message: '任務已被取消' } }),
      ...(!isOld && {
        timings: {
          queued_ms,
          dispatch_ms: spread(150),
          ...(status === 'done' && { kimi_ms, save_ms: spread(20) }),
          ...(status !== 'cancelled' && { wake_ms: spread(15) }),
        },
      }),
      ...(n % 50 > 0 && { acknowledged: true as const, acknowledged_at: isoSeconds(completed) }),
    };
  });
  await writeResults(folder, files);
}

async function writeResults(folder: string, files: Iterable<{ task_id: string }>): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const file of files) await writeFile(join(folder, `${file.task_id}.json`), `${JSON.stringify(file, null, 2)}\n`);
}

/** Each would set `window.pwned` or navigate away if it were rendered as markup. */
const ATTACKS = [
  '<script>window.pwned=1</script>',
  '</script><script>window.pwned=1</script>',
  '</title></style></textarea><img src=x onerror="window.pwned=1">',
  '"><svg onload=window.pwned=1>',
  "' autofocus onfocus='window.pwned=1",
  '<!--',
  ']]><script>window.pwned=1</script>',
  'javascript:window.pwned=1',
  '\u2028window.pwned=1\u2029',
  '{{constructor.constructor("window.pwned=1")()}}',
  '\u202Eanac\u202C \u0000 \uD800 \u0007',
  '&lt;script&gt;',
  '👩‍👩‍👧‍👦'.repeat(200),
  'W'.repeat(5_000),
];

/** Puts hostile text into every field that other parties or a model control. @returns the number of results. */
export async function fillHostile(folder: string, now = Date.now()): Promise<number> {
  const files = ATTACKS.flatMap((attack, n) => {
    const common = {
      prompt: attack,
      files: [attached(attack, 1)],
      task_name: attack,
      model: attack,
      created_at: isoSeconds(now - 60_000),
      completed_at: isoSeconds(now - n * HOUR_MS),
      finish_reason: attack,
      acknowledged: true,
    };
    const tokens = { prompt: 1, completion: 1, total: 1e15 + n };
    return [
      { ...common, task_id: `kimi-1-${n}`, status: 'done', output: attack, reasoning: attack, tokens },
      { ...common, task_id: `kimi-2-${n}`, status: 'failed', error: { type: attack, message: attack } },
      { ...common, task_id: `kimi-3-${n}`, status: 'failed', error: { type: '__proto__', message: attack } },
    ];
  });
  await writeResults(folder, files);
  return files.length;
}

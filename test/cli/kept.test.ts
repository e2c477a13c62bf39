/** `export` and `search`, over result files alone. */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { ResultStore } from '../../src/results/store.ts';
import { DIST } from '../../src/service/files.ts';
import type { TaskResult } from '../../src/shared/result.ts';
import { when } from '../../src/cli/output/time.ts';
import { cleanHome, launch, resultsOf, type Ended } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { shared } from '../support/resources.ts';

const keysOf = (id: string, byte: number): string => `${id}:${Buffer.alloc(32, byte).toString('base64')}`;

const TASK: TaskResult = {
  task_id: 'kimi-1707654321-1',
  task_name: 'chips',
  status: 'done',
  model: 'kimi-k2.6',
  prompt: '談台灣半導體產業的歷史\n# 不是標題',
  request: { system: '你是史家' },
  output: '- 第一，"引號"，\n- 第二',
  tokens: { prompt: 1, completion: 2, total: 3 },
  created_at: '2026-02-17T15:30:00Z',
};

/** Three results: encrypted, plain with hostile cells, and of an older version. */
const home = shared(async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_PAYLOAD_KEYS: keysOf('k', 1) });
  const folder = resultsOf(env);
  const { KIMI_PAYLOAD_KEYS: keys } = readConfig({ KIMI_PAYLOAD_KEYS: env['KIMI_PAYLOAD_KEYS'] });
  await new ResultStore(folder, keys).persist(TASK);
  const plain = new ResultStore(folder);
  const save = async (task: TaskResult, completed_at: string): Promise<void> =>
    await writeFile(plain.resultPath(task.task_id), JSON.stringify({ ...task, completed_at }));
  const { prompt: _prompt, request: _request, ...older } = TASK;
  await save(
    { ...older, task_id: 'kimi-1707654321-2', task_name: 'Older', output: 'Termination Clause' },
    '2026-01-01T00:00:00Z',
  );
  await save(
    { ...TASK, task_id: 'kimi-1707654321-3', task_name: 'sum', prompt: '=1+1', output: '＝HYPERLINK("x")' },
    '2026-01-02T00:00:00Z',
  );
  await writeFile(join(folder, 'kimi-1707654321-4.json'), '{');
  return env;
});

async function run(...args: string[]): Promise<Ended> {
  return await inProcess(args, home());
}

describe('export', () => {
  it('writes Markdown: questions as quotations, answers unchanged, the oldest first', async () => {
    const { code, stdout, stderr } = await run('export');
    expect(code).toBe(0);
    expect([...stdout.matchAll(/^# (.*)$/gm)].map(([, name]) => name)).toEqual(['Older', 'sum', 'chips']);
    expect(stdout).toContain(
      '## Question\n\n> 你是史家\n> \n> 談台灣半導體產業的歷史\n> # 不是標題\n\n## Answer\n\n- 第一，"引號"，\n- 第二\n',
    );
    expect(stdout).toContain('The question was not kept');
    expect(stderr).toBe('1 file is damaged and not counted.\n');
  });

  it('writes JSON: the result files with their questions', async () => {
    const { stdout } = await run('export', '--json', '--name', 'ch');
    expect(JSON.parse(stdout)).toMatchObject([{ ...TASK }]);
    expect(stdout).not.toContain('encrypted_question');
    expect(JSON.parse((await run('export', '--json', '--name', 'nothing')).stdout)).toEqual([]);
  });

  it('writes CSV that another reader reads, and no formula', async () => {
    const { stdout } = await run('export', '--csv');
    expect(stdout.startsWith('\uFEFF"task_id",')).toBe(true);
    const file = join(home()['HOME'] ?? '', 'export.csv');
    await writeFile(file, stdout);
    const program =
      'import csv,json,sys; print(json.dumps(list(csv.DictReader(open(sys.argv[1],encoding="utf-8-sig",newline="")))))';
    const read = await promisify(execFile)('python3', ['-c', program, file]);
    const rows = JSON.parse(read.stdout) as Record<string, string>[];
    expect(rows).toMatchObject([
      { task_name: 'Older', question: '', answer: 'Termination Clause' },
      { question: "'=1+1", answer: '\'＝HYPERLINK("x")' },
      {
        task_id: TASK.task_id,
        tokens: '3',
        cost: '',
        system: '你是史家',
        question: TASK.prompt,
        answer: `'${TASK.output}`,
      },
    ]);
  });

  it('a full disk is reported once, and a closed pipe is not an error', async () => {
    const folder = resultsOf(home());
    const bash = async (tail: string): Promise<Ended> =>
      await launch(
        ['-c', `"$@" ${tail}`, 'bash', process.execPath, join(DIST, 'kimi-dispatch.cjs'), 'export'],
        { ...home(), KIMI_RESULTS_DIR: `${folder}-long` },
        'bash',
      ).ended;
    const long = new ResultStore(`${folder}-long`);
    for (const n of [1, 2, 3]) await long.persist({ ...TASK, task_id: `kimi-1-${n}`, output: 'x'.repeat(300_000) });
    const full = await bash('>/dev/full');
    expect(full).toMatchObject({ code: 1, stderr: expect.stringMatching(/^Standard output[^\n]*\n$/) });
    expect(await bash('| head -c 1; exit ${PIPESTATUS[0]}')).toMatchObject({ code: 0, stderr: '' });
  });

  it('refuses two formats', async () => {
    expect(await run('export', '--csv', '--json')).toMatchObject({ code: 2, stdout: '' });
  });

  it('without the key writes the answers, and says so', async () => {
    const { code, stdout, stderr } = await inProcess(['export', '--json', '--name', 'chips'], {
      ...home(),
      KIMI_PAYLOAD_KEYS: keysOf('other', 2),
    });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject([{ output: TASK.output }]);
    expect(stdout).not.toContain('半導體');
    expect(stderr).toContain('1 question is not decrypted');
  });
});

describe('search', () => {
  it.each([
    ['a part of a Chinese sentence in a question', ['半導體'], ['chips']],
    ['a word of an answer in another case', ['termination'], ['Older']],
    ['a name', ['OLD'], ['Older']],
    ['every word, in whatever part', ['chips', '引號', '史'], ['chips']],
    ['characters of patterns as they are', ['=1+1'], ['sum']],
  ])('finds %s', async (_, words, names) => {
    const { code, stdout } = await run('search', '--json', ...words);
    expect(code).toBe(0);
    expect((JSON.parse(stdout) as { task_name: string }[]).map((each) => each.task_name)).toEqual(names);
  });

  it('prints id, name, time and the text around the word', async () => {
    const { stdout } = await run('search', '半導體');
    expect(stdout).toMatch(/kimi-1707654321-1 +chips +(?:now|\d+ \w+ ago) +談台灣半導體產業的歷史 # 不是標題/);
  });

  it('finds nothing if one word is nowhere, and the newest first if there are several', async () => {
    expect((await run('search', '半導體', 'nowhere')).stdout).toContain('No task has “半導體 nowhere”');
    const all = await run('search', 's', '--json', '-l', '1');
    expect(JSON.parse(all.stdout)).toMatchObject([{ task_name: 'chips' }]);
    expect(all.stderr).toContain('2 more');
    expect(all.stderr).toContain('damaged');
  });
});

describe('a time', () => {
  const now = Date.parse('2026-11-30T12:00:00Z');
  it.each([
    ['2026-11-30T11:57:00Z', '3 分鐘前', '3 minutes ago'],
    ['2026-11-30T12:00:00Z', '現在', 'now'],
    ['2026-11-30T12:05:10Z', '5 分鐘後', 'in 5 minutes'],
    ['2026-11-28T12:00:00Z', '前天', '2 days ago'],
    ['2026-11-29T13:00:00Z', '23 小時前', '23 hours ago'],
    ['not a time', 'not a time', 'not a time'],
  ])('%s is %s, %s', (time, chinese, english) => {
    expect(when(time, 'zh-TW', now)).toBe(chinese);
    expect(when(time, 'en', now)).toBe(english);
  });

  it('long ago is a date', () => {
    expect(when('2026-02-17T15:30:00Z', 'zh-TW', now)).toMatch(/^2026\/02\/1[78]\s\d\d:30$/);
  });
});

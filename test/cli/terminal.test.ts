/** Tasks in a terminal: the list, the output of an answer, shell completion. */
import { execFile } from 'node:child_process';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TimeoutFailure } from '@temporalio/common';
import stringWidth from 'string-width';
import { describe, expect, inject, it } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { Progress } from '../../src/cli/output/progress.ts';
import { lastLine, sayRetrying } from '../../src/cli/output/retrying.ts';
import { columns, table } from '../../src/cli/output/table.ts';
import { taskTable } from '../../src/cli/output/task-table.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { DIST } from '../../src/service/files.ts';
import { whyIn } from '../../src/tasks/look-up.ts';
import { textFor } from '../../src/text/index.ts';
import { passOn } from '../support/callback.ts';
import { cleanHome, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { temporaryFolder } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

describe('list', () => {
  it('shows the tasks that match', async () => {
    const world = await openWorld();
    const started = [
      await world.start('x [[simulate: delay=0]]', { task_name: 'calculator' }),
      await world.start('x [[simulate: delay=0 fail=1]]', { task_name: 'calendar' }),
      await world.start('x [[simulate: delay=0]]', { task_name: 'poem', model: 'kimi-k3' }),
    ];
    for (const task of started) await world.handle(task).result();
    await world.start('x [[simulate: drop=1]]', { task_name: 'poem 2' });
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    const names = async (...options: string[]): Promise<string[]> => {
      const { code, stdout, stderr } = await inProcess(['list', '--json', ...options], env);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return (JSON.parse(stdout) as { task_name: string }[]).map(({ task_name }) => task_name).toSorted();
    };
    // Visibility is updated shortly after the tasks.
    await expect.poll(async () => await names()).toEqual(['calculator', 'calendar', 'poem', 'poem 2']);
    await expect.poll(async () => await names('--status', 'done')).toEqual(['calculator', 'poem']);
    expect(await names('--status', '完成')).toEqual(['calculator', 'poem']);
    expect(await names('--status', 'failed, dispatched')).toEqual(['calendar', 'poem 2']);
    expect(await names('--name', 'cal')).toEqual(['calculator', 'calendar']);
    expect(await names('--name', 'poem ')).toEqual(['poem 2']);
    expect(await names('--model', 'kimi-k3')).toEqual(['poem']);
    expect(await names('--since', '1h', '--status', 'done', '--name', 'cal')).toEqual(['calculator']);
    expect(await names('--since', '1h', '-l', '1')).toHaveLength(1);
    expect((await inProcess(['list', '--name', 'nobody'], env)).stdout).toBe('沒有這樣的任務。\n');
    const wrong = await inProcess(['list', '--status', 'lost'], env);
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('dispatched（等待回覆）、done（完成）') });
  });
});

describe('help', () => {
  it.each([
    ['zh-TW', '用法： kimi-dispatch usage [選項]', /--since <TIME> .*30d、12h（預設：30d）\n/],
    ['en', 'Usage: kimi-dispatch usage [options]', /--since <TIME> .*\(default: 30d\)\n/],
  ])('in %s has options and defaults in its language', async (KIMI_LANG, usage, since) => {
    const { stdout } = await inProcess(['usage', '--help'], await cleanHome({ KIMI_LANG }));
    expect(stdout).toContain(usage);
    expect(stdout).toMatch(since);
    expect(/\[options\]|default/.test(stdout)).toBe(KIMI_LANG === 'en');
  });

  it('in zh-TW lists the commands, with their descriptions in one column', async () => {
    const { stdout } = await inProcess(['--help'], await cleanHome());
    expect(stdout).not.toMatch(/\[options\]|\[command\]/);
    const columnOf = (name: string, description: string): number => {
      const line = stdout.split('\n').find((one) => one.startsWith(`  ${name}`)) ?? '';
      expect(line).toContain(description);
      return stringWidth(line.slice(0, line.indexOf(description)));
    };
    expect(columnOf('dispatch [選項] [PROMPT]', '派發任務')).toBe(columnOf('down', '停止'));
  });
});

it('of a batch the word of Kimi for its state is not shown as if it were an answer', () => {
  expect(lastLine({ phase: 'batch', tail: 'in_progress' })).toBe('');
  expect(lastLine({ phase: 'answering', tail: 'one\n two ' })).toBe('two');
});

it('a map has its rows by outcome in a list, and a follow-up a mark', () => {
  const task = {
    task_id: 'kimi-1-1',
    task_name: 'x',
    state: 'failed',
    status: 'failed',
    model: 'm',
    tokens: 1,
  } as const;
  const map = { rows: 30, done: 27, failed: 3, timed_out: 0, cancelled: 0 };
  const rows = [{ ...task, map, continues: 'kimi-1-0', created_at: '2026-02-17T15:30:00Z' }];
  expect(taskTable(rows, 'en', cliText('en'))).toMatch(/ ↳ x +failed 27 of 30 done, 3 failed +m /);
});

it('a long name is cut in a list, where it would widen every row', () => {
  const task_name = '長'.repeat(64);
  const task = { task_id: 'kimi-1-1', task_name, state: 'done', status: 'done', model: 'm', tokens: 1 } as const;
  const shown = taskTable([{ ...task, created_at: '2026-02-17T15:30:00Z' }], 'zh-TW', cliText('zh-TW'));
  expect(shown).toContain(`  ${'長'.repeat(32)}…  `);
  expect(Math.max(...shown.split('\n').map((line) => stringWidth(line)))).toBeLessThan(140);
});

const ago = (ms: number): string => new Date(Date.now() - ms).toISOString();

it.each([
  ['en', 'the process that did this was stopped; attempt 2'],
  ['zh-TW', '執行這一步的程序停止了'],
] as const)('a step whose process was lost is said in words, %s', (lang, words) => {
  const why = whyIn(new TimeoutFailure('activity Heartbeat timeout', undefined, 'HEARTBEAT'));
  const said = sayRetrying({ attempt: 2, ...why }, cliText(lang), textFor(lang));
  expect(said).toContain(words);
  expect(said).not.toContain('timeout');
});

it('the clock of a task goes on when Kimi accepts it', () => {
  const lines: string[] = [];
  const out = { isTTY: false, write: (line: string) => lines.push(line) } as unknown as NodeJS.WriteStream;
  const progress = new Progress(cliText('en'), textFor('en'), out);
  const task = { task_id: 'kimi-1-1', task_name: 'x', model: 'm', created_at: ago(8_400), acknowledged: false };
  progress.update({ view: { ...task, state: 'dispatching', step: 'dispatching' }, live: true });
  const accepted = { accepted_at: ago(3_000), deadline: ago(-1_797_000) };
  progress.update({ view: { ...task, ...accepted, state: 'dispatched', step: 'waiting' }, live: true });
  expect(lines).toEqual([expect.stringContaining('  0:08'), expect.stringContaining('  0:08 / 30:05')]);
});

describe('a table', () => {
  const rows = [
    ['kimi-1707654321-12345', '計算器', 'done', ''],
    ['kimi-1707654321-12346', 'poem', 'failed', '1500'],
  ];
  const headings = ['Task id', 'Name', 'State', 'Tokens'];

  it('that is too wide wraps its texts within their columns, and breaks no word', () => {
    const waiting = [
      ['kimi-1707654321-12345', '寫一個（計算器），附測試', 'waiting for its turn', '1500'],
      ['kimi-1707654321-12346', 'poem', 'failed', ''],
    ];
    expect(table(headings, waiting, 60).split('\n')).toEqual([
      'Task id                Name           State           Tokens',
      'kimi-1707654321-12345  寫一個（計算   waiting for     1500',
      '                       器），附測試   its turn',
      'kimi-1707654321-12346  poem           failed',
    ]);
    for (const width of [30, 40, 50, 60, 80, 120]) {
      const shown = table(headings, waiting, width);
      for (const line of shown.split('\n')) expect(stringWidth(line)).toBeLessThanOrEqual(width);
      for (const word of ['kimi-1707654321-12345', 'waiting', 'turn', '1500', 'poem']) expect(shown).toContain(word);
    }
  });

  it('of names and values wraps a long value within its column, and keeps an address whole', () => {
    const rows = [
      ['Reason', 'it is too late; use http://127.0.0.1/x again'],
      ['Result', '/a/very/long/path/to/kimi-1707654321-12345.json'],
    ];
    expect(columns(rows, 30).split('\n')).toEqual([
      'Reason  it is too late; use',
      '        http://127.0.0.1/x',
      '        again',
      'Result  /a/very/long/path/to/kimi-1707654321-12345.json',
    ]);
  });

  it('becomes one block per row in a narrower terminal', () => {
    expect(table(headings, rows, 22).split('\n')).toEqual([
      'kimi-1707654321-12345',
      '  Name   計算器',
      '  State  done',
      '',
      'kimi-1707654321-12346',
      '  Name    poem',
      '  State   failed',
      '  Tokens  1500',
    ]);
  });

  it('is as wide as the terminal', async () => {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    const models = async (columns: number): Promise<string> => {
      const command = `stty cols ${columns}; ${process.execPath} dist/kimi-dispatch.cjs models`;
      return (await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env })).stdout;
    };
    expect(await models(40)).toMatch(/^kimi-k2\.6\r\n {2}Context +262144\r\n/m);
    expect(await models(160)).toMatch(/^kimi-k2\.6 +262144 /m);
  });
});

describe('result', () => {
  const OUTPUT = '# Title\u001B[2J\n```python\nprint(1)\n```\n\n```py\nprint(2)\n```\n\n```bash\nls\n```';

  async function withResult() {
    const env = await cleanHome({ KIMI_LANG: 'en' });
    const result: ResultFile = {
      task_id: 'kimi-1-1',
      task_name: 'my calculator',
      status: 'done',
      model: 'kimi-k3',
      output: OUTPUT,
      created_at: '2026-11-24T00:00:00Z',
      completed_at: '2026-11-24T00:00:01Z',
    };
    await mkdir(resultsOf(env), { recursive: true });
    await writeFile(join(resultsOf(env), 'kimi-1-1.json'), JSON.stringify(result));
    const folder = join(env['HOME'] ?? '', 'code');
    return { env, folder };
  }

  it('prints the answer unchanged into a pipe, with a line end; with --raw, without one', async () => {
    const { env } = await withResult();
    expect((await inProcess(['result', 'kimi-1-1'], env)).stdout).toBe(`${OUTPUT}\n`);
    expect((await inProcess(['result', 'kimi-1-1', '--raw'], env)).stdout).toBe(OUTPUT);
  });

  it.each([[['--raw']], [['--code', 'js']]])('a map has no answer to print with %s', async (option) => {
    const { env } = await withResult();
    const map = { rows: 2, done: 2, failed: 0, cancelled: 0 };
    const result = {
      task_id: 'kimi-2-2',
      task_name: 'rows',
      model: 'm',
      status: 'done',
      map,
      created_at: '2026-11-24T00:00:00Z',
      completed_at: '2026-11-24T00:00:01Z',
    };
    await writeFile(join(resultsOf(env), 'kimi-2-2.json'), JSON.stringify(result));
    const { code, stdout, stderr } = await inProcess(['result', 'kimi-2-2', ...option], env);
    expect({ code, stdout }, stderr).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain('kimi-dispatch result kimi-2-2 --all');
  });

  it('formats Markdown in a terminal, without terminal controls from the answer', async () => {
    const { env } = await withResult();
    // `script` provides a terminal.
    const command = `${process.execPath} dist/kimi-dispatch.cjs result kimi-1-1`;
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env });
    expect(stdout).toContain('Title');
    expect(stdout).not.toContain('# Title');
    expect(stdout).not.toContain('\u001B[2J');
    expect(stdout).not.toContain('```');
  });

  it('writes the code of a language to files, and overwrites none', async () => {
    const { env, folder } = await withResult();
    const python = ['result', 'kimi-1-1', '--code', 'Python', '-o', folder];
    expect(await inProcess(python, env)).toMatchObject({
      code: 0,
      stdout: `${join(folder, 'my-calculator-1.py')}\n${join(folder, 'my-calculator-2.py')}\n`,
    });
    expect(await readFile(join(folder, 'my-calculator-2.py'), 'utf8')).toBe('print(2)\n');
    expect((await inProcess(['result', 'kimi-1-1', '--code', 'sh', '-o', folder], env)).code).toBe(0);
    expect(await readdir(folder)).toEqual(['my-calculator-1.py', 'my-calculator-2.py', 'my-calculator.sh']);
    expect(await inProcess(python, env)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('exists and was not overwritten'),
    });
    const file = join(folder, 'my-calculator.sh');
    expect(await inProcess(['result', 'kimi-1-1', '--code', 'sh', '-o', file], env)).toMatchObject({
      code: 3,
      stderr: `Cannot write code to ${file} (it exists). Choose a writable folder with -o.\n`,
    });
    expect(await inProcess(['result', 'kimi-1-1', '--code', 'rust', '-o', folder], env)).toMatchObject({
      code: 2,
      stderr: 'The answer has no code block in rust, so no file was written. It has some in: python, py, bash.\n',
    });
  });
});

describe('the id of a notification', () => {
  const noLateAnswer = { code: 9, stderr: expect.stringContaining('no answer that came late') };
  const done = { code: 0, stdout: expect.stringMatching(/kimi-\d+-\d+ is acknowledged/) };

  it.each([
    ['-late', noLateAnswer],
    ['-again-1', done],
    ['-late-again-2', noLateAnswer],
  ])('…%s identifies its task, for every command that takes one', async (end, acknowledged) => {
    const world = await openWorld();
    const { task_id } = await world.start('x [[simulate: delay=0]]');
    await world.handle({ task_id }).result();
    const env = await cleanHome({
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_LANG: 'en',
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_RESULTS_DIR: world.results.folder,
    });
    const { output = '' } = (await world.results.read(task_id)) ?? {};
    const run = async (name: string) => await inProcess([name, `${task_id}${end}`], env);
    expect(await run('result')).toEqual({ code: 0, stdout: `${output.trimEnd()}\n`, stderr: '' });
    expect(await run('status')).toMatchObject({ code: 0, stdout: expect.stringContaining(task_id) });
    expect(await run('watch')).toMatchObject({ code: 0, stdout: expect.stringContaining('calculator') });
    expect(await run('cancel')).toMatchObject({
      code: 10,
      stderr: expect.stringContaining(`${task_id} has already ended`),
    });
    expect(await run('ack')).toMatchObject(acknowledged);
  });
});

describe('completion', () => {
  it.each(['bash', 'zsh', 'fish'])('prints a script for %s', async (shell) => {
    const { code, stdout } = await inProcess(['completion', shell], await cleanHome());
    expect(code).toBe(0);
    expect(stdout).toContain('kimi-dispatch complete --');
  });

  it('offers commands, options and saved tasks', async () => {
    const env = await cleanHome();
    await mkdir(resultsOf(env), { recursive: true });
    for (const name of ['kimi-1-1.json', 'pending-kimi-2-1.json', 'latest.json']) {
      await writeFile(join(resultsOf(env), name), '{}');
    }
    const offers = async (...words: string[]): Promise<string[]> =>
      (await inProcess(['complete', '--', ...words], env)).stdout.split('\n').map((line) => line.split('\t')[0] ?? '');
    expect(await offers('dis')).toContain('dispatch');
    expect(await offers('list', '--st')).toContain('--status');
    expect(await offers('cancel', '')).toEqual(['kimi-2-1', 'kimi-1-1', ':4', '']);
  });

  it('works in a plain bash: it prints no error, executes no argument, and offers task ids', async () => {
    const env = await cleanHome();
    const bin = await temporaryFolder();
    await symlink(join(DIST, 'kimi-dispatch.cjs'), join(bin, 'kimi-dispatch'));
    await mkdir(resultsOf(env), { recursive: true });
    await writeFile(join(resultsOf(env), 'kimi-1-1.json'), '{}');
    // What bash does on Tab, first after an argument that must not be executed.
    const tabs = [
      'eval "$(kimi-dispatch completion bash)"',
      String.raw`COMP_WORDS=(kimi-dispatch dispatch -p "\"\$(touch ran)" ""); COMP_CWORD=4; __kimi_dispatch`,
      'COMP_WORDS=(kimi-dispatch status ""); COMP_CWORD=2; __kimi_dispatch; echo "${COMPREPLY[@]}"',
    ];
    const bash = ['--norc', '--noprofile', '-c', tabs.join('\n')];
    const ran = await promisify(execFile)('bash', bash, { env: { ...env, PATH: `${bin}:${env['PATH']}` }, cwd: bin });
    expect(ran).toEqual({ stdout: 'kimi-1-1\n', stderr: '' });
    expect(await readdir(bin)).toEqual(['kimi-dispatch']);
  });

  it('names the supported shells', async () => {
    expect(await inProcess(['completion', 'tcsh'], await cleanHome({ KIMI_LANG: 'en' }))).toMatchObject({
      code: 2,
      stderr: 'The value of tcsh is invalid; it must be one of zsh, bash, fish, powershell.\n',
    });
  });
});

it('an error message of Kimi cannot control the terminal', async () => {
  const world = await openWorld();
  const started = await world.start('x [[simulate: drop=1]]');
  const { task_id } = started;
  const error = { type: 'x', message: 'red\u001B[31m\u0007 line\r\noverwritten\u0000' };
  const metadata = { task_id, task_name: 'calculator' };
  await passOn(world.handle(started), { id: 'cmpl-1', error, metadata });
  await world.handle(started).result();
  const env = await cleanHome({
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_TASK_QUEUE: world.taskQueue,
    KIMI_RESULTS_DIR: world.results.folder,
  });
  const said = await Promise.all(
    ['status', 'result', 'watch'].map(async (command) => await inProcess([command, task_id], env)),
  );
  for (const { stdout, stderr } of said) {
    expect(stdout + stderr).toContain('red [31m  line  overwritten');
    expect(stdout + stderr).not.toMatch(/(?!\n)\p{Cc}/u);
  }
});

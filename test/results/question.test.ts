/** The question in result files: plain, or encrypted with the payload keys. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { ResultStore } from '../../src/results/store.ts';
import type { TaskResult } from '../../src/shared/result.ts';
import { MAX_PROMPT_BYTES } from '../../src/shared/task.ts';
import { cleanHome, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { shared, temporaryFolder } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const ID = 'kimi-1707654321-11111';
const QUESTION = { prompt: '機密的問題', request: { system: '你是律師' }, timeout_ms: 60_000, priority: 2 } as const;
const RESULT: TaskResult = {
  task_id: ID,
  task_name: 'lawyer',
  status: 'done',
  model: 'kimi-k2.6',
  output: '答案',
  created_at: '2026-02-17T15:30:00Z',
  ...QUESTION,
};
const keyOf = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
const OLD = `old:${keyOf(1)}`;
const NEW = `new:${keyOf(2)}`;

function storeAt(folder: string, keys?: string): ResultStore {
  return new ResultStore(folder, readConfig({ KIMI_PAYLOAD_KEYS: keys }).KIMI_PAYLOAD_KEYS);
}

describe('a result file', () => {
  it('without keys has the question, readable by its owner only', async () => {
    const store = storeAt(await temporaryFolder());
    await store.persist(RESULT);
    const path = store.resultPath(ID);
    expect(JSON.parse(await readFile(path, 'utf8'))).toMatchObject(QUESTION);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const saved = await store.read(ID);
    expect(saved && store.questionOf(saved)).toEqual(QUESTION);
  });

  it('with keys has it encrypted with the first, and every key opens it; an acknowledgement leaves it', async () => {
    const folder = await temporaryFolder();
    await storeAt(folder, OLD).persist(RESULT);
    const rotated = storeAt(folder, `${NEW},${OLD}`);
    await rotated.acknowledge(ID);
    const content = await readFile(rotated.resultPath(ID), 'utf8');
    expect(content).toContain('"encrypted_question"');
    expect(content).not.toMatch(/問題|律師/);
    expect(await readFile(rotated.latestPath, 'utf8')).toBe(content);
    const saved = await rotated.read(ID);
    expect(saved).toMatchObject({ output: '答案', acknowledged: true, encrypted_question: { key: 'old' } });
    expect(saved && rotated.questionOf(saved)).toEqual(QUESTION);
  });

  it.each([
    ['is missing', NEW, '"old", which KIMI_PAYLOAD_KEYS does not hold'],
    ['is another one', `old:${keyOf(3)}`, 'does not open with the key "old"'],
  ])('whose key %s is read, but not its question', async (_, keys, message) => {
    const folder = await temporaryFolder();
    await storeAt(folder, OLD).persist(RESULT);
    const store = storeAt(folder, keys);
    const saved = await store.read(ID);
    expect(saved?.output).toBe('答案');
    expect(() => saved && store.questionOf(saved)).toThrow(message);
    expect(saved && store.noteOf(saved).question).toBeUndefined();
  });

  it('of an older version is read, and has none', async () => {
    const store = storeAt(await temporaryFolder(), NEW);
    const { prompt: _prompt, request: _request, timeout_ms: _timeout, priority: _priority, ...older } = RESULT;
    await writeFile(store.resultPath(ID), JSON.stringify({ ...older, completed_at: '2026-02-17T15:30:30Z' }));
    const saved = await store.read(ID);
    expect(saved?.output).toBe('答案');
    expect(saved && store.questionOf(saved)).toBeUndefined();
  });
});

describe('a task', () => {
  it('saves what it was asked, however long, and again with a late answer; its state has the beginning', async () => {
    const world = await openWorld({ payloadKeys: NEW });
    const prompt = `開頭 [[simulate: drop=1]] ${'x'.repeat(MAX_PROMPT_BYTES - 100)}`;
    const request = { system: '你是律師' };
    const started = await world.start(prompt, { request, timeout_ms: 60_000 });
    expect((await world.view(started)).question).toMatch(/^開頭 .*x{200}/);
    await world.skipTime(started);
    expect(await world.handle(started).result()).toMatchObject({ status: 'timed_out' });
    const saved = await world.results.read(started.task_id);
    expect(saved).toMatchObject({ status: 'timed_out', encrypted_question: { key: 'new' } });
    expect(saved).not.toHaveProperty('prompt');
    expect(saved && world.results.questionOf(saved)).toMatchObject({ prompt, request, timeout_ms: 60_000 });
  });
});

describe('the commands', () => {
  const home = shared(async () => {
    const env = await cleanHome({ KIMI_LANG: 'en', TEMPORAL_ADDRESS: '127.0.0.1:1', KIMI_PAYLOAD_KEYS: OLD });
    await storeAt(resultsOf(env), OLD).persist({
      ...RESULT,
      prompt: `${QUESTION.prompt}<b>\n\u001B[31m${'字'.repeat(500)}`,
    });
    return env;
  });

  it('status shows the beginning, on one line, without control sequences', async () => {
    const { stdout } = await inProcess(['status', ID], home());
    expect(stdout).toMatch(/^Question {2,}機密的問題<b> .?\[31m字+…$/m);
    const json = JSON.parse((await inProcess(['status', ID, '--json'], home())).stdout) as { question: string };
    expect(json.question).toMatch(/^機密的問題/);
    expect(json.question.length).toBe(300);
  });

  it('result --json has it whole, but not for a chat; without a key it has the answer only', async () => {
    expect(JSON.parse((await inProcess(['result', '--json'], home())).stdout)).toMatchObject({
      output: '答案',
      prompt: expect.stringMatching(/^機密的問題.*字{500}$/s),
      request: QUESTION.request,
    });
    const without = await inProcess(['result', '--json'], { ...home(), KIMI_PAYLOAD_KEYS: NEW });
    expect(without.code).toBe(0);
    expect(JSON.parse(without.stdout)).toMatchObject({ output: '答案' });
    expect(without.stdout).not.toContain('prompt');
    expect((await inProcess(['result', ID], home())).stdout).toBe('答案\n');
    expect((await inProcess(['inbox', '--json'], home())).stdout).not.toContain('prompt');
  });

  it('the report shows it, as text', async () => {
    const { stdout } = await inProcess(['report', '--since', '50y', '-o', '-'], home());
    expect(stdout).toContain('機密的問題&lt;b&gt;');
    expect(stdout).not.toContain('字'.repeat(101));
  });

  it('the report without the key shows the task', async () => {
    const { stdout } = await inProcess(['report', '--since', '50y', '-o', '-'], { ...home(), KIMI_PAYLOAD_KEYS: NEW });
    expect(stdout).toContain('lawyer');
    expect(stdout).not.toContain('機密的問題');
  });
});

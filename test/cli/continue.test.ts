/** `--continue`: what Kimi is sent of a conversation, against Moonshot's API; and what is refused before anything is sent. */
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ResultStore } from '../../src/results/store.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import type { Completion, Counts, ReceivedMessage } from '../../src/simulator/events.ts';
import { cleanHome, resultsOf, up, type Ended } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { shared } from '../support/resources.ts';

const KEYS = 'a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=';

const service = shared(async () => {
  const env = await cleanHome({
    KIMI_LANG: 'en',
    KIMI_CALLBACKS: 'relay',
    KIMI_PAYLOAD_KEYS: KEYS,
    KIMI_MAX_TASKS_PER_MINUTE: '0',
  });
  const { state } = await up(env, '--simulate');
  return { env, state };
});

function home(): Record<string, string> {
  return service().env;
}

async function run(...args: string[]): Promise<Ended> {
  return await inProcess(args, home());
}

async function answered(...args: string[]): Promise<ResultFile> {
  const { stdout, stderr } = await run('dispatch', '--json', ...args);
  expect(stdout, stderr).toContain('task_id');
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  expect(await run('wait', task_id)).toMatchObject({ code: 0 });
  return JSON.parse((await run('result', task_id, '--json')).stdout) as ResultFile;
}

/** @returns the requests that Moonshot's API has received, the newest last. */
async function received(): Promise<Completion[]> {
  const url = service().state.simulator_url;
  const { completions } = (await (await fetch(`${url}/simulator/counts`)).json()) as Counts;
  return completions;
}

async function lastMessages(): Promise<ReceivedMessage[]> {
  return (await received()).at(-1)?.messages ?? [];
}

async function file(name: string, content: string): Promise<string> {
  const path = join(home()['HOME'] ?? '', name);
  await writeFile(path, content);
  return path;
}

describe('a conversation', () => {
  it('of three tasks is sent whole: system prompt, files, questions, answers with their reasoning, the new question', async () => {
    const system = await file('system.txt', 'You are brief.');
    const note = await file('note.txt', 'the note');
    const options = ['-m', 'kimi-k3', '-n', 'talk', '--system', system, '--thinking', 'low', '--max-tokens', '9999'];
    const first = await answered('one', ...options, '--attach', note);
    const second = await answered('two', '--continue', 'talk');
    const more = await file('more.txt', 'more of it');
    const third = await answered('three', '--continue', 'last', '--attach', more, '--thinking', 'high');

    expect(await lastMessages()).toEqual([
      { role: 'system', content: 'You are brief.' },
      { role: 'user', content: 'one\n\n<attachment name="note.txt">\nthe note\n</attachment>' },
      { role: 'assistant', content: beginning(first.output), reasoning_content: beginning(first.reasoning) },
      { role: 'user', content: 'two' },
      { role: 'assistant', content: beginning(second.output), reasoning_content: beginning(second.reasoning) },
      { role: 'user', content: 'three\n\n<attachment name="more.txt">\nmore of it\n</attachment>' },
    ]);
    expect(second).toMatchObject({ task_name: 'talk', model: 'kimi-k3', continues: first.task_id });
    expect(third).toMatchObject({
      task_name: 'talk',
      continues: second.task_id,
      prompt: 'three',
      request: { system: 'You are brief.', thinking: 'high', max_tokens: 9999 },
      files: [expect.objectContaining({ name: 'more.txt' })],
    });
    expect(first.continues).toBeUndefined();
    // Only its own question is stored with it, and that encrypted.
    const saved = await readFile(join(resultsOf(home()), `${third.task_id}.json`), 'utf8');
    expect(JSON.parse(saved)).toMatchObject({ continues: second.task_id, encrypted_question: { key: 'a' } });
    expect(saved).not.toContain('You are brief.');

    expect((await run('status', third.task_id)).stdout).toMatch(new RegExp(`^Continues +${second.task_id}  two$`, 'm'));
    expect((await run('result', third.task_id)).stderr).toContain(`Continues ${second.task_id}`);
    expect((await run('export', '--name', 'talk')).stdout).toContain(`Continues ${first.task_id}`);
    expect((await run('export', '--name', 'talk', '--csv')).stdout).toContain(`"${second.task_id}"`);
  });

  it('is sent again by retry', async () => {
    const before = await lastMessages();
    const { stdout } = await run('retry', 'talk', '--json');
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    await run('wait', task_id);
    expect(await lastMessages()).toEqual(before);
    expect(before).toHaveLength(6);
  });

  it('is continued by run, and with another model: K2.6 is not sent the reasoning, which it would ignore', async () => {
    const { stdout, stderr, code } = await run('run', '--json', 'four', '--continue', 'talk', '-m', 'kimi-k2.6');
    expect(code, stderr).toBe(2);
    expect(stderr).toContain('kimi-k2.6 has no thinking effort');
    expect(stdout).toBe('');
    const other = await run('run', '--json', 'four', '--continue', 'talk', '-m', 'kimi-k2.6', '--thinking', 'on');
    expect(other.code, other.stderr).toBe(0);
    const { messages, model, ended } = (await received()).at(-1) ?? {};
    expect({ model, ended }).toEqual({ model: 'kimi-k2.6', ended: 'answered' });
    expect(messages?.filter(({ role }) => role === 'assistant')).toHaveLength(3);
    expect(JSON.stringify(messages)).not.toContain('reasoning_content');
    // Back to a model that refuses an answer without its reasoning.
    const plain = await answered('quick', '-m', 'kimi-k2.6', '--thinking', 'off', '-n', 'quick');
    expect(plain.reasoning).toBeUndefined();
    await answered('and now', '--continue', 'quick', '-m', 'kimi-k2.7-code', '--thinking', 'on');
    expect((await lastMessages())[1]).toMatchObject({ role: 'assistant', reasoning_content: ' ' });
  });
});

/** @returns the option of a message in a chat. */
function route(id: string): string[] {
  return ['--route', JSON.stringify({ channel: 'telegram', to: '77', message: { id, at: 1_707_654_321_000 } })];
}

function from(chat: object): string[] {
  return ['--route', JSON.stringify({ channel: 'slack', to: 'C1', ...chat })];
}

it('a redelivered message that continues the last task of its chat is one task', async () => {
  const first = await answered('one', ...route('1'));
  const follow = ['dispatch', '--json', 'two [[simulate: delay=2000]]', '--continue', 'last', ...route('2')];
  const started = JSON.parse((await run(...follow)).stdout) as { task_id: string };
  expect(JSON.parse((await run(...follow)).stdout)).toMatchObject({ task_id: started.task_id, status: 'known' });
  await run('wait', started.task_id);
  expect(JSON.parse((await run('result', started.task_id, '--json')).stdout)).toMatchObject({
    continues: first.task_id,
  });
});

describe('refused in a sentence, before anything is sent', () => {
  it('is a conversation with a task that has no answer, no question, or no result any more', async () => {
    const open = (await run('dispatch', '--json', 'x [[simulate: delay=60000]]', '-n', 'open')).stdout;
    const { task_id: unfinished } = JSON.parse(open) as { task_id: string };
    const failed = (await run('dispatch', '--json', 'x [[simulate: error=content-filter]]', '-n', 'failed')).stdout;
    const { task_id: failing } = JSON.parse(failed) as { task_id: string };
    await run('wait', failing);
    const store = new ResultStore(resultsOf(home()));
    const created_at = '2026-02-17T15:30:00Z';
    const older = { task_name: 'older', status: 'done', model: 'kimi-k2.6', output: 'x', created_at } as const;
    await store.persist({ ...older, task_id: 'kimi-1707654321-7', simulated: true });
    await store.persist({ ...older, task_id: 'kimi-1707654321-8', prompt: 'x', timeout_ms: 1 });
    const chained = { ...older, prompt: 'x', timeout_ms: 1, simulated: true, continues: 'kimi-1707654321-1' } as const;
    await store.persist({ ...chained, task_id: 'kimi-1707654321-9' });
    const before = (await received()).length;
    for (const [task, code, sentence] of [
      [unfinished, 9, 'has no result yet'],
      [failing, 2, /no answer that could be continued \(failed\).*kimi-dispatch retry/],
      ['kimi-1707654321-7', 2, 'saved by an older version'],
      ['kimi-1707654321-8', 3, /answered by the real Kimi.*without --simulate/],
      ['kimi-1707654321-9', 3, 'the result file of kimi-1707654321-1 was removed'],
      ['kimi-1707654321-2', 4, 'There is no task'],
      ['nonsense', 4, 'No task is called nonsense'],
    ] as const) {
      const { stdout, stderr, ...ended } = await run('dispatch', 'y', '--continue', task);
      expect({ ...ended, stdout }, stderr).toMatchObject({ code, stdout: '' });
      expect(stderr).toMatch(sentence);
    }
    expect((await received()).length).toBe(before);
    await run('cancel', unfinished);
  });

  it('is one that is longer than the context of its model, with what to do', async () => {
    const long = await file('long.txt', '一'.repeat(300_000));
    const first = await answered('-m', 'kimi-k3', '-n', 'long', '-f', long);
    const again = await file('again.txt', '二'.repeat(300_000));
    const before = (await received()).length;
    const { stdout } = await run('dispatch', '--json', '--continue', first.task_id, '-m', 'kimi-k2.6', '-f', again);
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    expect(await run('wait', task_id)).toMatchObject({ code: 6 });
    expect((await run('status', task_id)).stdout).toMatch(
      /the conversation with the new prompt has \d+ tokens, and kimi-k2\.6 has room for \d+; continue an earlier task of it, or use kimi-k3/,
    );
    expect((await received()).length).toBe(before);
    const longest = await file('longest.txt', '三'.repeat(1_300_000));
    const refused = await run('dispatch', '--continue', first.task_id, '-f', longest);
    expect(refused).toMatchObject({ code: 2, stdout: '' });
    expect(refused.stderr).toMatch(new RegExp(`conversation up to ${first.task_id} has \\d+ bytes`));
  });

  it('is one whose middle was removed; a chat only continues its own', async () => {
    const [first, second] = [await answered('1', '-n', 'gone'), await answered('2', '--continue', 'gone')];
    const path = join(resultsOf(home()), `${first.task_id}.json`);
    await rename(path, `${path}.away`);
    expect(await run('dispatch', '3', '--continue', second.task_id)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining(`the result file of ${first.task_id} was removed`),
    });
    await rename(`${path}.away`, path);
    const chat = JSON.stringify({ channel: 'telegram', to: '4242' });
    expect(await run('dispatch', '3', '--continue', second.task_id, '--route', chat)).toMatchObject({ code: 4 });
    await rm(path);
  });

  it('is a task of another chat or thread; a thread continues those of the chat that it belongs to', async () => {
    const { task_id: around } = await answered('1', ...from({}));
    const within = await answered('2', '--continue', around, ...from({ thread_id: '1.1' }));
    expect(within).toMatchObject({ continues: around });
    for (const chat of [{}, { thread_id: '2.2' }, { to: 'C2', thread_id: '1.1' }, { account_id: 'other' }]) {
      const refused = await run('dispatch', '3', '--continue', within.task_id, ...from(chat));
      expect(refused, JSON.stringify(chat)).toMatchObject({ code: 4 });
    }
    const elsewhere = await run('dispatch', '3', '--continue', around, ...from({ to: 'C2', thread_id: '1.1' }));
    expect(elsewhere).toMatchObject({ code: 4 });
  });
});

function beginning(text = ''): string {
  return Array.from(text).slice(0, 300).join('');
}

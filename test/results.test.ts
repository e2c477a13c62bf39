import { execFile } from 'node:child_process';
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { ResultFile, TaskResult } from '../src/contract.ts';
import { ResultStore } from '../src/results.ts';
import { temporaryFolder } from './support/world.ts';

const result = (task_id: string, changes: Partial<TaskResult> = {}): TaskResult => ({
  task_id,
  task_name: 'calculator',
  status: 'done',
  model: 'moonshot-v1-128k',
  output: '答案',
  tokens: { prompt: 200, completion: 1300, total: 1500 },
  created_at: '2026-02-17T15:30:00Z',
  ...changes,
});

async function openStore(): Promise<ResultStore> {
  return new ResultStore(join(await temporaryFolder(), 'results'));
}

/** Bytes and times of everything in a folder. */
async function snapshot(folder: string): Promise<unknown> {
  const names = (await readdir(folder)).toSorted();
  return await Promise.all(
    names.map(async (name) => {
      const path = join(folder, name);
      return [name, await readFile(path, 'utf8'), (await stat(path)).mtimeMs];
    }),
  );
}

describe('the results folder', () => {
  it('holds what the contract says, step by step', async () => {
    const store = await openStore();
    await store.recordPending('kimi-1-1', '2026-02-17T15:30:00Z');
    expect(JSON.parse(await readFile(join(store.folder, 'pending-kimi-1-1.json'), 'utf8'))).toEqual({
      task_id: 'kimi-1-1',
      status: 'dispatched',
      created_at: '2026-02-17T15:30:00Z',
    });

    const completed_at = await store.persist(result('kimi-1-1'));
    expect(completed_at).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(await store.read('kimi-1-1')).toEqual({ ...result('kimi-1-1'), completed_at });
    expect(await store.latest()).toEqual(await store.read('kimi-1-1'));
    expect((await readdir(store.folder)).toSorted()).toEqual(['kimi-1-1.json', 'latest.json']);

    await store.acknowledge('kimi-1-1');
    expect(await store.latest()).toMatchObject({ acknowledged: true, acknowledged_at: expect.any(String) });
    expect(await store.read('kimi-1-1')).toEqual(await store.latest());
  });

  it('is changed by no second run of anything', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1'));
    await store.acknowledge('kimi-1-1');
    const before = await snapshot(store.folder);
    await store.recordPending('kimi-1-1', '2026-02-17T15:30:00Z');
    await store.persist(result('kimi-1-1'));
    await store.acknowledge('kimi-1-1');
    expect(await snapshot(store.folder)).toEqual(before);
  });

  it('never takes latest.json back to an older result', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1'));
    await store.persist(result('kimi-1-2'));
    await store.persist(result('kimi-1-1'));
    await store.acknowledge('kimi-1-1');
    expect(await store.latest()).toMatchObject({ task_id: 'kimi-1-2' });
    expect(await store.latest()).not.toHaveProperty('acknowledged');
  });

  it('mends latest.json after a crash between the two writes', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1'));
    const older: ResultFile = { ...result('kimi-1-0'), completed_at: '2020-01-01T00:00:00Z' };
    await writeFile(store.latestPath, JSON.stringify(older));
    await store.persist(result('kimi-1-1'));
    expect(await store.latest()).toMatchObject({ task_id: 'kimi-1-1' });
  });

  it('takes a late answer in place of a timeout, to be told anew', async () => {
    const store = await openStore();
    const { output: _output, ...timedOut } = result('kimi-1-1', { status: 'timed_out' });
    await store.persist(timedOut);
    await store.acknowledge('kimi-1-1');
    await store.persist(result('kimi-1-1', { late: true }));
    expect(await store.read('kimi-1-1')).toMatchObject({ status: 'done', late: true, output: '答案' });
    expect(await store.read('kimi-1-1')).not.toHaveProperty('acknowledged');
  });

  it('never shows half a file to a reader', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1000'));
    const writing = new AbortController();
    const reading = (async () => {
      let reads = 0;
      for (; !writing.signal.aborted; reads += 1) expect((await store.latest())?.status).toBe('done');
      return reads;
    })();
    const output = '長'.repeat(50_000);
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => await store.persist(result(`kimi-1-${n}`, { output }))),
    );
    writing.abort();
    expect(await reading).toBeGreaterThan(10);
  });

  it('may be shared by processes', async () => {
    const store = await openStore();
    const script = fileURLToPath(new URL('support/persist-many.ts', import.meta.url));
    const run = promisify(execFile);
    await Promise.all(
      ['0', '50'].map(async (first) => await run(process.execPath, ['--import', 'tsx', script, store.folder, first])),
    );
    const names = await readdir(store.folder);
    expect(names.toSorted()).toEqual(
      [...Array.from({ length: 100 }, (_, n) => `kimi-1-${n}.json`), 'latest.json'].toSorted(),
    );
    const newest = (await store.latest()) as ResultFile;
    expect(await store.read(newest.task_id)).toEqual(newest);
    expect(['kimi-1-49', 'kimi-1-99']).toContain(newest.task_id);
  });

  it('is cleared of what a killed process left half-written, and of nothing else', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1'));
    const leftovers = ['kimi-1-2.json.12345', 'pending-kimi-1-2.json.77', 'latest.json.9'];
    for (const name of [...leftovers, 'notes.txt', 'my.json.123']) await writeFile(join(store.folder, name), '{');
    await store.prepare();
    expect((await readdir(store.folder)).toSorted()).toEqual([
      'kimi-1-1.json',
      'latest.json',
      'my.json.123',
      'notes.txt',
    ]);
  });

  it('says so where somebody else spoilt a file, and writes it anew', async () => {
    const store = await openStore();
    await store.persist(result('kimi-1-1'));
    for (const spoilt of ['{', '{"task_id":5}', 'null']) {
      await writeFile(store.latestPath, spoilt);
      await writeFile(store.resultPath('kimi-1-1'), spoilt);
      await expect(store.latest()).rejects.toThrow('latest.json is damaged');
      await store.persist(result('kimi-1-1'));
      expect(await store.latest()).toEqual(await store.read('kimi-1-1'));
    }
  });

  it('says so where it cannot be written', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await chmod(file, 0o600);
    await expect(new ResultStore(join(file, 'results')).prepare()).rejects.toThrow('ENOTDIR');
  });

  it.each(['../../etc/passwd', 'latest', 'kimi-1-1/../x', '', 'kimi-1-1.json'])(
    'has no place for %j',
    async (task_id) => {
      const store = await openStore();
      await expect(store.read(task_id)).rejects.toThrow('is not a task id');
      await expect(store.persist(result(task_id))).rejects.toThrow('is not a task id');
    },
  );
});

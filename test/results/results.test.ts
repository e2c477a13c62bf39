/** The results folder (docs/results.md) on a real disk. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { lock } from 'proper-lockfile';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { pendingOf, type PendingFile, type ResultFile, type TaskResult } from '../../src/shared/result.ts';
import { rowTaskId } from '../../src/shared/task-id.ts';
import { savedTasks } from '../../src/temporal/task-list.ts';
import { NoResult, ResultStore } from '../../src/results/store.ts';
import { bundle } from '../support/bundle.ts';
import { standInTheWay } from '../support/disk.ts';
import { shared, temporaryFolder, until } from '../support/resources.ts';

const OLD = 'kimi-1707654321-11111';
const NEW = 'kimi-1707654321-22222';
const OTHER = 'kimi-1707654321-33333';
const ANOTHER = 'kimi-1707654321-44444';
const CREATED = '2026-02-17T15:30:00Z';
const ISO = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/;

const done = (task_id: string, changes: Partial<TaskResult> = {}): TaskResult => ({
  task_id,
  task_name: 'calculator',
  status: 'done',
  model: 'moonshot-v1-128k',
  output: '答案',
  tokens: { prompt: 200, completion: 1300, total: 1500 },
  created_at: CREATED,
  ...changes,
});

const pending = (task_id: string): PendingFile =>
  pendingOf({ task_id, task_name: 'calculator', model: 'kimi-k2.6' }, CREATED);

describe('recordPending', () => {
  it('leaves a pending file', async () => {
    const store = await openStore();
    await store.recordPending(pending(OLD));
    expect(await filesOf(store)).toEqual([`pending-${OLD}.json`]);
    expect(await json(store, `pending-${OLD}.json`)).toEqual({
      task_id: OLD,
      task_name: 'calculator',
      model: 'kimi-k2.6',
      status: 'dispatched',
      created_at: CREATED,
    });
    expect(store.pending()).toEqual([pending(OLD)]);
    await writeFile(join(store.folder, `pending-${NEW}.json`), '{');
    await writeFile(join(store.folder, `pending-${OTHER}.json`), JSON.stringify(pending(NEW)));
    expect(store.pending()).toEqual([pending(OLD)]);
  });

  it('a second time leaves the same bytes', async () => {
    const store = await openStore();
    await store.recordPending(pending(OLD));
    const before = await readFile(join(store.folder, `pending-${OLD}.json`));
    await store.recordPending(pending(OLD));
    expect(await readFile(join(store.folder, `pending-${OLD}.json`))).toEqual(before);
  });

  it('a second time does not touch the file', async () => {
    const store = await openStore();
    await store.recordPending(pending(OLD));
    expect(await touched(store, async () => await store.recordPending(pending(OLD)))).toEqual([]);
  });

  it('after the result changes nothing', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    expect(await touched(store, async () => await store.recordPending(pending(OLD)))).toEqual([]);
  });
});

describe('persist', () => {
  it('writes the result and latest.json, and removes the pending file', async () => {
    const store = await openStore();
    await store.recordPending(pending(OLD));
    const { completed_at } = (await store.persist(done(OLD))).saved;
    expect(completed_at).toMatch(ISO);
    expect((await filesOf(store)).toSorted()).toEqual([`${OLD}.json`, 'latest.json']);
    expect(await json(store, `${OLD}.json`)).toEqual({ ...done(OLD), completed_at });
    expect(await readFile(store.latestPath)).toEqual(await readFile(store.resultPath(OLD)));
    expect(await store.read(OLD)).toEqual({ ...done(OLD), completed_at });
  });

  it('returns the time at which it was saved', async () => {
    const store = await openStore();
    const before = Math.floor(Date.now() / 1_000) * 1_000;
    const saved = Date.parse((await store.persist(done(OLD))).saved.completed_at);
    expect(saved).toBeGreaterThanOrEqual(before);
    expect(saved).toBeLessThanOrEqual(Date.now());
  });

  it('a second time changes nothing', async () => {
    const store = await openStore();
    const { completed_at } = (await store.persist(done(OLD))).saved;
    expect(
      await touched(store, async () =>
        expect(await store.persist(done(OLD))).toMatchObject({ saved: { completed_at }, isNew: false }),
      ),
    ).toEqual([]);
  });

  it('a second time after the acknowledgement changes nothing', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await store.acknowledge(OLD);
    expect(await touched(store, async () => await store.persist(done(OLD)))).toEqual([]);
  });

  it('a second time removes a leftover pending file', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await writeFile(join(store.folder, `pending-${OLD}.json`), '{}');
    await store.persist(done(OLD));
    expect((await filesOf(store)).toSorted()).toEqual([`${OLD}.json`, 'latest.json']);
  });

  it('many times concurrently gives one result', async () => {
    const store = await openStore();
    const saved = await Promise.all(Array.from({ length: 20 }, async () => await store.persist(done(OLD))));
    expect(new Set(saved.map(({ saved: { completed_at } }) => completed_at)).size).toBe(1);
    expect(saved.filter(({ isNew }) => isNew)).toHaveLength(1);
    expect((await filesOf(store)).toSorted()).toEqual([`${OLD}.json`, 'latest.json']);
  });

  it('an older result again leaves latest.json on the newer one', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await store.persist(done(NEW));
    expect(await touched(store, async () => await store.persist(done(OLD)))).toEqual([]);
    expect(await store.latest()).toMatchObject({ task_id: NEW });
  });

  it('a new result makes it the latest even if the clock was set back', async () => {
    const store = await openStore();
    await write(store, 'latest.json', { ...done(OLD), completed_at: '2999-01-01T00:00:00Z' });
    await store.persist(done(NEW));
    expect(await store.latest()).toMatchObject({ task_id: NEW });
  });

  it.each([
    ['missing', undefined],
    ['older', { ...done(NEW), completed_at: '2026-01-01T00:00:00Z' }],
  ])('again writes the latest.json that a crash left %s', async (_how, latest) => {
    const store = await openStore();
    const saved = { ...done(OLD), completed_at: '2026-02-17T15:30:30Z' };
    await write(store, `${OLD}.json`, saved);
    if (latest) await write(store, 'latest.json', latest);
    expect(await store.persist(done(OLD))).toEqual({ saved, isNew: false });
    expect(await store.latest()).toEqual(saved);
  });

  it('a late answer replaces the time-out and is unacknowledged', async () => {
    const store = await openStore();
    const { output: _output, tokens: _tokens, ...nothing } = done(OLD);
    await store.persist({ ...nothing, status: 'timed_out', error: { type: 'timed_out', message: 'late' } });
    await store.acknowledge(OLD);
    expect(await store.latest()).toMatchObject({ status: 'timed_out', acknowledged: true });
    const late = done(OLD, { late: true });
    const { completed_at } = (await store.persist(late)).saved;
    expect(await store.read(OLD)).toEqual({ ...late, completed_at });
    expect(await store.latest()).toEqual({ ...late, completed_at });
    expect(await touched(store, async () => await store.persist(late))).toEqual([]);
  });

  it.each(['timed_out', 'cancelled'] as const)(
    'an answer to a task that already is %s marks it as late, whichever worker saves it',
    async (status) => {
      const store = await openStore();
      const { output: _output, tokens: _tokens, ...nothing } = done(OLD, { status });
      await store.persist(nothing);
      await store.acknowledge(OLD);
      const isSilent = status === 'cancelled';
      const expected = { ...done(OLD), late: true, status: isSilent ? 'cancelled' : 'done' };
      expect(await store.persist(done(OLD))).toMatchObject({ saved: expected, isNew: true });
      expect(await store.read(OLD)).toMatchObject({ ...expected, ...(isSilent && { acknowledged: true }) });
      expect(await store.unacknowledged()).toHaveLength(isSilent ? 0 : 1);
      expect(
        await touched(store, async () =>
          expect(await store.persist(done(OLD))).toMatchObject({ saved: expected, isNew: false }),
        ),
      ).toEqual([]);
    },
  );

  it.each([
    ['done', 'cancelled'],
    ['done', 'timed_out'],
    ['cancelled', 'timed_out'],
    ['timed_out', 'cancelled'],
  ] as const)('another outcome keeps %s, and does not become %s', async (first, second) => {
    const store = await openStore();
    const { saved } = await store.persist(done(OLD, { status: first }));
    expect(
      await touched(store, async () =>
        expect(await store.persist(done(OLD, { status: second }))).toEqual({ saved, isNew: false }),
      ),
    ).toEqual([]);
  });

  it.each(['done', 'failed'] as const)(
    'an answer as late, when it is already %s in time, changes nothing',
    async (status) => {
      const store = await openStore();
      await store.persist(done(OLD, { status }));
      await store.acknowledge(OLD);
      expect(await touched(store, async () => await store.persist(done(OLD, { late: true })))).toEqual([]);
      expect(await store.read(OLD)).toMatchObject({ status, acknowledged: true });
    },
  );

  it('a late answer to a cancelled task stores the answer', async () => {
    const store = await openStore();
    const { output: _output, tokens: _tokens, ...nothing } = done(OLD, { status: 'cancelled' });
    await store.persist(nothing);
    const late = done(OLD, { status: 'cancelled', late: true });
    await store.persist(late);
    expect(await store.read(OLD)).toMatchObject(late);
    expect(await touched(store, async () => await store.persist(late))).toEqual([]);
  });

  it('a late answer to an older task makes it the latest', async () => {
    const store = await openStore();
    await store.persist(done(OLD, { status: 'timed_out' }));
    await store.persist(done(NEW));
    await store.persist(done(OLD, { late: true }));
    expect(await store.latest()).toMatchObject({ task_id: OLD, late: true });
  });

  it('the time-out again, by a worker that was presumed dead, keeps the late answer', async () => {
    const store = await openStore();
    await store.persist(done(OLD, { status: 'timed_out' }));
    await store.persist(done(OLD, { late: true }));
    await store.persist(done(OLD, { status: 'timed_out' }));
    expect(await store.read(OLD)).toMatchObject({ status: 'done', late: true });
  });
});

describe('acknowledge', () => {
  it('marks the result and latest.json, and changes nothing else', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    const saved = await store.read(OLD);
    await store.acknowledge(OLD);
    const acknowledged = { ...saved, acknowledged: true, acknowledged_at: expect.stringMatching(ISO) };
    expect(await store.read(OLD)).toEqual(acknowledged);
    expect(await readFile(store.latestPath)).toEqual(await readFile(store.resultPath(OLD)));
  });

  it('a second time changes nothing', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await store.acknowledge(OLD);
    expect(await touched(store, async () => await store.acknowledge(OLD))).toEqual([]);
  });

  it('an older task leaves latest.json unchanged', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await store.persist(done(NEW));
    expect(await touched(store, async () => await store.acknowledge(OLD))).toEqual([`${OLD}.json`]);
    expect(await store.read(OLD)).toMatchObject({ acknowledged: true });
    expect(await store.latest()).not.toHaveProperty('acknowledged');
  });

  it('again marks the latest.json that a crash left unmarked', async () => {
    const store = await openStore();
    const unmarked = { ...done(OLD), completed_at: '2026-02-17T15:30:30Z' };
    const marked = { ...unmarked, acknowledged: true, acknowledged_at: '2026-02-17T15:30:31Z' } as const;
    await write(store, `${OLD}.json`, marked);
    await write(store, 'latest.json', unmarked);
    expect(await touched(store, async () => await store.acknowledge(OLD))).toEqual(['latest.json']);
    expect(await store.latest()).toEqual(marked);
  });

  it('a task without a result says so', async () => {
    const store = await openStore();
    await expect(store.acknowledge(OLD)).rejects.toThrow(NoResult);
    await expect(store.acknowledge(OLD)).rejects.toThrow(`${OLD}.json is missing or damaged`);
    expect(await filesOf(store)).toEqual([]);
  });
});

it('a missing file is undefined', async () => {
  const store = new ResultStore(join(await temporaryFolder(), 'nowhere'));
  expect(await store.read(OLD)).toBeUndefined();
  expect(await store.latest()).toBeUndefined();
});

describe('concurrent writers', () => {
  it('in one process never show a reader half a file', async () => {
    const store = await openStore();
    const output = '答案'.repeat(20_000);
    // Written by the dozen concurrently: a reader must see many versions of `latest.json`.
    const ids = Array.from({ length: 400 }, (_, n) => `kimi-1707654321-${n}`);
    const written = new AbortController();
    const reading = (async () => {
      const seen = new Set<string>();
      while (!written.signal.aborted) {
        const latest = await store.latest();
        if (!latest) continue;
        expect(latest.output).toBe(output);
        seen.add(latest.task_id);
      }
      return seen;
    })();
    await Promise.all(ids.map(async (id) => await store.persist(done(id, { output })))).finally(() => written.abort());
    expect((await reading).size).toBeGreaterThan(10);
    expect((await filesOf(store)).toSorted()).toEqual([...ids.map((id) => `${id}.json`), 'latest.json'].toSorted());
    expect(await store.latest()).toEqual(await store.read(ids.at(-1) ?? ''));
  });

  it('do not fail together with one that cannot write', async () => {
    const store = await openStore();
    const mend = await standInTheWay(store.resultPath(OLD));
    const [old, saved] = await Promise.allSettled([store.persist(done(OLD)), store.persist(done(NEW))]);
    expect(old).toMatchObject({ status: 'rejected', reason: { code: 'EISDIR' } });
    expect(saved.status).toBe('fulfilled');
    expect(await store.latest()).toMatchObject({ task_id: NEW });
    await mend();
    await store.persist(done(OLD));
    expect((await ids(store)).toSorted()).toEqual([OLD, NEW]);
  });

  it('all get the error if latest.json cannot be written, and can retry', async () => {
    const store = await openStore();
    const mend = await standInTheWay(store.latestPath);
    const both = async () => await Promise.allSettled([store.persist(done(OLD)), store.persist(done(NEW))]);
    expect((await both()).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await mend();
    expect((await both()).map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled']);
    expect((await ids(store)).toSorted()).toEqual([OLD, NEW].toSorted());
    expect([OLD, NEW]).toContain((await store.latest())?.task_id);
  });

  it('in two processes lose nothing', async () => {
    const store = await openStore();
    const writers = [await persister(store, 1_000, 50), await persister(store, 2_000, 50)];
    const exits = await Promise.all(
      writers.map(async (writer) => {
        writer.stdin?.end();
        return await once(writer, 'exit');
      }),
    );
    expect(exits).toEqual([
      [0, null],
      [0, null],
    ]);
    const ids = [1_000, 2_000].flatMap((first) => Array.from({ length: 50 }, (_, n) => `kimi-${first + n}-1`));
    expect((await filesOf(store)).toSorted()).toEqual([...ids.map((id) => `${id}.json`), 'latest.json'].toSorted());
    const results = await Promise.all(ids.map(async (id) => await store.read(id)));
    for (const [n, result] of results.entries()) expect(result).toMatchObject({ task_id: ids[n], status: 'done' });
    expect(results).toContainEqual(await store.latest());
    // The last result saved is the last one of one of the processes.
    expect(['kimi-1049-1', 'kimi-2049-1']).toContain((await store.latest())?.task_id);
  });

  it('wait for the holder of the lock', async () => {
    const store = await openStore();
    // As the product: renewed often enough not to become stale.
    const release = await lock(store.folder, { lockfilePath: join(store.folder, '.lock'), stale: 2_000 });
    const saving = store.persist(done(OLD));
    const elsewhere = await openStore();
    for (let n = 1; n <= 10; n += 1) await elsewhere.persist(done(`kimi-${n}-1`));
    expect(await filesOf(store)).toEqual(['.lock']);
    await release();
    await saving;
    expect((await filesOf(store)).toSorted()).toEqual([`${OLD}.json`, 'latest.json']);
  });

  it('continue after one of them is killed, and find every file complete', async () => {
    const store = await openStore();
    const writer = await persister(store, 1_000, 1_000_000);
    writer.stdin?.end();
    await until(async () => (await filesOf(store)).filter((name) => /^kimi-.*\.json$/.test(name)).length > 10);
    writer.kill('SIGKILL');
    await once(writer, 'exit');
    await store.persist(done(NEW));
    await store.prepare();
    const names = await filesOf(store);
    expect(names.filter((name) => !/^(?:kimi-\d+-\d+|latest)\.json$/.test(name))).toEqual([]);
    for (const name of names) expect(await json(store, name)).toMatchObject({ status: 'done' });
    expect(await store.latest()).toMatchObject({ task_id: NEW });
  });
});

describe('prepare', () => {
  it('creates the folder and leaves it empty', async () => {
    const store = new ResultStore(join(await temporaryFolder(), 'a/b/results'));
    await store.prepare();
    expect(await filesOf(store)).toEqual([]);
  });

  it('removes incomplete files, and nothing else', async () => {
    const store = await openStore();
    const leftovers = ['kimi-1-1.json.12345', 'pending-kimi-1-1.json.67890', 'latest.json.1'];
    const others = [
      'kimi-1-1.json',
      'latest.json',
      'pending-kimi-2-2.json',
      'notes.json.12345',
      'kimi-1-1.json.bak',
      '.keep',
    ];
    for (const name of [...leftovers, ...others]) await writeFile(join(store.folder, name), '{"task_id":');
    await store.prepare();
    expect((await filesOf(store)).toSorted()).toEqual(others.toSorted());
  });

  it.each(['a-file', 'a-file/results', '\0'])('refuses a path that cannot be a folder: %j', async (path) => {
    const parent = await temporaryFolder();
    await writeFile(join(parent, 'a-file'), 'mine');
    await expect(new ResultStore(`${parent}/${path}`).prepare()).rejects.toThrow(/EEXIST|ENOTDIR|null bytes/);
    expect(await readFile(join(parent, 'a-file'), 'utf8')).toBe('mine');
  });

  it('refuses a folder that is not writable, without delay', async () => {
    const start = performance.now();
    // On every system no user, root included, can create a file here.
    const unwritable = process.platform === 'linux' ? '/proc/self' : '/dev/fd';
    await expect(new ResultStore(unwritable).prepare()).rejects.toThrow(/^E[A-Z]+/);
    expect(performance.now() - start).toBeLessThan(5_000);
  });
});

it.each([
  [
    'a path',
    ['../latest', '/etc/passwd', '../kimi-1-1', 'kimi-1-1/../../x', 'kimi-1-1/..', './kimi-1-1', 'kimi-1-1\\..'],
  ],
  ['a name of another file', ['', '.', '..', 'latest', 'pending-kimi-1-1', 'kimi-1-1.json', '.lock']],
  ['more than an id', ['kimi-1-1\n', '\nkimi-1-1', 'kimi-1-1\0', ' kimi-1-1', 'kimi-1-1%2F..', 'kimi-1-1-1']],
  ['less than an id', ['kimi-1-', 'kimi--1', 'kimi-1', 'kimi-a-b', 'KIMI-1-1', 'kimi-１-１']],
  ['too long', [`kimi-${'1'.repeat(13)}-1`, `kimi-1-${'1'.repeat(10)}`]],
])('a task id that is %s touches no file', async (_what, ids) => {
  const store = await openStore();
  for (const id of ids) {
    await expect(store.recordPending(pending(id))).rejects.toThrow('is not a task id');
    await expect(store.persist(done(id))).rejects.toThrow('is not a task id');
    await expect(store.acknowledge(id)).rejects.toThrow('is not a task id');
    await expect(store.read(id)).rejects.toThrow('is not a task id');
    expect(() => store.resultPath(id)).toThrow('is not a task id');
  }
  expect(await readdir(dirname(store.folder))).toEqual(['results']);
  expect(await filesOf(store)).toEqual([]);
});

async function openStore(): Promise<ResultStore> {
  const store = new ResultStore(join(await temporaryFolder(), 'results'));
  await mkdir(store.folder);
  return store;
}

async function json(store: ResultStore, name: string): Promise<unknown> {
  return JSON.parse(await readFile(join(store.folder, name), 'utf8'));
}

async function write(store: ResultStore, name: string, result: ResultFile): Promise<void> {
  await writeFile(join(store.folder, name), JSON.stringify(result));
}

/** Every file with its content, time and inode: each write changes one of them. */
async function snapshot(store: ResultStore): Promise<Record<string, unknown>> {
  const files = (await filesOf(store)).map(async (name) => {
    const { mtimeNs, ino } = await stat(join(store.folder, name), { bigint: true });
    return [name, { mtimeNs, ino, bytes: await readFile(join(store.folder, name), 'utf8') }] as const;
  });
  return Object.fromEntries(await Promise.all(files));
}

/** @returns the names of the files that were created, written or removed */
async function ids(store: ResultStore): Promise<string[]> {
  return (await store.unacknowledged()).map(({ task_id }) => task_id);
}

/** Names in the results folder, without the inbox. */
async function filesOf(store: ResultStore): Promise<string[]> {
  return (await readdir(store.folder)).filter((name) => name !== '.unacknowledged' && name !== '.retries');
}

async function touched(store: ResultStore, work: () => Promise<unknown>): Promise<string[]> {
  const before = await snapshot(store);
  await work();
  const after = await snapshot(store);
  const names = Object.keys({ ...before, ...after });
  return names.filter((name) => !isDeepStrictEqual(before[name], after[name])).toSorted();
}

describe('the inbox', () => {
  it('holds every result that is not acknowledged, oldest first', async () => {
    const store = await openStore();
    expect(await store.unacknowledged()).toEqual([]);
    await store.persist(done(NEW));
    await store.persist(done(OLD, { status: 'failed' }));
    await store.acknowledge(NEW);
    expect(await ids(store)).toEqual([OLD]);
    await store.persist(done(OTHER));
    expect(await ids(store)).toEqual([OLD, OTHER]);
  });

  it('holds a task again after its late answer', async () => {
    const store = await openStore();
    await store.persist(done(OLD, { status: 'timed_out' }));
    await store.acknowledge(OLD);
    await store.persist(done(OLD, { late: true }));
    expect(await ids(store)).toEqual([OLD]);
  });

  it('does not hold what a cancelled answer had cost, which is saved once and is no late answer', async () => {
    const store = await openStore();
    const {
      output: _,
      tokens = { prompt: 1, completion: 1, total: 2 },
      ...cancelled
    } = done(OLD, { status: 'cancelled' });
    await store.persist(cancelled);
    await store.acknowledge(OLD);
    const { saved, isNew } = await store.persist({ ...cancelled, tokens });
    expect({ isNew, saved }).toMatchObject({ isNew: true, saved: { tokens, acknowledged: true } });
    expect(saved).not.toHaveProperty('late');
    expect(await store.persist({ ...cancelled, tokens })).toEqual({ saved, isNew: false });
    expect(await ids(store)).toEqual([]);
  });

  it('does not hold one with a late answer after its cancellation was acknowledged', async () => {
    const store = await openStore();
    await store.persist(done(OLD, { status: 'cancelled' }));
    await store.acknowledge(OLD);
    await store.persist(done(OLD, { status: 'cancelled', late: true }));
    expect(await store.read(OLD)).toMatchObject({ late: true, output: '答案', acknowledged: true });
    expect(await ids(store)).toEqual([]);
  });

  it('is not filled again if the gateway responds after the acknowledgement', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    store.noteWoken(OLD, OLD);
    expect(store.wasWoken(OLD, OLD)).toBe(true);
    await store.acknowledge(OLD);
    store.noteWoken(OLD, OLD);
    expect(await readdir(join(store.folder, '.unacknowledged'))).toEqual([]);
    expect(store.wasWoken(OLD, OLD)).toBe(false);
  });

  it('ignores leftovers of a killed process, and foreign files', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    const inbox = join(store.folder, '.unacknowledged');
    await writeFile(join(inbox, NEW), '');
    await writeFile(join(inbox, 'latest.json'), '');
    await writeFile(join(inbox, OTHER), '');
    await writeFile(store.resultPath(OTHER), '{');
    expect(await ids(store)).toEqual([OLD]);
  });

  it('a folder in place of a result is reported in one sentence', async () => {
    const store = await openStore();
    await standInTheWay(store.resultPath(OLD));
    await expect(store.read(OLD)).rejects.toThrow(`${OLD}.json is damaged: it holds no result`);
  });

  it('is created from the results of a version without an inbox', async () => {
    const store = await openStore();
    for (const id of [OLD, NEW, OTHER]) await store.persist(done(id));
    await store.acknowledge(NEW);
    const counts = { rows: 1, done: 0, failed: 1, timed_out: 0, cancelled: 0 };
    const map = { ...counts, tokens: { prompt: 0, completion: 0, total: 0 }, cost: [], failures: [] };
    await store.persist({ ...done(ANOTHER), wake: false, map: { ...map, only: [1], of: 1, retries: OLD } });
    for (const name of ['.unacknowledged', '.retries']) await rm(join(store.folder, name), { recursive: true });
    // And of a process that was killed while it created it.
    await mkdir(join(store.folder, '.unacknowledged.new'));
    await store.prepare();
    expect((await ids(store)).toSorted()).toEqual([OLD, OTHER].toSorted());
    expect((await store.savedRetries()).map(({ task_id }) => task_id)).toEqual([ANOTHER]);
    expect(await readdir(store.folder)).not.toContain('.unacknowledged.new');
  });
});

describe('prune', () => {
  const DAY_MS = 86_400_000;

  async function grow(store: ResultStore, id: string, days: number): Promise<void> {
    const then = new Date(Date.now() - days * DAY_MS);
    await utimes(store.resultPath(id), then, then);
  }

  it('removes old acknowledged results, and nothing else', async () => {
    const store = await openStore();
    for (const id of [OLD, NEW, OTHER]) await store.persist(done(id));
    for (const id of [OLD, NEW]) await store.acknowledge(id);
    await grow(store, OLD, 91);
    await grow(store, NEW, 89);
    await grow(store, OTHER, 91);
    await store.recordPending(pending('kimi-1-1'));
    expect(await store.prune(90 * DAY_MS)).toBe(1);
    expect(await filesOf(store)).toEqual(expect.arrayContaining([`${NEW}.json`, `${OTHER}.json`, 'latest.json']));
    expect(await store.read(OLD)).toBeUndefined();
    expect(await filesOf(store)).toContain('pending-kimi-1-1.json');
  });

  it('makes the newest result that is left the latest one', async () => {
    const store = await openStore();
    for (const id of [OLD, OTHER, NEW]) await store.persist(done(id));
    for (const id of [OTHER, NEW]) await store.acknowledge(id);
    await grow(store, OTHER, 91);
    await grow(store, NEW, 91);
    expect(await store.prune(90 * DAY_MS)).toBe(2);
    expect(await store.latest()).toEqual(await store.read(OLD));
  });

  it('removes the rows of a map with it, and not before', async () => {
    const store = await openStore();
    const rows = [1, 2].map((number) => rowTaskId(OLD, number));
    const counts = { rows: 2, done: 2, failed: 0, timed_out: 0, cancelled: 0 };
    const tokens = { prompt: 0, completion: 0, total: 0 };
    await store.persist({ ...done(OLD), map: { ...counts, tokens, cost: [], failures: [] } });
    for (const [index, id] of rows.entries()) {
      await store.persist({ ...done(id), row: { map: OLD, number: index + 1 } });
      await grow(store, id, 91);
    }
    expect((await store.latest())?.task_id).toBe(OLD);
    expect((await store.unacknowledged()).map(({ task_id }) => task_id)).toEqual([OLD]);
    expect(await store.prune(90 * DAY_MS)).toBe(0);
    await store.acknowledge(OLD);
    await grow(store, OLD, 91);
    expect(await store.prune(90 * DAY_MS)).toBe(3);
    for (const id of [OLD, ...rows]) expect(await store.read(id)).toBeUndefined();
  });

  it('keeps a map whose failed rows a kept or an open map asked again', async () => {
    const store = await openStore();
    const counts = { rows: 1, done: 0, failed: 1, timed_out: 0, cancelled: 0 };
    const map = { ...counts, tokens: { prompt: 0, completion: 0, total: 0 }, cost: [], failures: [] };
    await store.persist({ ...done(OLD), map });
    await store.persist({ ...done(NEW), map: { ...map, only: [1], of: 1, retries: OLD } });
    await store.recordPending({ ...pending(OTHER), map_rows: 1, retries: NEW });
    for (const id of [OLD, NEW]) await store.acknowledge(id);
    await grow(store, OLD, 91);
    await store.persist(done(ANOTHER));
    const reads = vi.spyOn(store, 'readIfSound');
    expect(await store.prune(90 * DAY_MS)).toBe(0);
    // The results that are young are not read for that.
    expect(reads.mock.calls.flat().toSorted()).toEqual([NEW, OLD].toSorted());
    await grow(store, NEW, 91);
    expect(await store.prune(90 * DAY_MS)).toBe(0);
    await store.remove(OTHER);
    expect(await store.prune(90 * DAY_MS)).toBe(2);
    expect(await readdir(join(store.folder, '.retries'))).toEqual([]);
  });

  it('keeps damaged files', async () => {
    const store = await openStore();
    await store.persist(done(OLD));
    await writeFile(store.resultPath(OLD), '{');
    await grow(store, OLD, 91);
    expect(await store.prune(90 * DAY_MS)).toBe(0);
    expect(await filesOf(store)).toContain(`${OLD}.json`);
  });
});

it('a damaged file is reported, and can be written again', async () => {
  const store = await openStore();
  await store.persist(done(OLD));
  const mistyped = JSON.stringify({ ...(await store.read(OLD)), output: 5 });
  for (const spoilt of ['{', '{"task_id":5}', 'null', mistyped]) {
    await writeFile(store.latestPath, spoilt);
    await writeFile(store.resultPath(OLD), spoilt);
    await expect(store.latest()).rejects.toThrow('latest.json is damaged');
    await store.persist(done(OLD));
    expect(await store.latest()).toEqual(await store.read(OLD));
  }
});

it('a stale lock from before the clock was set back blocks no writer', async () => {
  const store = await openStore();
  await store.prepare();
  const lockFolder = join(store.folder, '.lock');
  await mkdir(lockFolder);
  const ahead = Date.now() / 1_000 + 3_600;
  await utimes(lockFolder, ahead, ahead);
  await store.persist(done(OLD));
  expect(await store.latest()).toMatchObject({ task_id: OLD });
});

it('only the user can read results; an existing folder keeps its mode', async () => {
  const store = new ResultStore(join(await temporaryFolder(), 'results'));
  await store.persist(done(OLD));
  await store.recordPending(pending(NEW));
  expect((await stat(store.folder)).mode & 0o777).toBe(0o700);
  for (const name of await filesOf(store)) {
    expect((await stat(join(store.folder, name))).mode & 0o777, name).toBe(0o600);
  }
  await chmod(store.folder, 0o750);
  await chmod(store.latestPath, 0o644);
  await store.acknowledge(OLD);
  expect((await stat(store.folder)).mode & 0o777).toBe(0o750);
  expect((await stat(store.latestPath)).mode & 0o777).toBe(0o600);
});

it('a copy of another task’s file is not accepted as a result', async () => {
  const store = await openStore();
  await store.persist(done(OLD));
  await writeFile(store.resultPath(NEW), await readFile(store.resultPath(OLD)));
  await expect(store.read(NEW)).rejects.toThrow(`${NEW}.json is damaged: it holds no result`);
});

const persisterScript = shared(async () => await bundle('test/support/persister.ts'));

/** Starts a process that saves results once its input ends. */
async function persister(store: ResultStore, first: number, count: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, [persisterScript(), store.folder, String(first), String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

it('without the latest result, the next newest is the latest; without any, there is none', async () => {
  const store = new ResultStore(await temporaryFolder());
  const ids = ['kimi-1-1', 'kimi-1-3', 'kimi-1-2'];
  for (const [index, task_id] of ids.entries()) {
    const saved = { task_id, task_name: 'x', status: 'done', model: 'm', output: task_id } as const;
    const times = { created_at: '2026-02-17T15:30:00Z', completed_at: `2026-02-17T15:3${index}:00Z` };
    await store.persist({ ...saved, created_at: times.created_at });
    await writeFile(store.resultPath(task_id), JSON.stringify({ ...saved, ...times }));
  }
  await store.remove('kimi-1-2');
  expect(await store.latest()).toMatchObject({ task_id: 'kimi-1-3' });
  await store.remove('kimi-1-3');
  await store.remove('kimi-1-1');
  expect(await store.latest()).toBeUndefined();
});

it('lists a map that is under way without the engine, with its rows that have ended, and follow-ups', async () => {
  const store = new ResultStore(await temporaryFolder());
  const [map, task] = ['kimi-1-1', 'kimi-2-2'] as const;
  const saved = { task_name: 'x', model: 'm', created_at: '2026-02-17T15:30:00Z' } as const;
  await store.recordPending(pendingOf({ ...saved, task_id: map, map_rows: 3 }, '2026-02-17T15:31:00Z'));
  await store.recordPending(
    pendingOf({ ...saved, task_id: rowTaskId(map, 3), row: { map, number: 3 } }, saved.created_at),
  );
  for (const [number, status] of [
    [1, 'done'],
    [2, 'failed'],
  ] as const) {
    await store.persist({ ...saved, task_id: rowTaskId(map, number), status, row: { map, number } });
  }
  await store.persist({ ...saved, task_id: task, status: 'done', output: 'y', continues: 'kimi-1-9' });
  expect(savedTasks(store, {}, 10)).toMatchObject([
    { task_id: map, state: 'dispatched', map: { rows: 3, done: 1, failed: 1, timed_out: 0, cancelled: 0 } },
    { task_id: task, state: 'done', continues: 'kimi-1-9' },
  ]);
});

it('a removed task is remembered for a day', async () => {
  const { folder, removed } = new ResultStore(await temporaryFolder());
  expect(await removed.ids()).toEqual(new Set());
  await removed.note(OLD);
  await removed.note(OTHER);
  expect(await removed.ids()).toEqual(new Set([OLD, OTHER]));
  const yesterday = Date.now() / 1000 - 25 * 3_600;
  await utimes(join(folder, '.removed', OLD), yesterday, yesterday);
  await removed.note(NEW);
  expect(await removed.ids()).toEqual(new Set([NEW, OTHER]));
});

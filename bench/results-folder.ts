/**
 * `npm run bench:results [-- --results 100000 --rounds 200]`: the cost of a results folder with many tasks, beside an
 * empty one in the same run. Milliseconds.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { ResultFile, TaskResult } from '../src/shared/result.ts';
import { ResultStore } from '../src/results/store.ts';
import { addUp } from '../src/results/usage.ts';
import { summarise, table, type Figure } from './stats.ts';

/** Unacknowledged results. */
const UNACKNOWLEDGED = 20;

/** About 1300 tokens, as in the example of docs/http-api.md. */
const OUTPUT = '費波那契 def fibonacci(n): …\n'.repeat(150);

const { values } = parseArgs({ options: { results: { type: 'string' }, rounds: { type: 'string' } } });
const results = Number(values.results ?? 100_000);
const rounds = Number(values.rounds ?? 200);
const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-'));

function resultOf(n: number): TaskResult {
  return {
    task_id: `kimi-1707654321-${n}`,
    task_name: 'bench',
    status: 'done',
    model: 'moonshot-v1-128k',
    output: OUTPUT,
    tokens: { prompt: 200, completion: 1300, total: 1500 },
    created_at: '2026-02-17T15:30:00Z',
  };
}

/** Writes acknowledged results without the locks and syncs of the store. */
async function fill(store: ResultStore): Promise<void> {
  await store.prepare();
  const acknowledged = {
    completed_at: '2026-02-17T15:30:30Z',
    acknowledged: true,
    acknowledged_at: '2026-02-17T15:30:31Z',
  };
  for (let n = 0; n < results; n += 100) {
    const some = Array.from({ length: Math.min(100, results - n) }, (_, index) => resultOf(1_000_000 + n + index));
    await Promise.all(
      some.map(async (result) => {
        const file = { ...result, ...acknowledged } satisfies Omit<ResultFile, 'acknowledged'> & {
          acknowledged: boolean;
        };
        await writeFile(store.resultPath(result.task_id), `${JSON.stringify(file, null, 2)}\n`);
      }),
    );
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

async function measure(store: ResultStore) {
  await store.prepare();
  for (let n = 0; n < UNACKNOWLEDGED; n += 1) await store.persist(resultOf(n));
  const samples = {
    persist: [] as number[],
    acknowledge: [] as number[],
    inbox: [] as number[],
    latest: [] as number[],
  };
  for (let n = UNACKNOWLEDGED; n < UNACKNOWLEDGED + rounds; n += 1) {
    const { task_id } = resultOf(n);
    samples.persist.push(await timed(async () => await store.persist(resultOf(n))));
    samples.inbox.push(await timed(async () => await store.unacknowledged()));
    samples.acknowledge.push(await timed(async () => await store.acknowledge(task_id)));
    samples.latest.push(await timed(async () => await store.latest()));
  }
  return { ...samples, prepare: [await timed(async () => await store.prepare())] };
}

try {
  const empty = await measure(new ResultStore(join(folder, 'empty')));
  const full = new ResultStore(join(folder, 'full'));
  await fill(full);
  const filled = await measure(full);
  const figures = (Object.keys(filled) as (keyof typeof filled)[]).map((name): Figure => {
    return { name: `${name}, ${results} results`, unit: 'ms', samples: filled[name], floor: empty[name] };
  });
  const used = await timed(async () => addUp(full.savedSince(0), 'day'));
  figures.push({ name: 'usage: all results', unit: 'ms', samples: [used] });
  const young = await timed(async () => await full.prune(86_400_000));
  const old = await timed(async () => await full.prune(-1));
  figures.push({ name: 'prune: none is old', unit: 'ms', samples: [young] });
  figures.push({ name: 'prune: all are old', unit: 'ms', samples: [old] });
  console.log(table(figures.map(summarise)));
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Saves fifty results: `node --import tsx persist-many.ts <folder> <first number>`. */
import { ResultStore } from '../../src/results.ts';

const [folder = '', first = ''] = process.argv.slice(2);
const store = new ResultStore(folder);
for (let n = Number(first); n < Number(first) + 50; n += 1) {
  await store.persist({
    task_id: `kimi-1-${n}`,
    task_name: `task ${n}`,
    status: 'done',
    model: 'm',
    output: 'x'.repeat(10_000),
    created_at: '2026-02-17T15:30:00Z',
  });
}

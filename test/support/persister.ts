/** A process that saves results once its standard input ends: `persister.ts FOLDER FIRST_SECOND COUNT`. */
import { text } from 'node:stream/consumers';
import { ResultStore } from '../../src/results/store.ts';

const [folder = '', first, count] = process.argv.slice(2);
const store = new ResultStore(folder);
console.log('ready');
await text(process.stdin);
for (let n = 0; n < Number(count); n += 1) {
  await store.persist({
    task_id: `kimi-${Number(first) + n}-1`,
    task_name: 'calculator',
    status: 'done',
    model: 'moonshot-v1-128k',
    output: '答案'.repeat(10_000),
    created_at: '2026-02-17T15:30:00Z',
  });
}

/** Each invariant of searches, maps, batches, budgets and schedules detects a violation. */
import { expect, it } from 'vitest';
import type { Completion } from '../../src/simulator/events.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Observed } from './check.ts';
import { BATCHED, MAP, SCHEDULED, SEARCHED, addJob, jobIn, violatedBy } from './observed.ts';

it.each<[string, string, (observed: Observed) => void]>([
  [
    'each tool was called once a round, and its use is in the result',
    'a search was repeated',
    (o) => void o.fibers.push(o.fibers[0]!),
  ],
  [
    'each tool was called once a round, and its use is in the result',
    'a result was not paid for',
    (o) => void (o.fibers[0]!.billed = false),
  ],
  [
    'each tool was called once a round, and its use is in the result',
    'none is shown',
    (o) => void delete jobIn(o, SEARCHED).tool_uses,
  ],
  [
    'each batch was made once, and its input is gone at Kimi',
    'one was made twice',
    (o) => void o.batches.push({ ...o.batches[0]!, id: 'c' }),
  ],
  [
    'each batch was made once, and its input is gone at Kimi',
    'its input is left',
    (o) => void o.uploads.push({ id: 'f', filename: `batch-${BATCHED}.jsonl`, bytes: 1, read: 0 }),
  ],
  ['each row of a map has its answer, and was paid for once', 'a row is lost', (o) => void o.rows.pop()],
  [
    'each row of a map has its answer, and was paid for once',
    'a row was paid for twice',
    (o) => void o.completions.push({ mark: 'the-row', messages: [] as object[] } as Completion),
  ],
  [
    'each row of a map has its answer, and was paid for once',
    'a row has another answer',
    (o) => void (o.rows[0]!.output = answerTo('another row')),
  ],
  [
    'each row of a map has its answer, and was paid for once',
    'an answer is not counted',
    (o) => void (jobIn(o, MAP).map!.done = 0),
  ],
  [
    'a map is notified once, its rows are not',
    'a row was',
    (o) => void o.wakes.push({ at: 7_000, key: o.rows[0]!.task_id, text: 'row', shown: true }),
  ],
  [
    'a map is notified once, its rows are not',
    'a row asked',
    (o) => void o.wakes.push({ at: 7_000, key: `${o.rows[0]!.task_id}-budget`, text: 'row', shown: true }),
  ],
  [
    'a map is notified once, its rows are not',
    'a map was twice',
    (o) => void o.wakes.push({ at: 7_000, key: `${MAP}-late`, text: 'map', shown: true }),
  ],
  [
    'each due time of a schedule started one task, which was paid for once',
    'the first due time is lost',
    (o) => void (jobIn(o, SCHEDULED).schedule!.due_at = '2026-02-17T15:31:00Z'),
  ],
  [
    'each due time of a schedule started one task, which was paid for once',
    'a due time started two',
    (o) => addJob(o, 'kimi-1-2', jobIn(o, SCHEDULED), {}),
  ],
  [
    'each due time of a schedule started one task, which was paid for once',
    'it was paid for twice',
    (o) => void o.completions.push({ mark: 'daily', messages: [] as object[] } as Completion),
  ],
  [
    'nothing is reserved of the budget, and what is spent is what tasks cost',
    'a cost is not counted',
    (o) => void (o.budget!.spent = 3),
  ],
  [
    'nothing is reserved of the budget, and what is spent is what tasks cost',
    'a reservation is left',
    (o) => void (o.budget!.reserved = 0.5),
  ],
])('detects a violation of "%s": %s', (name, _how, change) => {
  expect(violatedBy(change)).toContain(name);
});

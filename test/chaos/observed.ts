/** Observations of a good run, for the tests of the check. */
import type { ResultFile } from '../../src/shared/result.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Completion, Upload } from '../../src/simulator/events.ts';
import { check, type Observed, type Start } from './check.ts';
import type { KimiEvent } from './stage.ts';

export const ID = 'kimi-1707654321-11111';
export const OTHER = 'kimi-1707654321-22222';

export function resultOf(task_id: string, changes: Partial<ResultFile> = {}): ResultFile {
  return {
    task_id,
    task_name: `name-${task_id}`,
    status: 'done',
    model: 'moonshot-v1-128k',
    output: `answer to ${task_id}`,
    created_at: '2026-02-17T15:30:00Z',
    completed_at: '2026-02-17T15:30:30Z',
    acknowledged: true,
    ...changes,
  };
}

/** A request that was accepted, and its callback a second later. */
const events = (task_id: string, from: number): KimiEvent[] => [
  { task_id, at: from, what: 'arrived' },
  {
    task_id,
    at: from,
    what: 'taken',
    repeated: false,
    inPlace: false,
    answer: { content: `answer to ${task_id}` },
  },
  { task_id, at: from + 1_000, what: 'called back', status: 200 },
  { task_id, at: from + 1_000, what: 'finished' },
];

/** Two successful tasks, one after the other. */
export function healthy(): Observed {
  const tasks = [ID, OTHER].map((task_id) => ({
    task: { task_id, task_name: `name-${task_id}`, timeout_ms: 3_000, grace_ms: 86_400_000 },
    status: 'COMPLETED',
    pending: [],
  }));
  return {
    limits: { per_minute: 2, concurrent: 1, queued: 0 },
    starts: tasks.map(({ task: { task_id, task_name } }) => {
      return {
        task_name,
        kind: 'plain',
        prompt: `ask ${task_id}`,
        documents: [],
        said: 'accepted',
        task_id,
        took_ms: 100,
      };
    }),
    commands: [],
    events: [...events(ID, 1_000), ...events(OTHER, 3_000)],
    completions: [],
    uploads: [],
    receiving: [],
    fibers: [],
    batches: [],
    budget: undefined,
    wakes: [ID, OTHER].map((key, index) => ({ at: 5_000 + index, key, text: `done: ${key}`, shown: true })),
    shown: [],
    tasks,
    files: [ID, OTHER].map((task_id) => ({ task_id, isPending: false, result: resultOf(task_id) })),
    rows: [],
    latest: [resultOf(ID), resultOf(OTHER)],
    inbox: [],
    deadLetters: [],
  };
}

/** @returns the names of the invariants that are violated. */
export function violatedBy(change: (observed: Observed) => void): string[] {
  const observed = healthy();
  relayed(observed);
  jobs(observed);
  change(observed);
  return check(observed).flatMap(({ name, violations }) => (violations.length > 0 ? [name] : []));
}

/** The first task timed out, its answer is a dead letter, and its callbacks were answered with these statuses. */
export const waited = (grace_ms: number, statuses: number[]) => (o: Observed) => {
  o.events = [
    ...o.events.filter(({ what, task_id }) => what !== 'called back' || task_id !== ID),
    ...statuses.map((status): KimiEvent => ({ task_id: ID, at: 2_000, what: 'called back', status })),
  ];
  o.files[0]!.result = { ...resultOf(ID, { status: 'timed_out' }), output: undefined as never };
  o.tasks[0]!.task.grace_ms = grace_ms;
  o.deadLetters = [ID];
};

function uploadOf(task_id: string): Upload {
  return { id: task_id, filename: `${task_id}.0.1.pdf`, bytes: 1, read: 1, deleted: true };
}

/** The second task has a document, and the first one continues its conversation; both are at Moonshot's API. */
export function relayed(o: Observed): void {
  const [first, second] = o.starts as [Start, Start];
  second.documents = ['the document'];
  first.continues = OTHER;
  o.uploads = [uploadOf(ID), uploadOf(OTHER)];
  const system = { role: 'system', content: '{"content":"the document"}' };
  const asked = { role: 'user', content: second.prompt };
  const answered = { role: 'assistant', content: `answer to ${OTHER}` };
  o.completions = [
    [system, asked, answered, { role: 'user', content: first.prompt }],
    [system, asked],
  ].map((messages, n) => ({ mark: o.starts[n]!.task_name, messages }) as Completion);
}

export const SEARCHED = 'kimi-1707654321-33333';
export const BATCHED = 'kimi-1707654321-44444';
export const MAP = 'kimi-1707654321-55555';
export const SCHEDULED = 'kimi-1707654321-66666';

/** Adds a task with its start, result and notification. */
export function addJob(o: Observed, task_id: string, changes: Partial<ResultFile>, more: Partial<Start>): void {
  const { task_name } = resultOf(task_id, changes);
  o.tasks.push({
    task: { task_id, task_name, timeout_ms: 3_000, grace_ms: 86_400_000 },
    status: 'COMPLETED',
    pending: [],
  });
  o.starts.push({
    task_name,
    kind: 'plain',
    prompt: '',
    documents: [],
    said: 'accepted',
    task_id,
    took_ms: 1,
    ...more,
  });
  o.files.push({ task_id, isPending: false, result: resultOf(task_id, changes) });
  o.wakes.push({ at: 6_000, key: task_id, text: `done: ${task_id}`, shown: true });
}

const taken = (task_id: string): KimiEvent => {
  return { task_id, at: 0, what: 'taken', repeated: false, inPlace: true, answer: { content: `answer to ${task_id}` } };
};

/** A search, a batch, a map of one row that was allowed and a schedule that was due once, each of which costs 1 of a budget. */
export function jobs(o: Observed): void {
  const cost = { amount: 1, currency: 'CNY', price_date: '2026-09-01' } as const;
  const uses = [{ tool: 'search' as const, input: '' }];
  const output = `answer to ${SEARCHED}\n\n---\nTools`;
  addJob(o, SEARCHED, { output, tool_uses: uses, cost }, { request: { tools: ['search'] } });
  o.fibers = [{ name: 'web_search', arguments: `mark=name-${SEARCHED} calls=1`, billed: true }];
  addJob(o, BATCHED, { cost }, { request: { batch: true } });
  o.batches = [{ id: 'b', metadata: { task_id: BATCHED }, status: 'completed' }];
  o.events.push(taken(SEARCHED), taken(SEARCHED), taken(BATCHED));
  const counts = { rows: 1, done: 1, failed: 0, timed_out: 0, cancelled: 0 };
  const map = { ...counts, tokens: { prompt: 1, completion: 1, total: 2 }, cost: [], failures: [] };
  addJob(o, MAP, { output: undefined, map }, { prompt: '{{text}}', rows: ['the-row'] });
  o.wakes.push({ at: 5_000, key: `${MAP}-budget`, text: 'it exceeds a budget', shown: true });
  o.rows = [resultOf('kimi-1-100000001', { output: answerTo('the-row'), row: { map: MAP, number: 1 }, cost })];
  const schedule = { name: 'daily', due_at: '2026-02-17T15:30:00Z', timezone: 'UTC' };
  addJob(o, SCHEDULED, { output: answerTo('what'), schedule, cost }, {});
  o.starts.splice(-1, 1, {
    ...(o.starts.at(-1) as Start),
    task_name: 'daily',
    prompt: 'what',
    task_id: undefined,
    due_by: schedule.due_at,
  });
  const searched = `name-${SEARCHED}`;
  for (const [mark, content] of [
    ['the-row', ''],
    ['daily', 'what'],
    [searched, ''],
  ])
    o.completions.push({ mark, messages: [{ role: 'user', content }] } as Completion);
  o.budget = { per_day: 10, timezone: 'UTC', day: '2026-02-17', spent: 4, reserved: 0, paused: [] };
}

export const jobIn = (o: Observed, task_id: string): ResultFile => {
  return o.files.find((file) => file.task_id === task_id)!.result!;
};

/** The pure parts of the chaos run: a plan is determined by its seed, and each invariant detects a violation. */
import { describe, expect, it } from 'vitest';
import { check, type Observed } from './check.ts';
import { ID, OTHER, healthy, jobs, relayed, resultOf, violatedBy, waited } from './observed.ts';
import { planFor } from './plan.ts';
import type { KimiEvent } from './stage.ts';

describe('a plan', () => {
  it('is the same for the same seed and number of tasks, and another for another', () => {
    expect(planFor(7, 60, 'up')).toEqual(planFor(7, 60, 'up'));
    expect(planFor(7, 60, 'up')).not.toEqual(planFor(8, 60, 'up'));
  });

  it.each(['up', 'cluster'] as const)('has every kind of task and every fault of %s in a run of a hundred', (shape) => {
    const { tasks, faults, limits } = planFor(1, 100, shape);
    expect(tasks).toHaveLength(100);
    expect(new Set(tasks.map(({ name }) => name)).size).toBe(100);
    expect(new Set(tasks.map(({ kind }) => kind)).size).toBeGreaterThanOrEqual(19);
    expect(new Set(faults.map(({ target }) => target)).size).toBe(7);
    expect(new Set(faults.map(({ how }) => how)).size).toBe(8);
    expect(limits.per_minute).toBeLessThan(100);
  });

  it('has every kind of task at Moonshot’s API in a run of forty, some of them continued', () => {
    const { tasks } = planFor(1, 40, 'relay');
    expect(new Set(tasks.map(({ kind }) => kind)).size).toBe(15);
    expect(tasks.filter(({ next }) => next).length).toBeGreaterThan(5);
    const uploads = tasks.flatMap(({ files = [] }) => files.map(({ upload = '' }) => upload.split('=')[0]));
    expect(new Set(uploads)).toEqual(new Set(['hold', 'delay', 'break', 'status', 'text']));
  });

  it.each(['up', 'cluster', 'relay'] as const)(
    'never injects a fault into a target of %s that is still broken',
    (shape) => {
      for (let seed = 0; seed < 50; seed += 1) {
        const until = new Map<string, number>();
        for (const { target, at, for_ms } of planFor(seed, 60, shape).faults) {
          expect(at).toBeGreaterThan(until.get(target) ?? -1);
          until.set(target, at + for_ms);
        }
      }
    },
  );
});

describe('the check', () => {
  it('reports no violation after a good run, and the number of checked cases', () => {
    const observed = healthy();
    relayed(observed);
    jobs(observed);
    const verdicts = check(observed);
    expect(verdicts.flatMap(({ violations }) => violations)).toEqual([]);
    for (const { checked } of verdicts) expect(checked).toBeGreaterThan(0);
  });

  const callback: KimiEvent = { task_id: ID, at: 2_500, what: 'called back', status: 202 };
  it.each<[string, string, (observed: Observed) => void]>([
    ['each start that was confirmed gave one task', 'a task is gone', (o) => void o.tasks.shift()],
    [
      'each start that was confirmed gave one task',
      'a start gave two',
      (o) => void o.tasks.push({ ...o.tasks[0]!, task: { ...o.tasks[0]!.task, task_id: 'kimi-1-1' } }),
    ],
    ['each accepted callback is in the one result of its task', 'an answer is lost', (o) => void o.files.shift()],
    [
      'each accepted callback is in the one result of its task',
      'an answer that the journal took is not in the result',
      (o) => {
        o.events = [...o.events.filter(({ what, task_id }) => what !== 'called back' || task_id !== ID), callback];
        o.files[0]!.result = resultOf(ID, { status: 'timed_out', output: undefined as never });
      },
    ],
    [
      'each result matches what happened',
      'an answer is another task’s',
      (o) => void (o.files[0]!.result = resultOf(ID, { output: `answer to ${OTHER}` })),
    ],
    ['each result matches what happened', 'a file did not reach Kimi', (o) => void (o.starts[0]!.kind = 'with a file')],
    [
      'each task was paid for once at most, each answer once',
      'a request was accepted twice',
      (o) => void o.events.push({ ...o.events[1]!, at: 2_500 }),
    ],
    ['the agent was notified of each result', 'one was never notified', (o) => void o.wakes.pop()],
    [
      'no notification was shown twice',
      'one was shown twice',
      (o) => void o.wakes.push({ ...o.wakes[0]!, at: 9_000, key: `${ID}-other` }),
    ],
    ['no task is stuck', 'one runs on', (o) => void (o.tasks[0]!.status = 'RUNNING')],
    ['no task is stuck', 'one failed', (o) => void (o.tasks[0]!.status = 'FAILED')],
    [
      'no task is stuck',
      'the relay has no answer to one',
      (o) => {
        const waits = { step: 'awaiting_late_answer', state: 'timed_out', acknowledged: true, relay: true };
        Object.assign(o.tasks[0]!, { status: 'RUNNING', view: waits });
      },
    ],
    [
      'each result is acknowledged, and the inbox is empty',
      'one is not acknowledged',
      (o) => void delete o.files[0]!.result!.acknowledged,
    ],
    ['each result is acknowledged, and the inbox is empty', 'one is still in the inbox', (o) => void o.inbox.push(ID)],
    ['files are whole, and latest.json never went back', 'half a file', (o) => void delete o.files[1]!.result],
    [
      'files are whole, and latest.json never went back',
      'latest.json went back',
      (o) => void o.latest.unshift(resultOf(OTHER, { completed_at: '2026-02-17T15:30:31Z' })),
    ],
    [
      'files are whole, and latest.json never went back',
      'a pending file is left',
      (o) => void o.files.push({ task_id: ID, isPending: true }),
    ],
    [
      'no more requests in any 60 s than the limit',
      'one too many',
      (o) => void o.events.push({ task_id: OTHER, at: 60_900, what: 'arrived' }),
    ],
    [
      'no more concurrent tasks at Kimi than the limit',
      'two concurrent',
      (o) =>
        void (o.events = o.events.map((event) =>
          event.task_id === OTHER ? { ...event, at: event.at - 1_500 } : event,
        )),
    ],
    [
      'each document was used once, and nothing is left at Kimi',
      'an upload is left',
      (o) => void delete o.uploads[0]?.deleted,
    ],
    [
      'each document was used once, and nothing is left at Kimi',
      'two uploads were used',
      (o) => void o.uploads.push(o.uploads[1]!),
    ],
    [
      'each document was used once, and nothing is left at Kimi',
      'a follow-up was answered without the document',
      (o) => void o.uploads.shift(),
    ],
    [
      'each request had its question, documents and earlier turns',
      'another question was sent',
      (o) => void (o.completions[0]!.mark = o.starts[1]!.task_name),
    ],
    [
      'each request had its question, documents and earlier turns',
      'an earlier answer is missing',
      (o) => void o.completions[0]!.messages.splice(2, 1),
    ],
  ])('detects a violation of "%s": %s', (name, _how, change) => {
    expect(violatedBy(change)).toContain(name);
  });

  it('a callback that waited in the journal until the grace period was over may become a dead letter; no other may', () => {
    const lost = 'each accepted callback is in the one result of its task';
    expect(violatedBy(waited(1_000, [202]))).toEqual([]);
    expect(violatedBy(waited(86_400_000, [202]))).toContain(lost);
    expect(violatedBy(waited(1_000, [202, 200]))).toContain(lost);
  });

  it('a request that arrived a minute later is within the limit, and a direct answer releases the slot', () => {
    expect(violatedBy((o) => void o.events.push({ task_id: OTHER, at: 63_000, what: 'arrived' }))).toEqual([]);
    const inPlace = violatedBy((o) => {
      o.events = o.events
        .filter(({ what, task_id }) => what !== 'called back' || task_id !== ID)
        .map((event) => (event.what === 'taken' && event.task_id === ID ? { ...event, inPlace: true } : event));
    });
    expect(inPlace).toEqual([]);
  });
});

/** The rules of admission (docs/configuration.md), without a Temporal server. */
import { array, assert, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdmissionQueue } from '../../src/limiter/admission.ts';
import { emptyState } from '../../src/limiter/state.ts';
import type { Limits } from '../../src/shared/limits.ts';
import type { Priority } from '../../src/shared/task.ts';

const MINUTE = 60_000;

function open(limits: Partial<Limits> = {}) {
  const state = emptyState({ per_minute: 0, concurrent: 0, queued: 0, ...limits });
  const queue = new AdmissionQueue(state);
  const ask = (task_id: string, priority: Priority = 3, now = 0) => queue.request({ task_id, priority, round: 1 }, now);
  const granted = (now = 0) => queue.grant(now).map(({ task_id }) => task_id);
  return { queue, ask, granted };
}

describe('concurrency', () => {
  it('admits no more than the limit, and the next task when a slot is released', () => {
    const { queue, ask, granted } = open({ concurrent: 2 });
    for (const id of ['a', 'b', 'c', 'd']) ask(id);
    expect(granted()).toEqual(['a', 'b']);
    expect(granted()).toEqual([]);
    queue.release('a', true, 10);
    expect(granted(10)).toEqual(['c']);
  });

  it('0 is unlimited', () => {
    const { ask, granted } = open();
    for (let n = 0; n < 100; n += 1) ask(`t${n}`);
    expect(granted()).toHaveLength(100);
  });

  it('a lowered limit revokes no slot', () => {
    const { queue, ask, granted } = open({ concurrent: 3 });
    for (const id of ['a', 'b', 'c', 'd']) ask(id);
    expect(granted()).toEqual(['a', 'b', 'c']);
    queue.setLimits({ concurrent: 1 });
    queue.release('a', true, 1);
    queue.release('b', true, 1);
    expect(granted(1)).toEqual([]);
    queue.release('c', true, 1);
    expect(granted(1)).toEqual(['d']);
  });
});

describe('requests in any 60 s', () => {
  it('count until 60 s after they were sent, not after they were admitted', () => {
    const { queue, ask, granted } = open({ per_minute: 1 });
    ask('a');
    ask('b');
    expect(granted(0)).toEqual(['a']);
    // The worker was killed, and sends only now.
    queue.reportSent('a', 1, true, 50_000);
    expect(granted(MINUTE)).toEqual([]);
    expect(queue.nextChange(MINUTE)).toBe(50_000);
    expect(granted(50_000 + MINUTE)).toEqual(['b']);
  });

  it('that were never sent do not count', () => {
    const { queue, ask, granted } = open({ per_minute: 1 });
    ask('a');
    ask('b');
    expect(granted()).toEqual(['a']);
    queue.release('a', false, 1);
    expect(granted(1)).toEqual(['b']);
  });

  it('count if the task ended before its report of sending arrived', () => {
    const { queue, ask, granted } = open({ per_minute: 1 });
    ask('a');
    ask('b');
    granted();
    queue.release('a', true, 1);
    queue.reportSent('a', 1, true, 2);
    expect(granted(2)).toEqual([]);
    expect(granted(1 + MINUTE)).toEqual(['b']);
  });
});

describe('a long queue', () => {
  it('costs each task as little as a short one', () => {
    const { queue, ask, granted } = open({ concurrent: 1_000 });
    const priorities = [1, 2, 3, 4, 5] as const;
    // A search from the start for each would take an hour.
    for (let n = 0; n < 100_000; n += 1) {
      ask(`t${n}`, priorities[n % 5]);
      queue.positionOf(`t${n}`, 0);
    }
    expect(granted()).toHaveLength(1_000);
    for (let n = 0; n < 5_000; n += 5) queue.release(`t${n}`, true, 1);
    expect(granted(1)[0]).toBe('t5000');
    expect(queue.positionOf('t99999', 1)?.place).toBe(98_000);
  });

  it('is restored unchanged from its snapshot', () => {
    const { queue, ask, granted } = open({ concurrent: 1 });
    ask('a', 3);
    granted();
    ask('b', 4);
    ask('c', 2);
    // After a 429 it is queued again, before all others.
    queue.request({ task_id: 'a', priority: 3, round: 2 }, 1);
    const known = queue.snapshot();
    expect(known.queue.map(({ task_id }) => task_id)).toEqual(['a', 'c', 'b']);
    expect(new AdmissionQueue(known).snapshot()).toEqual(known);
    expect(queue.view(1).queue.map(({ task_id }) => task_id)).toEqual(['a', 'c', 'b']);
  });
});

describe('order', () => {
  it('is first come first served within a priority', () => {
    const { queue, ask, granted } = open({ concurrent: 1 });
    ask('first');
    granted();
    ask('c', 3);
    ask('e', 5);
    ask('a', 1);
    ask('d', 3);
    ask('b', 1);
    expect(queue.view(0).queue.map(({ task_id }) => task_id)).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(queue.positionOf('d', 0)).toMatchObject({ place: 4 });
  });

  it('a repeated request changes nothing', () => {
    const { queue, ask, granted } = open({ concurrent: 1 });
    ask('a');
    ask('b');
    ask('c');
    granted();
    expect(ask('b')).toBe(false);
    expect(ask('a')).toBe(false);
    expect(queue.view(0)).toMatchObject({ in_flight: ['a'], queue: [{ task_id: 'b' }, { task_id: 'c' }] });
    expect(queue.isGranted({ task_id: 'a', round: 1 })).toBe(true);
  });
});

function share(limits: Partial<Limits> = {}) {
  const { queue, granted } = open(limits);
  let count = 0;
  const ask = (agent: string, times = 1, priority: Priority = 3) => {
    const ids = Array.from({ length: times }, () => `${agent}${(count += 1)}`);
    for (const task_id of ids) queue.request({ task_id, agent, priority, round: 1 }, 0);
    return ids;
  };
  const order = () =>
    queue
      .view(0)
      .queue.map(({ agent }) => agent)
      .join('');
  /** Releases the slot that a task holds, and grants it to the next. */
  const next = () => {
    queue.release(queue.view(0).in_flight[0] as string, true, 0);
    return granted()[0]?.[0];
  };
  return { queue, ask, granted, order, next };
}

describe('agents that share a limiter', () => {
  it('take turns: one with 10,000 tasks does not hold up the others', () => {
    const { ask, granted, order, next, queue } = share({ concurrent: 1 });
    ask('a', 10_000);
    granted();
    const [b] = ask('b', 2);
    ask('c');
    expect(order().slice(0, 7)).toBe('abcabaa');
    expect(queue.positionOf(b as string, 0)?.place).toBe(2);
    expect(Array.from({ length: 7 }, next).join('')).toBe('abcabaa');
  });

  it('one that returns has the last turn of the round', () => {
    const { ask, granted, next } = share({ concurrent: 1 });
    ask('a', 5);
    ask('b', 5);
    granted();
    expect([next(), next()].join('')).toBe('ba');
    ask('c');
    expect([next(), next(), next()].join('')).toBe('bac');
    ask('c');
    expect([next(), next(), next()].join('')).toBe('bac');
  });

  it('an urgent task precedes all turns, and the tasks of one agent keep their order', () => {
    const { ask, granted, queue } = share();
    const [a1, a2] = ask('a', 2);
    const [b1] = ask('b');
    const [a3] = ask('a', 1, 1);
    expect(queue.view(0).queue.map(({ task_id }) => task_id)).toEqual([a3, a1, b1, a2]);
    expect(granted()).toEqual([a3, a1, b1, a2]);
  });

  it('a cancelled task does not cost its agent the turn', () => {
    const { ask, granted, order, queue } = share({ concurrent: 1 });
    ask('x');
    granted();
    const [a1] = ask('a', 2);
    ask('b', 2);
    queue.release(a1 as string, false, 0);
    expect(order()).toBe('abb');
  });

  it('each has the whole limit of the queue', () => {
    const { ask, granted, queue } = share({ concurrent: 1, queued: 2 });
    ask('x');
    granted();
    const many = ask('a', 4);
    const few = ask('b', 2);
    expect(queue.refuse([...many, ...few]).map(({ task_id }) => task_id)).toEqual(many.slice(2));
    expect(queue.view(0).queue.map(({ agent }) => agent)).toEqual(['a', 'b', 'a', 'b']);
  });

  it('are restored unchanged from a snapshot, each with its own tasks', () => {
    const { queue, ask, granted, next } = share({ concurrent: 1 });
    const shared = new AdmissionQueue({ ...queue.snapshot(), agents: [] });
    expect([shared.agents.recordSeen('a'), shared.agents.recordSeen('a'), queue.agents.recordSeen('a')]).toEqual([
      true,
      false,
      false,
    ]);
    ask('a', 3);
    ask('b', 2);
    ask('c', 4);
    granted();
    next();
    const known = { ...queue.snapshot(), agents: ['a', 'b', 'c'] };
    const again = new AdmissionQueue(known);
    expect(again.snapshot()).toEqual(known);
    expect(again.view(0)).toMatchObject({
      agents: [
        { agent: 'a', in_flight: 0, queued: 2 },
        { agent: 'b', in_flight: 1, queued: 1 },
        { agent: 'c', in_flight: 0, queued: 4 },
      ],
    });
    again.adopt(['somebody'], 0, 'c');
    expect(again.view(0).agents?.[2]).toMatchObject({ in_flight: 1 });
  });

  it('one without workers holds up no other, and continues when it is seen again', () => {
    const { queue: before, ask } = share({ concurrent: 2, per_minute: 3 });
    ask('a', 4);
    ask('b', 3);
    const queue = new AdmissionQueue({ ...before.snapshot(), agents: ['a', 'b'] });
    const granted = (now = 0) => queue.grant(now).map(({ agent }) => agent);
    expect(granted()).toEqual(['a', 'b']);
    queue.agentsMissing(['a'], 0);
    queue.agentsMissing([], 30_000);
    queue.agentsMissing(['a'], 30_000);
    queue.agentsMissing(['a'], 60_000);
    expect(granted()).toEqual([]);
    queue.agentsMissing(['a'], 90_000);
    expect(queue.blockers(0, 0)).toHaveLength(1);
    expect(granted()).toEqual(['b']);
    expect(queue.view(0)).toMatchObject({ agents: [{ away: true, in_flight: 1, queued: 3 }, { in_flight: 2 }] });
    expect(new AdmissionQueue(queue.snapshot()).snapshot()).toEqual(queue.snapshot());
    expect(queue.agents.recordSeen('a')).toBe(false);
    // Its slot counts again: three are held, one more than allowed.
    for (const task_id of queue.view(0).in_flight.slice(1)) {
      expect(granted()).toEqual([]);
      queue.release(task_id, false, 0);
    }
    expect(granted()).toEqual(['a']);
    expect(queue.view(0).agents?.[0]).not.toHaveProperty('away');
  });

  it('in any sequence: positions are the order of admission, and between two turns of an agent no other has two', () => {
    const step = record({ agent: constantFrom('a', 'b', 'c'), what: constantFrom('ask', 'ask', 'call off', 'go') });
    assert(
      property(array(step, { maxLength: 60 }), (steps) => {
        const { queue, ask, granted } = share({ concurrent: 1 });
        let known = queue;
        for (const { agent, what } of steps) {
          if (what === 'ask') ask(agent);
          const waiting = queue.view(0).queue;
          if (what === 'call off') queue.release(waiting.find((one) => one.agent === agent)?.task_id ?? '', false, 0);
          if (what === 'go') {
            for (const task_id of queue.view(0).in_flight) queue.release(task_id, true, 0);
            granted();
          }
          const { queue: places } = queue.view(0);
          for (const { task_id, place } of places) expect(queue.positionOf(task_id, 0)?.place).toBe(place);
          for (const [index, { agent: one }] of places.entries()) {
            const after = places.slice(index + 1);
            const again = after.findIndex((other) => other.agent === one);
            const between = after.slice(0, Math.max(again, 0)).map((other) => other.agent);
            expect(new Set(between).size).toBe(between.length);
          }
          known = new AdmissionQueue(queue.snapshot());
          expect(known.snapshot()).toEqual(queue.snapshot());
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('a full queue', () => {
  it('refuses new tasks, the last first, and none that waits already', () => {
    const { queue, ask, granted } = open({ concurrent: 1, queued: 2 });
    for (const id of ['a', 'b', 'c']) ask(id);
    granted();
    expect(queue.refuse(['a', 'b', 'c'])).toEqual([]);
    ask('d', 1);
    ask('e', 1);
    // `c` is behind them now, but was let in before.
    expect(queue.refuse(['d', 'e']).map(({ task_id }) => task_id)).toEqual(['d', 'e']);
    expect(queue.view(0).queue.map(({ task_id }) => task_id)).toEqual(['b', 'c']);
  });
});

describe('throttled by Kimi (429)', () => {
  it('all tasks wait, and the throttled one is first and keeps its slot', () => {
    const { queue, ask, granted } = open({ concurrent: 1 });
    ask('a', 5);
    ask('b', 1);
    granted();
    ask('c', 1);
    const first = queue.view(0).in_flight[0] as string;
    queue.request({ task_id: first, priority: 5, round: 2, turned_away: { retry_after_ms: 2_000 } }, 100);
    expect(queue.view(100)).toMatchObject({ in_flight: [first], paused_until: '1970-01-01T00:00:02Z' });
    expect(granted(2_099)).toEqual([]);
    expect(queue.nextChange(100)).toBe(2_000);
    expect(granted(2_100)).toEqual([first]);
    expect(queue.isGranted({ task_id: first, round: 1 })).toBe(false);
  });

  it('repeatedly without Retry-After: longer each time, up to a minute, until Kimi accepts a request', () => {
    const { queue, ask, granted } = open();
    ask('a');
    let now = 0;
    const pauseAfter = (round: number): number => {
      expect(granted(now)).toEqual(['a']);
      queue.request({ task_id: 'a', priority: 3, round: round + 1, turned_away: {} }, now);
      const pause = queue.nextChange(now) ?? 0;
      now += pause;
      return pause / 1000;
    };
    expect(Array.from({ length: 9 }, (_, index) => pauseAfter(index + 1))).toEqual([1, 2, 4, 8, 16, 32, 60, 60, 60]);
    queue.grant(now);
    queue.reportSent('a', 10, true, now);
    queue.request({ task_id: 'a', priority: 3, round: 11, turned_away: {} }, now);
    expect(queue.nextChange(now)).toBe(1_000);
  });
});

describe('the limits', () => {
  it('set by hand stay until the environment changes', () => {
    const environment = { per_minute: 10, concurrent: 5, queued: 1000 };
    const { queue } = open(environment);
    queue.setLimits({ concurrent: 8 });
    queue.configure({ ...environment });
    expect(queue.view(0).limits).toEqual({ ...environment, concurrent: 8 });
    queue.configure({ ...environment, per_minute: 20 });
    expect(queue.view(0).limits).toEqual({ ...environment, per_minute: 20, concurrent: 8 });
    queue.configure({ ...environment, concurrent: 2 });
    expect(queue.view(0).limits).toEqual({ ...environment, concurrent: 2 });
  });
});

describe('the expected wait', () => {
  it('is derived from the limit per minute, a pause, and the average time of tasks', () => {
    const { queue, ask, granted } = open({ per_minute: 2 });
    for (const id of ['a', 'b', 'c', 'd']) ask(id);
    granted();
    queue.reportSent('a', 1, true, 1_000);
    queue.reportSent('b', 1, true, 5_000);
    expect(queue.positionOf('c', 11_000)).toEqual({ place: 1, expected_wait_ms: 50_000 });
    expect(queue.positionOf('d', 11_000)).toEqual({ place: 2, expected_wait_ms: 54_000 });

    const slow = open({ concurrent: 1 });
    for (const id of ['a', 'b', 'c']) slow.ask(id);
    slow.granted();
    expect(slow.queue.positionOf('b', 0)).toEqual({ place: 1 });
    slow.queue.release('a', true, 30_000);
    slow.granted(30_000);
    expect(slow.queue.positionOf('c', 30_000)).toEqual({ place: 1, expected_wait_ms: 30_000 });
  });
});

describe('tasks that keep others waiting', () => {
  it('are checked only while a task waits', () => {
    const { queue, ask, granted } = open({ concurrent: 1 });
    ask('a');
    granted();
    expect(queue.blockers(10_000, 10_000)).toEqual([]);
    ask('b', 3, 10_000);
    expect(queue.blockers(10_000, 10_000)).toEqual(['a']);
    expect(queue.blockers(9_999, 10_000)).toEqual([]);
  });

  it('are found too if an admitted request was never sent', () => {
    const { queue, ask, granted } = open({ per_minute: 1 });
    ask('a');
    granted();
    ask('b');
    expect(queue.blockers(10_000, 10_000)).toEqual(['a']);
  });
});

it('in any sequence, no limit is exceeded by Kimi’s clock', () => {
  const step = record({
    wait: integer({ min: 0, max: 30_000 }),
    what: constantFrom('ask', 'send', 'late-send', 'turned-away', 'release', 'ask-again', 'grant'),
    task: integer({ min: 0, max: 11 }),
    priority: constantFrom<Priority>(1, 3, 5),
  });
  const limits = record({ per_minute: integer({ min: 1, max: 4 }), concurrent: integer({ min: 1, max: 4 }) });
  assert(
    property(limits, array(step, { maxLength: 150 }), ({ per_minute, concurrent }, steps) => {
      const queue = new AdmissionQueue(emptyState({ per_minute, concurrent, queued: 0 }));
      const rounds = new Map<string, number>();
      /** Rounds that may send at any moment. */
      const mayStillSend = new Map<string, number>();
      const holders = new Set<string>();
      const arrivals: number[] = [];
      let now = 0;
      for (const { wait, what, task, priority } of steps) {
        now += wait;
        const task_id = `t${task}`;
        const round = rounds.get(task_id) ?? 0;
        if (what === 'ask' && round === 0) {
          rounds.set(task_id, 1);
          queue.request({ task_id, priority, round: 1 }, now);
        } else if (what === 'ask-again' && round > 0) queue.request({ task_id, priority, round }, now);
        else if ((what === 'send' || what === 'late-send' || what === 'turned-away') && mayStillSend.has(task_id)) {
          arrivals.push(now);
          mayStillSend.delete(task_id);
          // The report takes a while.
          if (what === 'late-send') now += 5_000;
          if (what === 'turned-away') {
            rounds.set(task_id, round + 1);
            queue.request({ task_id, priority, round: round + 1, turned_away: {} }, now);
          } else queue.reportSent(task_id, round, true, now);
        } else if (what === 'release' && round > 0) {
          queue.release(task_id, !mayStillSend.has(task_id), now);
          mayStillSend.delete(task_id);
          holders.delete(task_id);
          rounds.delete(task_id);
        }
        for (const granted of queue.grant(now)) {
          mayStillSend.set(granted.task_id, granted.round);
          holders.add(granted.task_id);
        }
        expect(holders.size).toBeLessThanOrEqual(concurrent);
      }
      for (const [index, at] of arrivals.entries()) {
        const together = arrivals.slice(index).filter((other) => other < at + MINUTE);
        expect(together.length).toBeLessThanOrEqual(per_minute);
      }
    }),
    { numRuns: 500 },
  );
});

describe('where the clock is set back by three hours', () => {
  const NOW = 4 * 3_600_000;
  const BACK = NOW - 3 * 3_600_000;

  it('a sent request counts for a minute at most', () => {
    const { ask, queue, granted } = open({ per_minute: 1 });
    ask('a', 3, NOW);
    granted(NOW);
    queue.reportSent('a', 1, true, NOW);
    ask('b', 3, BACK);
    expect(granted(BACK)).toEqual([]);
    expect(queue.nextChange(BACK)).toBe(MINUTE);
    expect(granted(BACK + MINUTE)).toEqual(['b']);
  });

  it('a pause lasts as long as it would have', () => {
    const { ask, queue, granted } = open({ per_minute: 10 });
    queue.throttled({ retry_after_ms: 20_000 }, NOW);
    ask('a', 3, BACK);
    expect(granted(BACK)).toEqual([]);
    expect(queue.nextChange(BACK)).toBe(20_000);
    expect(granted(BACK + 20_000)).toEqual(['a']);
  });

  it('a task that holds a slot and has ended is still checked, also by the next run', () => {
    const { ask, queue, granted } = open({ concurrent: 1 });
    ask('a', 3, NOW);
    ask('b', 3, NOW);
    expect(granted(NOW)).toEqual(['a']);
    const next = new AdmissionQueue(queue.snapshot());
    expect(next.grant(BACK)).toEqual([]);
    expect(next.blockers(BACK + 10_000, 10_000)).toEqual(['a']);
  });
});

/** The cost of answers of 16 MB: reading the beginning of one does not depend on its length, and they are handled one at a time. */
import { MockActivityEnvironment } from '@temporalio/testing';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createActivities, type ActivityDependencies } from '../../src/activities/index.ts';
import { excerptOf, firstCharacters } from '../../src/shared/format.ts';
import type { TaskResult } from '../../src/shared/result.ts';
import { Gateway } from '../../src/notify/gateway.ts';
import { PLUGIN_WAKE_PATH } from '../../src/notify/protocol.ts';
import { ResultStore } from '../../src/results/store.ts';
import { serve, temporaryFolder, until } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const MB = 1024 * 1024;

describe('the first characters', () => {
  const family = '👨‍👩‍👧‍👦';

  it.each([
    ['字'.repeat(2_000), 300, '字'.repeat(300)],
    [family.repeat(400), 300, family.repeat(300)],
    ['e\u0301'.repeat(400), 300, 'e\u0301'.repeat(300)],
    [`${'x'.repeat(299)}${family}!`, 300, `${'x'.repeat(299)}${family}`],
    ['abc', 300, 'abc'],
  ])('(%#) are counted as a reader counts them', (text, count, first) => {
    expect(firstCharacters(text, count)).toBe(first);
  });

  it('of an endless one are limited by the room, and do not split a surrogate pair', () => {
    const accents = firstCharacters(`e${'\u0301'.repeat(100_000)}`, 10);
    expect(accents.length).toBeLessThanOrEqual(320);
    const joined = firstCharacters('👨\u200D'.repeat(100_000), 10);
    expect(joined.length).toBeLessThanOrEqual(320);
    expect(joined.isWellFormed()).toBe(true);
  });

  it('do not depend on the rest of the text', () => {
    const segment = vi.spyOn(Intl.Segmenter.prototype, 'segment');
    onTestFinished(() => segment.mockRestore());
    expect(excerptOf('字'.repeat(16 * MB), 300)).toHaveLength(300);
    expect(segment.mock.calls.map(([text]) => text.length)).toEqual([300 * 32]);
  });
});

describe('twelve concurrent answers of 16 MB', () => {
  it('are all delivered, one after the other, with small ones beside them', { timeout: 60_000 }, async () => {
    const delivered = new Map<string, number>();
    let large = 0;
    let mostLarge = 0;
    const url = await serve((request, response) => {
      const isLarge = Number(request.headers['content-length']) > MB;
      if (isLarge) mostLarge = Math.max(mostLarge, (large += 1));
      let bytes = 0;
      request.on('data', (chunk: Buffer) => (bytes += chunk.length));
      request.on('end', () => {
        if (isLarge) large -= 1;
        delivered.set(String(request.headers['idempotency-key']), bytes);
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"outcome":"sent"}');
      });
    });
    const results = new ResultStore(await temporaryFolder());
    const activities = createActivities({
      results,
      config: { KIMI_NOTIFY_ALLOW: [] },
      gateway: new Gateway({ wakeUrl: `${url}${PLUGIN_WAKE_PATH}`, token: undefined }),
      reply: 'deliver',
    } as unknown as ActivityDependencies);
    const ids = Array.from({ length: 16 }, (_, n) => `kimi-1707654321-${n}`);
    const answer = 'x'.repeat(16 * MB);
    for (const [n, task_id] of ids.entries()) {
      const result = { task_id, task_name: 'x', status: 'done', model: 'kimi-k3' } as TaskResult;
      await results.persist({ ...result, output: n < 12 ? answer : 'small' });
    }
    const before = process.memoryUsage().rss;
    let most = 0;
    const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
    const woken = await Promise.all(
      ids.map(
        async (task_id) =>
          await new MockActivityEnvironment().run(
            async () => await activities.wake(task_id, 'done', task_id, { lang: 'en' }),
          ),
      ),
    );
    clearInterval(watch);
    expect(woken).toEqual(ids.map(() => 'woken'));
    expect([...delivered.keys()].toSorted()).toEqual(ids.toSorted());
    // The small ones did not wait for the large ones.
    expect([...delivered.keys()].slice(0, 5)).toEqual(expect.arrayContaining(ids.slice(12)));
    expect([...delivered.values()].filter((bytes) => bytes > 16 * MB)).toHaveLength(12);
    expect(mostLarge).toBe(1);
    // Concurrently, twelve would take 12 times 16 MB as a string, as JSON and as bytes.
    expect((most - before) / MB).toBeLessThan(900);
  });
});

/** With the size of the bench (bench/large.ts) a test would take minutes; an answer counts as large from 1 MiB on. */
describe('twelve large answers whose callbacks arrive at the same moment', () => {
  it(
    'are saved and notified one after the other, and small ones do not wait for them',
    { timeout: 180_000 },
    async () => {
      const delivered: string[] = [];
      const wakeUrl = await serve((request, response) => {
        request.resume().on('end', () => {
          delivered.push(String(request.headers['idempotency-key']));
          response.writeHead(200, { 'content-type': 'application/json' }).end('{"outcome":"sent"}');
        });
      });
      const saving = new Set<string>();
      let most = 0;
      const gate: { open?: () => void } = {};
      const released = new Promise<void>((resolve) => (gate.open = resolve));
      const world = await openWorld({
        wakeUrl: `${wakeUrl}${PLUGIN_WAKE_PATH}`,
        reply: 'deliver',
        wrap: (activities) => ({
          ...activities,
          persist: async (result) => {
            if ((result.output?.length ?? 0) <= MB) return await activities.persist(result);
            most = Math.max(most, saving.add(result.task_id).size);
            await released;
            const saved = await activities.persist(result);
            saving.delete(result.task_id);
            return saved;
          },
        }),
      });
      const many = async (count: number, directives: string) =>
        await Promise.all(Array.from({ length: count }, async () => await world.start(`[[simulate: ${directives}]]`)));
      const large = await many(12, `delay=0 size=${MB + 1_000}`);
      await until(() => saving.size > 0);
      const small = await many(3, 'delay=0');
      await until(() => delivered.length === small.length);
      gate.open?.();
      const tasks = [...large, ...small];
      const ended = await Promise.all(tasks.map(async (task) => await world.handle(task).result()));
      expect(ended.map(({ status, acknowledged }) => [status, acknowledged])).toEqual(tasks.map(() => ['done', true]));
      const ids = tasks.map(({ task_id }) => task_id);
      expect(delivered.toSorted()).toEqual(ids.toSorted());
      expect(most).toBe(1);
      for (const { task_id } of large) expect((await world.results.read(task_id))?.output?.length).toBeGreaterThan(MB);
    },
  );
});

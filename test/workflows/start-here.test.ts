/** Tasks that are started in the process that runs them, on the real engine. */
import { Client, type WorkflowClientInterceptor } from '@temporalio/client';
import { describe, expect, it } from 'vitest';
import type { TaskSummary } from '../../src/shared/task.ts';
import { startTask } from '../../src/tasks/start.ts';
import { newKey } from '../../src/tasks/task-id.ts';
import { serve } from '../support/resources.ts';
import { openWorld, TASK, type World } from '../support/world.ts';

async function eventsOf(world: World, started: { task_id: string }) {
  const { events } = await world.handle(started).fetchHistory();
  return events ?? [];
}

describe('a task that is started in the process of its worker', () => {
  it('is handed to the worker at once, and its acceptance needs no update', async () => {
    const world = await openWorld({ startsHere: true });
    const started = await world.start('x');
    expect(started).toMatchObject({ status: 'accepted', api_id: expect.stringMatching(/^cmpl-sim-/) });
    const summary: TaskSummary = await world.handle(started).result();
    expect(summary).toMatchObject({ status: 'done', acknowledged: true });
    const events = await eventsOf(world, started);
    expect(events[0]?.workflowExecutionStartedEventAttributes?.eagerExecutionAccepted).toBe(true);
    expect(events.some((event) => event.workflowExecutionUpdateAcceptedEventAttributes)).toBe(false);
    expect(world.counts).toMatchObject({ requests: 1, billed: 1 });
  });

  it('is queued by the engine where many are started together, so that it does not overtake the others', async () => {
    const world = await openWorld({ startsHere: true });
    const started = await Promise.all(Array.from({ length: 40 }, async () => await world.start('x')));
    expect(new Set(started.map(({ status }) => status))).toEqual(new Set(['accepted']));
    const firsts = await Promise.all(started.map(async (task) => (await eventsOf(world, task))[0]));
    const eager = firsts.filter((first) => first?.workflowExecutionStartedEventAttributes?.eagerExecutionAccepted);
    expect(eager.length).toBeLessThanOrEqual(32);
  });

  it.each([true, false])(
    'is durable once its start is confirmed, and nothing else is asked (worker here: %s)',
    async (startsHere) => {
      const world = await openWorld({ startsHere });
      const asksMore = {
        describe: () => {
          throw new Error('the engine was asked for it');
        },
      } as unknown as WorkflowClientInterceptor;
      const client = new Client({ connection: world.client.connection, interceptors: { workflow: [asksMore] } });
      const started = await startTask(client, world.taskQueue, TASK, 0);
      expect(started).toMatchObject({ status: 'pending' });
      expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    },
  );

  it('is refused with the reason, without the wait', async () => {
    const world = await openWorld({ startsHere: true, apiKey: undefined });
    const started = await world.start('x', {}, 4_000);
    expect(started).toMatchObject({ status: 'refused', error: { type: 'no_api_key' } });
  });

  it('is refused with the reason, even if it has ended before it is asked', async () => {
    const world = await openWorld({ startsHere: true, apiKey: undefined });
    const asksLate = {
      startUpdate: async (input, next) => {
        await world.handle({ task_id: input.workflowExecution.workflowId }).result();
        return await next(input);
      },
    } satisfies WorkflowClientInterceptor;
    const client = new Client({ connection: world.client.connection, interceptors: { workflow: [asksLate] } });
    const started = await startTask(client, world.taskQueue, TASK, 20_000);
    expect(started).toMatchObject({ status: 'refused', error: { type: 'no_api_key' } });
  });

  it('is known by its key, and sent once', async () => {
    const world = await openWorld({ startsHere: true });
    const key = newKey();
    const start = async () => await startTask(world.client, world.taskQueue, TASK, 20_000, key);
    const first = await start();
    expect(await start()).toEqual({ status: 'known', task_id: first.task_id, task_name: TASK.task_name });
    expect(world.counts.requests).toBe(1);
  });

  it('is queued by the limiter', async () => {
    const world = await openWorld({ startsHere: true, delayMs: 60_000, limits: { concurrent: 1, queued: 5 } });
    expect(await world.start('x')).toMatchObject({ status: 'accepted' });
    expect(await world.start('y')).toMatchObject({ status: 'queued', queued: { place: 1 } });
  });

  it('is pending while Kimi has not answered', async () => {
    const apiUrl = await serve((request, response) => {
      request.resume();
      setTimeout(() => response.writeHead(200).end(JSON.stringify({ id: 'cmpl-slow' })), 3_000);
    });
    const world = await openWorld({ startsHere: true, apiUrl });
    expect(await world.start('x', {}, 300)).toMatchObject({ status: 'pending' });
  });
});

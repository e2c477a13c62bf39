/** Looking up a task, on the real engine. */
import { fileURLToPath } from 'node:url';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { expect, it, onTestFinished, vi } from 'vitest';
import type { TaskContext } from '../../src/tasks/context.ts';
import { lookUp, lookUpWithResult, viewOf } from '../../src/tasks/look-up.ts';
import { SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../../src/shared/names.ts';
import { newTaskId } from '../../src/tasks/task-id.ts';
import { batchOf, metadataOf } from '../../src/openai/batch-object.ts';
import type { CallerTasks } from '../../src/tasks/tasks.ts';
import { call, serveApi, tasksOf } from '../support/api.ts';
import { startMapIn } from '../support/maps.ts';
import { engineClient, nativeConnection, openWorld } from '../support/world.ts';

it('a task whose worker cannot answer the query is shown with the state of the engine', async () => {
  const { client, taskQueue } = await openWorld({ worker: false });
  const worker = await Worker.create({
    connection: await nativeConnection(),
    taskQueue,
    workflowsPath: fileURLToPath(new URL('../support/mute-workflow.ts', import.meta.url)),
  });
  const running = worker.run();
  onTestFinished(async () => {
    worker.shutdown();
    await running;
  });
  const workflowId = newTaskId();
  const typedSearchAttributes = new TypedSearchAttributes([{ key: SEARCH_ATTRIBUTES.status, value: 'done' }]);
  await client.workflow.execute(TASK_WORKFLOW, { workflowId, taskQueue, typedSearchAttributes });

  expect(await lookUp(client, workflowId)).toMatchObject({ live: false, view: { state: 'done', step: 'closed' } });
});

it.each([undefined, `k1:${Buffer.alloc(32, 7).toString('base64')}`])(
  'a task that no worker has taken is shown with its question and files (keys: %s)',
  async (payloadKeys) => {
    const world = await openWorld({ worker: false, ...(payloadKeys !== undefined && { payloadKeys }) });
    const files = [
      { name: 'a.txt', bytes: 12, kind: 'text' as const, stored_bytes: 12, sha256: 'x', claim: 'local/2026-11-30/x' },
    ];
    // The id of a continued task is encrypted with the task.
    const before = payloadKeys === undefined ? { continues: 'kimi-1-1' } : {};
    const more = { files, ...before, simulated: true as const };
    const { task_id } = await world.start(`what is asked ${'x'.repeat(400)}`, more, 0);
    const found = await lookUp(world.client, task_id);
    expect(found).toMatchObject({
      live: false,
      view: { files: [{ name: 'a.txt', bytes: 12 }], ...before, simulated: true },
    });
    expect(found?.view.question).toMatch(/^what is asked x{286}$/);
    // Without the keys the rest is shown.
    const { found: closed } = await lookUpWithResult(
      { results: world.results } as TaskContext,
      task_id,
      async () => await lookUp(await engineClient(), task_id),
    );
    expect(closed?.view.question === undefined).toBe(payloadKeys !== undefined);
    expect(closed?.view.task_id).toBe(task_id);
  },
);

it('a map that no worker has taken is not taken for something else', async () => {
  const world = await openWorld({ worker: false });
  const socket = await serveApi(world);
  const metadata = metadataOf({ endpoint: '/v1/responses', input_file_id: 'file-1', metadata: {} });
  const [batch, other] = await Promise.all(
    [metadata, {}].map(
      async (words) => await startMapIn(world, ['a.txt', 'fig'], { prompt: '{{text}}', metadata: words, wake: false }),
    ),
  );
  expect(await call(socket, 'GET', `/v1/maps/${other?.task_id}`)).toMatchObject({
    status: 503,
    headers: { 'retry-after': '1' },
    body: { code: 'no_worker' },
  });
  const tasks = tasksOf(world) as unknown as CallerTasks;
  const batchNow = async (map?: { task_id: string }) => await batchOf(tasks, await tasks.find(map?.task_id ?? ''));
  await expect(batchNow(batch)).rejects.toMatchObject({ code: 'no_worker' });
  expect(await batchNow(other)).toBeUndefined();
});

it('a query that gets no answer soon is given up and sent once more, and no third time; an error is no silence', async () => {
  const query = vi.fn<() => Promise<unknown>>();
  const limits: number[] = [];
  const connection = {
    withDeadline: async (until: number, work: () => Promise<unknown>) => {
      limits.push(until - Date.now());
      return await work();
    },
  };
  const client = { connection, workflow: { getHandle: () => ({ query }) } } as unknown as Client;
  const late = Object.assign(new Error('too late'), { code: 4, details: 'too late', metadata: {} });
  const view = { state: 'cancelled' };
  query.mockRejectedValueOnce(late).mockResolvedValueOnce(view);
  expect(await viewOf(client, 'kimi-1-1')).toBe(view);
  query.mockRejectedValueOnce(late).mockRejectedValueOnce(late);
  expect(await viewOf(client, 'kimi-1-1')).toBeUndefined();
  expect(limits.map((ms) => Math.round(ms / 100) * 100)).toEqual([400, 1_600, 400, 1_600]);
  const gone = new WorkflowNotFoundError('gone', 'kimi-1-1', undefined);
  query.mockRejectedValueOnce(gone);
  await expect(viewOf(client, 'kimi-1-1')).rejects.toBe(gone);
  expect(query).toHaveBeenCalledTimes(5);
});

it('a task that ends while it is looked up has its result', async () => {
  const world = await openWorld();
  const { task_id } = await world.start('x [[simulate: delay=0]]');
  const { found, saved } = await lookUpWithResult({ results: world.results } as TaskContext, task_id, async () => {
    await world.handle({ task_id }).result();
    return await lookUp(world.client, task_id);
  });
  expect(found).toMatchObject({ view: { state: 'done' } });
  expect(saved).toMatchObject({ task_id, status: 'done' });
});

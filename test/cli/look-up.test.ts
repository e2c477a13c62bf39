/** Looking up a task, on the real engine. */
import { fileURLToPath } from 'node:url';
import { TypedSearchAttributes } from '@temporalio/common';
import { Worker } from '@temporalio/worker';
import { expect, it, onTestFinished } from 'vitest';
import type { TaskContext } from '../../src/tasks/context.ts';
import { lookUp, lookUpWithResult } from '../../src/tasks/look-up.ts';
import { SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../../src/shared/names.ts';
import { newTaskId } from '../../src/tasks/task-id.ts';
import { nativeConnection, openWorld } from '../support/world.ts';

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

/** What is left of a removed task at the relay. */
import { expect, it } from 'vitest';
import { removeRequest, stateOf } from '../../src/relay/client.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { until } from '../support/resources.ts';

it('the request of a removed task is removed from the engine, with its question', async () => {
  const world = await openRelayedWorld();
  const started = await world.start('x');
  await world.handle(started).result();
  await until(async () => (await stateOf(world.client, started.task_id)) === 'COMPLETED' || undefined);
  await removeRequest(world.client, started.task_id);
  await until(async () => (await stateOf(world.client, started.task_id)) === undefined || undefined);
  // Again, as for a task without a request.
  await removeRequest(world.client, started.task_id);
  expect(await stateOf(world.client, started.task_id)).toBeUndefined();
});

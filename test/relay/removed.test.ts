/** What is left of a removed task at the relay. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { removeRequest, stateOf } from '../../src/relay/client.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { until } from '../support/resources.ts';

it('a relay that was killed forgets what it delivered; the request of a removed task is removed from the engine', async () => {
  const world = await openRelayedWorld();
  const started = await world.start('x');
  await world.handle(started).result();
  await until(async () => (await stateOf(world.client, started.task_id)) === 'COMPLETED' || undefined);
  const recordings = async () => await readdir(join(world.relay.home, 'streams'));
  expect(await recordings()).toEqual([`${started.task_id}.end.json`]);
  await world.relay.kill();
  await world.relay.start();
  await until(async () => (await recordings()).length === 0);
  await removeRequest(world.client, started.task_id);
  await until(async () => (await stateOf(world.client, started.task_id)) === undefined || undefined);
  // Again, as for a task without a request.
  await removeRequest(world.client, started.task_id);
  expect(await stateOf(world.client, started.task_id)).toBeUndefined();
});

/** What the relay stores in the engine: encrypted, and outside it if it is large. */
import { expect, it } from 'vitest';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { progressOf } from '../../src/tasks/look-up.ts';
import { relayId } from '../../src/shared/names.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { until } from '../support/resources.ts';

const KIMI_PAYLOAD_KEYS = `k:${Buffer.alloc(32, 7).toString('base64')}`;

it('a relayed task is encrypted like others: prompt, progress and answer, and a large prompt is stored outside the engine', async () => {
  const world = await openRelayedWorld({ KIMI_PAYLOAD_KEYS }, { payloadKeys: KIMI_PAYLOAD_KEYS });
  const started = await world.start(
    `秘密 [[simulate: delay=0 reasoning=0 size=2000 chunks=100 chunk-delay=30]]\n${'x'.repeat(300_000)}`,
  );
  const seen = await until(async () => {
    const { progress } = await progressOf(world.client, started.task_id);
    return progress?.phase === 'answering' ? progress : undefined;
  });
  expect(seen.tokens).toBeGreaterThan(0);
  expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
  expect((await world.results.read(started.task_id))?.output).toHaveLength(2_000);
  const relay = world.client.activity.getHandle(relayId(started.task_id));
  await relay.result();
  const { workflowService, options } = world.client;
  const { input } = await workflowService.describeActivityExecution({
    namespace: options.namespace,
    activityId: relay.activityId,
    includeInput: true,
  });
  const stored = JSON.stringify(input);
  expect(Buffer.from(stored).length).toBeLessThan(4 * 1024);
  expect(stored).not.toContain(Buffer.from('秘密').toString('base64').slice(0, 6));
  const history = historyToJSON(await world.handle(started).fetchHistory());
  const payloads = [...history.matchAll(/"data": *"([A-Za-z0-9+/=]+)"/g)].map(([, data = '']) =>
    Buffer.from(data, 'base64').toString(),
  );
  expect(payloads.length).toBeGreaterThan(3);
  expect(payloads.join('')).not.toContain('秘密');
  expect(history.length).toBeLessThan(64 * 1024);
});

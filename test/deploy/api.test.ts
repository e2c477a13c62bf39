/** The HTTP API of docker-compose.yml, with the webhook, relay and worker of the same file, on the tests' engine. */
import { randomInt } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import type { IncomingMessage } from 'node:http';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { expect, inject, it } from 'vitest';
import { Cluster, makeSecrets } from '../../deploy/native/cluster.ts';
import { readCompose } from '../../deploy/native/compose.ts';
import { nativeServices } from '../../deploy/native/topology.ts';
import { KimiDispatch, type TaskEvent } from '../../src/sdk/index.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import { cli } from '../support/cli.ts';
import { lifetime, serve, silent, temporaryFolder, until } from '../support/resources.ts';

const PROMPT = 'one [[simulate: mark=one reasoning=0 chunks=20 chunk-delay=150]]';

/** Our services of the file that answer a task, with its variables. */
async function openCluster() {
  const folder = await temporaryFolder();
  await makeSecrets(folder);
  const secretOf = async (name: string): Promise<string> => await readFile(join(folder, 'secrets', name), 'utf8');
  const simulator = createSimulator({ secret: await secretOf('webhook_secret'), delayMs: 0, log: silent });
  lifetime()(() => simulator.stop());
  const kimi = (await serve(simulator.app)).replace('127.0.0.1', 'host.docker.internal');
  await writeFile(join(folder, 'secrets', 'kimi_api_key'), 'sk-simulated');
  const compose = readCompose({
    KIMI_API_URL: `${kimi}/v1`,
    OPENCLAW_WAKE_URL: `${kimi}/hooks/wake`,
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_TASK_QUEUE: `cluster-${randomInt(1e9)}`,
    KIMI_NOTIFY_ALLOW: 'localhost',
    WORKERS: '1',
  });
  const network = `127.78.${randomInt(1, 255)}`;
  const all = nativeServices(compose, { folder, network, path: process.env['PATH'] ?? '' });
  const webhook = all.find(({ name }) => name === 'webhook-1');
  const elsewhere = {
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_CALLBACK_BASE_URL: `http://${webhook?.address}:9001`,
  };
  const services = all
    .filter(({ name }) => ['webhook-1', 'api', 'relay', 'worker-1'].includes(name))
    .map((service) => ({ ...service, env: { ...service.env, ...elsewhere } }));
  const cluster = await Cluster.start(services, folder, () => {});
  lifetime()(async () => await cluster.stop());
  const { env, address } = cluster.service('api');
  const { stdout: token } = await cli(['token', 'create', 'ci'], env);
  const api = new KimiDispatch({ baseUrl: `http://${address}:${env['KIMI_API_PORT']}`, token: token.trim() });
  return { cluster, api, secretOf, counts: simulator.counts };
}

it('starts tasks, reports their end to a receiver and cancels them; a kill -9 in between loses nothing', async () => {
  const { cluster, api, secretOf, counts } = await openCluster();
  const received: unknown[] = [];
  const secret = await secretOf('notify_secret');
  const accept = async (request: IncomingMessage): Promise<void> =>
    void received.push(new Webhook(secret).verify(await text(request), request.headers as Record<string, string>));
  const receiver = await serve((request, response) => {
    void accept(request).then(() => response.writeHead(204).end());
  });
  const order = { prompt: PROMPT, notify: { url: receiver.replace('127.0.0.1', 'localhost') } };
  const id = await api.dispatch(order, { idempotencyKey: 'order-4711' });
  const events: TaskEvent[] = [];
  const followed = (async () => {
    for await (const event of api.stream(id)) events.push(event);
  })();
  await until(() => counts.completions.some(({ generated }) => generated.content_tokens > 3));
  await cluster.processes.get('api')?.break('SIGKILL', 0);
  expect(await api.dispatch(order, { idempotencyKey: 'order-4711' })).toBe(id);
  await followed;
  expect(events.at(-1)).toMatchObject({ type: 'end', task: { task_id: id, state: 'done', owner: 'ci' } });
  const answer = answerTo(PROMPT);
  expect(events.map((event) => (event.type === 'text' ? event.text : '')).join('')).toBe(answer);
  expect(await api.result(id)).toMatchObject({ output: answer });
  expect(counts.completions).toHaveLength(1);
  await until(() => received.length > 0);
  expect(received).toMatchObject([{ type: 'task.done', data: { task_id: id, output: answer } }]);
  const slow = await api.dispatch('slow [[simulate: chunks=100 chunk-delay=1000]]');
  expect(await api.cancel(slow)).toEqual({ task_id: slow, status: 'cancelled' });
});

/** The cluster without containers matches docker-compose.yml: the same services, the same variables. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { makeSecrets } from '../../deploy/native/cluster.ts';
import { readCompose, type ComposeService } from '../../deploy/native/compose.ts';
import { nativeServices, type NativeService, type OtherAgent } from '../../deploy/native/topology.ts';
import { readConfig } from '../../src/config/index.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { temporaryFolder } from '../support/resources.ts';

const compose = readCompose({ WORKERS: '3' });

const PLACE = { folder: '/cluster', network: '127.77.9', path: '/bin' };
const native = nativeServices(compose, PLACE);

function service(name: string): NativeService {
  const found = native.find((one) => one.name === name);
  if (!found) throw new Error(`there is no ${name}`);
  return found;
}

it('has every service except the Web UI and those of profiles', () => {
  const left = Object.keys(compose.services).filter((name) => !native.some((one) => one.service === name));
  expect(left).toEqual(['temporal-ui', 'prometheus', 'grafana', 's3']);
  expect(native.filter((one) => one.service === 'worker').map(({ name }) => name)).toEqual([
    'worker-1',
    'worker-2',
    'worker-3',
  ]);
});

it('has every variable of each service, and no other', () => {
  for (const { name, service: of, env } of native) {
    const { environment = {} } = compose.services[of] as ComposeService;
    expect(Object.keys(env).toSorted(), name).toEqual([...Object.keys(environment), 'PATH', 'HOME'].toSorted());
  }
});

it('has its own address for each container, with unchanged ports', () => {
  expect(new Set(native.map(({ address }) => address)).size).toBe(native.length);
  expect(service('load-balancer').env).toMatchObject({
    BIND_ON_IP: service('load-balancer').address,
    WEBHOOK_1: `${service('webhook-1').address}:9001`,
    WEBHOOK_2: `${service('webhook-2').address}:9002`,
    TEMPORAL_2: `${service('temporal-2').address}:7233`,
  });
  expect(service('temporal-1').env['POSTGRES_SEEDS']).toBe(service('postgres').address);
  expect(service('worker-3').env).toMatchObject({
    TEMPORAL_ADDRESS: `${service('load-balancer').address}:7233`,
    KIMI_RELAY_URL: `http://${service('relay').address}:9031`,
    KIMI_CALLBACK_BASE_URL: `http://${service('load-balancer').address}:9000`,
    KIMI_CALLBACKS: 'relay',
    OPENCLAW_WAKE_URL: 'http://127.0.0.1:18789/hooks/wake',
  });
  expect(service('worker-2').healthcheck?.join(' ')).toContain(`http://${service('worker-2').address}:9011/readyz`);
});

it('contains no container folder and no container name', () => {
  for (const { env, command, healthcheck = [] } of native) {
    for (const word of [...Object.values(env), ...command, ...healthcheck]) {
      expect(word).not.toMatch(/\/run\/secrets|\/data\/|\/deploy\/(?:server|schema)|0\.0\.0\.0|host\.docker/);
      expect(word).not.toMatch(/(?:^|\/\/)(?:postgres|temporal|load-balancer|webhook|relay)[\w-]*:\d/);
    }
  }
});

it('starts each service after its dependencies, runs the mounted scripts, and stops it with its signal', () => {
  expect(service('postgres')).toMatchObject({ after: [], stopSignal: 'SIGINT', isJob: false });
  expect(service('temporal-2').after).toEqual(['temporal-schema']);
  expect(service('temporal-schema')).toMatchObject({
    after: ['postgres'],
    isJob: true,
    command: ['/bin/sh', join(PACKAGE_ROOT, 'deploy/temporal/schema.sh')],
  });
  expect(service('relay')).toMatchObject({
    after: ['temporal-namespace'],
    command: ['node', '--enable-source-maps', join(PACKAGE_ROOT, 'dist/relay.js')],
  });
});

it('is a valid configuration for our processes', async () => {
  const folder = await temporaryFolder();
  await makeSecrets(folder);
  const ours = nativeServices(compose, { ...PLACE, folder }).filter(({ image }) => image.startsWith('kimi-dispatch:'));
  const configs = new Map(ours.map(({ name, env }) => [name, readConfig(env)]));
  expect([...configs.keys()]).toEqual(['webhook-1', 'webhook-2', 'api', 'relay', 'worker-1', 'worker-2', 'worker-3']);
  expect(configs.get('webhook-1')?.WEBHOOK_SECRET).toMatch(/^[0-9a-f]{64}$/);
  expect(configs.get('webhook-1')?.WEBHOOK_SECRET).toBe(configs.get('relay')?.WEBHOOK_SECRET);
  expect(configs.get('worker-1')?.KIMI_RELAY_TOKEN).toBe(configs.get('relay')?.KIMI_RELAY_TOKEN);
  expect(configs.get('worker-1')).toMatchObject({ KIMI_API_KEY: undefined, KIMI_PAYLOAD_S3_BUCKET: undefined });
});

describe('another agent on the same cluster', () => {
  const other: OtherAgent = {
    name: 'other',
    services: ['relay', 'worker'],
    compose: readCompose({ KIMI_TASK_QUEUE: 'other', WORKERS: '1' }),
  };

  it('has its own workers and relay, with its own queue and folders, and shares the rest', () => {
    const together = nativeServices(compose, PLACE, [other]);
    const relay = together.find(({ name }) => name === 'other-relay');
    const worker = together.find(({ name }) => name === 'other-worker-1');
    expect(together.length).toBe(native.length + 2);
    expect(together.slice(0, native.length)).toEqual(native);
    expect(worker?.env).toMatchObject({
      KIMI_TASK_QUEUE: 'other',
      KIMI_RELAY_URL: `http://${relay?.address}:9031`,
      TEMPORAL_ADDRESS: `${service('load-balancer').address}:7233`,
      KIMI_RESULTS_DIR: '/cluster/volumes/other-results',
    });
  });
});

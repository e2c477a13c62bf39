/** The cluster of docker-compose.yml as processes, with two agents; the simulated Kimi and the gateways run in this process. */
import { randomInt } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { pino } from 'pino';
import { GatewayStub } from '../../chaos/gateway.ts';
import type { KimiEvent, Scene } from '../../chaos/stage.ts';
import { Cluster, makeSecrets } from '../../../deploy/native/cluster.ts';
import { readCompose } from '../../../deploy/native/compose.ts';
import { findPrograms } from '../../../deploy/native/programs.ts';
import { cliEnvironment, nativeServices, type NativeService } from '../../../deploy/native/topology.ts';
import { readConfig } from '../../../src/config/index.ts';
import type { Limits } from '../../../src/shared/limits.ts';
import { sharedLimiterId } from '../../../src/shared/names.ts';
import { deadLettersFolder } from '../../../src/webhook/dead-letters.ts';
import { openPayloads } from '../../../src/temporal/payloads/converter.ts';
import { createSimulator } from '../../../src/simulator/app.ts';
import { connectClient } from '../../../src/temporal/client.ts';

const KEY = 'sk-simulated';

/** The limiter that both agents share, as they use one account. */
const LIMITER = 'account';

/** The part of the cluster that belongs to one agent. */
type AgentScene = Pick<Scene, 'client' | 'taskQueue' | 'results' | 'gateway' | 'env'>;

export interface ClusterStage {
  cluster: Cluster;
  /** The first agent, with native callbacks; events of its tasks are recorded. */
  scene: Scene;
  /** The second agent, whose tasks go through a relay. */
  other: AgentScene;
  close(): Promise<void>;
}

export async function setClusterStage(folder: string, limits: Limits): Promise<ClusterStage> {
  const started = performance.now();
  const clock = (): number => Math.round(performance.now() - started);
  const gateways = [new GatewayStub(clock), new GatewayStub(clock)] as const;
  for (const gateway of gateways) await gateway.start();
  await mkdir(join(folder, 'logs'));
  await makeSecrets(folder);
  await writeFile(join(folder, 'secrets', 'kimi_api_key'), KEY);
  const events: KimiEvent[] = [];
  const simulator = createSimulator({
    secret: await readFile(join(folder, 'secrets', 'webhook_secret'), 'utf8'),
    delayMs: 1_000,
    log: pino(pino.destination(join(folder, 'logs', 'simulator.log'))),
    onEvent: (event) => events.push({ ...event, at: clock() }),
  });
  const kimi = createServer(simulator.app);
  const kimiPort = await listenAnywhere(kimi);

  const shared = {
    KIMI_API_URL: `http://host.docker.internal:${kimiPort}/v1`,
    KIMI_LANG: 'en',
    KIMI_LIMITER: LIMITER,
    KIMI_MAX_TASKS_PER_MINUTE: String(limits.per_minute),
    KIMI_MAX_CONCURRENT_TASKS: String(limits.concurrent),
    KIMI_MAX_QUEUED_TASKS: String(limits.queued),
  };
  const compose = readCompose({ ...shared, OPENCLAW_WAKE_URL: hostUrl(gateways[0]) });
  const other = {
    name: 'other',
    services: ['relay', 'worker'],
    compose: readCompose({
      ...shared,
      OPENCLAW_WAKE_URL: hostUrl(gateways[1]),
      KIMI_TASK_QUEUE: 'other',
      KIMI_ON_INTERRUPT: 'retry',
      WORKERS: '1',
    }),
  };
  const path = await findPrograms(compose, readConfig(), (step) => console.error(step));
  const network = `127.77.${randomInt(1, 255)}`;
  const services = nativeServices(compose, { folder, network, path }, [other]).map(callsBack);
  const cluster = await Cluster.start(services, folder, () => {});

  const sceneOf = async (worker: string, gateway: GatewayStub): Promise<AgentScene> => {
    const service = cluster.service(worker);
    const env = { PATH: path, HOME: folder, ...cliEnvironment(service) };
    const config = readConfig(env);
    return {
      client: await connectClient(openPayloads(config).dataConverter, env),
      taskQueue: config.KIMI_TASK_QUEUE,
      results: config.KIMI_RESULTS_DIR,
      gateway,
      env,
    };
  };
  const [first, second] = [await sceneOf('worker-1', gateways[0]), await sceneOf('other-worker-1', gateways[1])];
  const webhooks = ['webhook-1', 'webhook-2'].map((name) => cluster.service(name));
  return {
    cluster,
    scene: {
      ...first,
      limiter: sharedLimiterId(LIMITER),
      isRelayed: false,
      events,
      counts: simulator.counts,
      webhookUrls: webhooks.map(({ address, env }) => `http://${address}:${env['WEBHOOK_PORT']}`),
      deadLetters: webhooks.map(({ env }) => deadLettersFolder(env['KIMI_HOME'] ?? '')),
      trying: new Map(),
      clock,
    },
    other: second,
    close: async () => {
      await Promise.all([first, second].map(async ({ client }) => await client.connection.close()));
      await cluster.stop();
      simulator.stop();
      kimi.close();
      for (const gateway of gateways) await gateway.stop();
    },
  };
}

/** Configures the first agent's workers and its HTTP API for native callbacks: they have the API key instead of the relay. */
function callsBack(service: NativeService): NativeService {
  if (!/^(?:worker-\d+|api)$/.test(service.name)) return service;
  return { ...service, env: { ...service.env, KIMI_CALLBACKS: 'native', KIMI_API_KEY: KEY } };
}

/** Address of the gateway as seen from a container. */
function hostUrl({ url }: GatewayStub): string {
  return url.replace('127.0.0.1', 'host.docker.internal');
}

async function listenAnywhere(server: Server): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  return (server.address() as AddressInfo).port;
}

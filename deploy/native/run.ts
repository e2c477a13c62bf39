/**
 * `npm run cluster`: the services of docker-compose.yml on this machine without containers, against the simulated Kimi and
 * gateway. PostgreSQL, two Temporal servers, load balancer, two webhooks, HTTP API, relay, two workers. Ctrl-C stops them.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RestartedProcess } from '../../test/chaos/process.ts';
import { loadEnvFiles } from '../../src/config/env-file.ts';
import { readConfig } from '../../src/config/index.ts';
import { SetupError } from './programs.ts';
import { DIST } from '../../src/service/files.ts';
import { Cluster, makeSecrets } from './cluster.ts';
import { readCompose } from './compose.ts';
import { findPrograms } from './programs.ts';
import { cliEnvironment, nativeServices } from './topology.ts';

/** One such cluster per machine. */
const NETWORK = '127.77.0';

function say(step: string): void {
  console.error(step);
}

async function main(): Promise<void> {
  loadEnvFiles();
  const config = readConfig();
  const folder = join(config.KIMI_HOME, 'cluster');
  await mkdir(join(folder, 'logs'), { recursive: true });
  await makeSecrets(folder);
  const port = config.KIMI_SIMULATOR_PORT;
  const simulator = `http://host.docker.internal:${port}`;
  const compose = readCompose({
    ...process.env,
    KIMI_API_URL: `${simulator}/v1`,
    OPENCLAW_WAKE_URL: `${simulator}/hooks/wake`,
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_RESULTS_DIR: '',
  });
  const path = await findPrograms(compose, config, say);
  const services = nativeServices(compose, { folder, network: NETWORK, path });
  await writeFile(join(folder, 'secrets', 'kimi_api_key'), 'sk-simulated');
  const kimi = new RestartedProcess({
    name: 'simulator',
    command: process.execPath,
    args: ['--enable-source-maps', join(DIST, 'simulator.js')],
    env: {
      PATH: path,
      KIMI_HOME: folder,
      KIMI_SIMULATOR_PORT: String(port),
      WEBHOOK_SECRET_FILE: join(folder, 'secrets', 'webhook_secret'),
    },
    logFile: join(folder, 'logs', 'simulator.log'),
  });
  kimi.start();
  const cluster = await Cluster.start(services, folder, say);

  const environment = join(folder, 'env');
  const lines = Object.entries(cliEnvironment(cluster.service('worker-1'))).map(
    ([name, value]) => `${name}='${value}'`,
  );
  await writeFile(environment, [...lines, ''].join('\n'));
  const width = Math.max(...services.map(({ name }) => name.length));
  for (const { name, address, isJob } of services) if (!isJob) console.log(`${name.padEnd(width)}  ${address}`);
  console.log(`\nlogs: ${join(folder, 'logs')}\nTo start a task on it:\n`);
  console.log(`  (set -a; . ${environment}; node dist/kimi-dispatch.cjs run "寫一個 Python 費波那契函數")\n`);
  const { address, env } = cluster.service('api');
  const { KIMI_HOME: home, KIMI_API_PORT: apiPort } = env;
  console.log(`To use the API at http://${address}:${apiPort}, make a token:\n`);
  // With the port, since the command line says otherwise that no service takes tokens.
  console.log(`  KIMI_HOME=${home} KIMI_API_PORT=${apiPort} node dist/kimi-dispatch.cjs token create ci\n`);
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  console.error('stopping');
  await cluster.stop();
  await kimi.stop('SIGTERM');
}

try {
  await main();
} catch (error) {
  console.error(error instanceof SetupError ? error.message : error);
  process.exitCode = 1;
}
// A native handle must not keep the process alive.
process.exit();

/**
 * `npx tsx bench/watching.ts [--tasks 200] [--rounds 3]` after `npm run build`: the cost of metrics and traces, as CPU time of
 * our processes per task. Unlike elapsed time, CPU time hardly depends on the load of the machine. Linux only: it reads
 * /proc.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import pLimit from 'p-limit';
import { startTask } from '../src/tasks/start.ts';
import { TASK_QUEUE } from '../src/shared/names.ts';
import { DIST } from '../src/service/files.ts';
import type { StackState } from '../src/stack/state.ts';
import { cpuOf, nameOf, processesWith } from './processes.ts';
import { median } from './stats.ts';

/** Concurrent tasks. */
const AT_ONCE = 5;

/** Scrape interval in milliseconds: a third of the usual one. */
const SCRAPE_MS = 5_000;

const METRICS_PORT = 39464;

/** @returns the processes of a stack that are ours and serve tasks. */
function servicesIn(home: string): number[] {
  return processesWith(`KIMI_HOME=${home}`).filter((pid) => !/^(?:sh|cat$|temporal|simulator)/.test(nameOf(pid)));
}

/** @returns CPU milliseconds per task of our processes. */
async function measure(tasks: number, watching: NodeJS.ProcessEnv): Promise<number> {
  const home = await mkdtemp(join(tmpdir(), 'kimi-watching-'));
  const ports = ['WEBHOOK', 'KIMI_WORKER', 'KIMI_TEMPORAL', 'KIMI_UI'].map((name) => [`${name}_PORT`, '0']);
  const env = {
    ...process.env,
    ...Object.fromEntries(ports),
    KIMI_HOME: home,
    KIMI_RESULTS_DIR: join(home, 'results'),
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    KIMI_MAX_CONCURRENT_TASKS: '0',
    ...watching,
  };
  const up = spawn(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'up', '--simulate'], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(up.stdout, 'data');
  up.stdout.resume();
  const state = JSON.parse(await readFile(join(home, 'stack.json'), 'utf8')) as StackState;
  const client = new Client({ connection: await Connection.connect({ address: state.temporal_address }) });
  const request = {
    task_name: 'x',
    prompt: 'x [[simulate: delay=0]]',
    model: 'moonshot-v1-128k',
    timeout_ms: 60_000,
    grace_ms: 1_000,
    lang: 'en' as const,
  };
  const run = async (count: number): Promise<void> => {
    await pLimit(AT_ONCE).map(Array(count).keys(), async () => {
      const { task_id } = await startTask(client, TASK_QUEUE, request, 20_000);
      await client.workflow.getHandle(task_id).result();
    });
  };
  const scraping = setInterval(() => {
    if (!watching['KIMI_METRICS_PORT']) return;
    for (const port of [METRICS_PORT, METRICS_PORT + 1]) void fetch(`http://127.0.0.1:${port}/metrics`).catch(() => {});
  }, SCRAPE_MS);
  // The first tasks of a worker include compilation.
  await run(Math.ceil(tasks / 4));
  const processes = servicesIn(home);
  const cpu = (): number => cpuOf(processes);
  const before = cpu();
  await run(tasks);
  const used = cpu() - before;
  clearInterval(scraping);
  await client.connection.close();
  up.kill('SIGTERM');
  await once(up, 'exit');
  await rm(home, { recursive: true, force: true });
  return used / tasks;
}

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '200' }, rounds: { type: 'string', default: '3' } },
});
const collector = createServer((request, response) => void request.resume().on('end', () => response.end('{}')));
collector.listen(0, '127.0.0.1');
await once(collector, 'listening');
const kinds: [name: string, env: NodeJS.ProcessEnv, samples: number[]][] = [
  ['off', {}, []],
  ['metrics', { KIMI_METRICS_PORT: String(METRICS_PORT) }, []],
  ['traces', { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${(collector.address() as AddressInfo).port}` }, []],
];
console.log(`load ${loadavg()[0]?.toFixed(1)}; CPU ms a task of our processes, ${values.tasks} tasks each time`);
for (let round = 0; round < Number(values.rounds); round += 1) {
  for (const [name, env, samples] of kinds) {
    samples.push(await measure(Number(values.tasks), env));
    console.error(`${name.padEnd(8)} ${samples.at(-1)?.toFixed(2)}`);
  }
}
for (const [name, , samples] of kinds) {
  const all = samples.map((sample) => sample.toFixed(1)).join(', ');
  console.log(`${name.padEnd(8)} median ${median(samples).toFixed(1)} (${all})`);
}
collector.close();

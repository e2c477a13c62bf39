/**
 * `npx tsx bench/watching.ts [--tasks 200] [--rounds 3]` after `npm run build`: the cost of metrics and traces, as CPU time of
 * our processes per task. Unlike elapsed time, CPU time hardly depends on the load of the machine. Linux only: it reads
 * /proc.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import pLimit from 'p-limit';
import { startTask } from '../src/tasks/start.ts';
import { cpuOf, nameOf } from './processes.ts';
import { startStack } from './stack.ts';
import { median } from './stats.ts';

/** Concurrent tasks. */
const AT_ONCE = 5;

/** Scrape interval in milliseconds: a third of the usual one. */
const SCRAPE_MS = 5_000;

const METRICS_PORT = 39464;

/** @returns CPU milliseconds per task of our processes. */
async function measure(tasks: number, watching: NodeJS.ProcessEnv): Promise<number> {
  const stack = await startStack(watching);
  const { state, pids } = stack;
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
      const { task_id } = await startTask(client, state.task_queue, request, 20_000);
      await client.workflow.getHandle(task_id).result();
    });
  };
  const scraping = setInterval(() => {
    if (!watching['KIMI_METRICS_PORT']) return;
    for (const port of [METRICS_PORT, METRICS_PORT + 1]) void fetch(`http://127.0.0.1:${port}/metrics`).catch(() => {});
  }, SCRAPE_MS);
  // The first tasks of a worker include compilation.
  await run(Math.ceil(tasks / 4));
  const processes = pids.filter((pid) => !/^(?:sh|cat$|temporal)/.test(nameOf(pid)));
  const cpu = (): number => cpuOf(processes);
  const before = cpu();
  await run(tasks);
  const used = cpu() - before;
  clearInterval(scraping);
  await client.connection.close();
  await stack.stop();
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

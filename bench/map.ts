/**
 * `npx tsx bench/map.ts [--rows 1000]` after `npm run build`: a map beside the same questions dispatched one by one over the API,
 * with the simulated Kimi and without limits: time, CPU a row, and memory of each process of the services. Each has a stack of its own.
 * Linux only: it reads /proc.
 */
import { readdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pLimit from 'p-limit';
import { call } from '../test/support/api.ts';
import { describeMachine, machineLines } from './machine.ts';
import { cpuOf, memoryByName, nameOf } from './processes.ts';
import { resultsIn, startStack, type Stack } from './stack.ts';

/** Tasks that are dispatched at the same time, one by one: as many as a map has rows in progress. */
const AT_ONCE = 20;

const POLL_MS = 50;

const PROMPT = 'Summarise {{text}} [[simulate: delay=0]]';

/** Asks `rows` questions. @returns once each has its result. */
type Way = (stack: Stack, rows: number) => Promise<void>;

const promptOf = (n: number): string => PROMPT.replace('{{text}}', `row ${n}`);

const WAYS: Record<string, Way> = {
  map: async ({ socket, results }, rows) => {
    const file = Buffer.from(Array.from({ length: rows }, (_, n) => `row ${n + 1}`).join('\n'));
    const kept = await call(socket, 'POST', '/v1/rows?name=rows.txt', { file });
    const body = { prompt: PROMPT, rows: kept.body };
    const { task_id } = (await call(socket, 'POST', '/v1/maps', { body })).body as { task_id: string };
    while (!(await readdir(results)).includes(`${task_id}.json`)) await pause(POLL_MS);
  },
  'one by one': async ({ socket, results }, rows) => {
    const before = await resultsIn(results);
    await pLimit(AT_ONCE).map(Array(rows).keys(), async (n) => {
      await call(socket, 'POST', '/v1/tasks', { body: { prompt: promptOf(n + 1), wait_ms: 10_000 } });
    });
    while ((await resultsIn(results)) < before + rows) await pause(POLL_MS);
  },
};

async function measure(way: Way, rows: number): Promise<void> {
  const stack = await startStack();
  const { pids: ours } = stack;
  // The first tasks of a worker include compilation.
  await way(stack, 50);
  const memory = (): Map<string, number> => memoryByName(ours);
  const peaks = memory();
  const before = { cpu: ours.map((pid) => cpuOf([pid])), at: performance.now(), memory: memory() };
  const sampling = setInterval(() => {
    for (const [name, mb] of memory()) peaks.set(name, Math.max(mb, peaks.get(name) ?? 0));
  }, 1_000);
  await way(stack, rows);
  clearInterval(sampling);
  const seconds = (performance.now() - before.at) / 1_000;
  console.log(`  ${seconds.toFixed(1)} s, ${((seconds * 1_000) / rows).toFixed(1)} ms a row`);
  for (const [index, pid] of ours.entries()) {
    const cpu = (cpuOf([pid]) - (before.cpu[index] ?? 0)) / rows;
    const name = nameOf(pid);
    const at = [before.memory.get(name), peaks.get(name), memory().get(name)].map((mb) => (mb ?? 0).toFixed(0));
    console.log(`  ${name.padEnd(20)} ${cpu.toFixed(2)} ms CPU a row, MB before, at most, after: ${at.join(', ')}`);
  }
  await stack.stop();
}

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000' } } });
console.log(machineLines(await describeMachine()));
for (const [name, way] of Object.entries(WAYS)) {
  console.log(`${name}, ${values.rows} rows:`);
  await measure(way, Number(values.rows));
}

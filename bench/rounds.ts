/**
 * `npx tsx bench/rounds.ts [--turns 5]` after `npm run build`: what a round of searching costs beside its bare HTTP requests, on a stack
 * with the simulated Moonshot, which answers without a delay. Tasks with 1, 3 and 6 rounds, by turns, one at a time: clock, and CPU of
 * services and engine. Linux only: it reads /proc.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { call } from '../test/support/api.ts';
import { describeMachine, machineLines } from './machine.ts';
import { cpuOf } from './processes.ts';
import { startStack, type Stack } from './stack.ts';
import { aligned, median } from './stats.ts';

const ROUNDS = [1, 3, 6];

const MODEL = 'kimi-k2.6';

/** Tasks in a turn. */
const TASKS = 5;

/** Time for what follows a result: its notification. Milliseconds. */
const SETTLE_MS = 1_000;

const POLL_MS = 2;

/** Milliseconds: the time of each task, and the CPU time of a task. */
interface Cost {
  clocks: number[];
  cpu: number;
}

type Way = (stack: Stack, calls: number) => Promise<Cost>;

let count = 0;

function promptWith(calls: number): string {
  return `question ${(count += 1)} [[simulate: delay=0 calls=${calls}]]`;
}

const tasks: Way = async ({ socket, results, pids }, calls) => {
  const clocks: number[] = [];
  const before = cpuOf(pids);
  for (let n = 0; n < TASKS; n += 1) {
    const from = performance.now();
    const body = { prompt: promptWith(calls), model: MODEL, request: { tools: ['search'] }, wait_ms: 0 };
    const { status, body: answer } = await call(socket, 'POST', '/v1/tasks', { body });
    const { task_id } = answer as { task_id?: string };
    if (task_id === undefined) throw new Error(`${status} ${JSON.stringify(answer)}`);
    while (!existsSync(join(results, `${task_id}.json`))) await pause(POLL_MS);
    clocks.push(performance.now() - from);
  }
  await pause(SETTLE_MS);
  return { clocks, cpu: (cpuOf(pids) - before) / TASKS };
};

/** The same requests, sent by this process over a connection that stays open. */
const bare: Way = async ({ state }, calls) => {
  const pool = new Pool(state.simulator_url ?? '', { connections: 1 });
  const post = async (path: string, body: object): Promise<string> => {
    const headers = { authorization: 'Bearer sk-bench', 'content-type': 'application/json' };
    const answer = await pool.request({ path: `/v1/${path}`, method: 'POST', headers, body: JSON.stringify(body) });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${path}: ${answer.statusCode} ${text}`);
    return text;
  };
  const parameters = { type: 'object', required: ['query'], properties: { query: { type: 'string' } } };
  const tools = [{ type: 'function', function: { name: 'web_search', parameters } }];
  const clocks: number[] = [];
  const before = process.cpuUsage();
  for (let n = 0; n < TASKS; n += 1) {
    const from = performance.now();
    const prompt = promptWith(calls);
    const messages: object[] = [{ role: 'user', content: prompt }];
    for (let round = 0; round <= calls; round += 1) {
      await post('chat/completions', { model: MODEL, messages, tools, stream: true });
      if (round === calls) break;
      const asked = { name: 'web_search', arguments: JSON.stringify({ query: prompt }) };
      const content = await post('formulas/moonshot/web-search:latest/fibers', asked);
      const tool_calls = [{ id: 'web_search:0', type: 'function', function: asked }];
      messages.push({ role: 'assistant', content: '', reasoning_content: 'x', tool_calls });
      messages.push({ role: 'tool', tool_call_id: 'web_search:0', content });
    }
    clocks.push(performance.now() - from);
  }
  const { user, system } = process.cpuUsage(before);
  await pool.close();
  return { clocks, cpu: (user + system) / 1_000 / TASKS };
};

const { values } = parseArgs({ options: { turns: { type: 'string', default: '5' } } });
console.log(machineLines(await describeMachine()));
const stack = await startStack({ KIMI_CALLBACKS: 'relay' });
const WAYS = { task: tasks, bare };
const samples = new Map<string, Cost[]>();
for (let turn = 0; turn <= Number(values.turns); turn += 1) {
  for (const calls of ROUNDS) {
    for (const [name, way] of Object.entries(WAYS)) {
      const cost = await way(stack, calls);
      // The first tasks of a worker include compilation.
      if (turn > 0) samples.set(`${name} ${calls}`, [...(samples.get(`${name} ${calls}`) ?? []), cost]);
    }
  }
}
await stack.stop();

/** Medians, of tasks and of turns. */
function figuresOf(calls: number): number[] {
  return Object.keys(WAYS).flatMap((name) => {
    const costs = samples.get(`${name} ${calls}`) ?? [];
    return [median(costs.flatMap(({ clocks }) => clocks)), median(costs.map(({ cpu }) => cpu))];
  });
}

const [fewest = NaN, most = NaN] = [ROUNDS.at(0), ROUNDS.at(-1)];
const least = figuresOf(fewest);
const aRound = figuresOf(most).map((figure, column) => (figure - (least[column] ?? NaN)) / (most - fewest));
const rows: [string, number[]][] = [
  ...ROUNDS.map((calls): [string, number[]] => [String(calls), figuresOf(calls)]),
  ['a further round', aRound],
];
const heading = ['rounds', 'task, ms', 'CPU, ms', 'bare, ms', 'CPU, ms'];
console.log(`medians of ${TASKS * Number(values.turns)} tasks, CPU of ${values.turns} turns of ${TASKS}`);
console.log(aligned([heading, ...rows.map(([name, figures]) => [name, ...figures.map((one) => one.toFixed(1))])]));

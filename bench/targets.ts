/**
 * `npm run bench [-- --rounds 50] [--limit 10000] [--json FILE]`: the targets of docs/benchmarks.md, on the embedded stack, with real
 * processes over real HTTP. The bench acts as Kimi and the agent's gateway. One task at a time; the floor of each figure is
 * measured in the same rounds. Exits with 1 if a target was missed.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { watch } from 'node:fs';
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { Agent, request } from 'undici';
import type { ResultFile } from '../src/shared/result.ts';
import type { TaskSummary } from '../src/shared/task.ts';
import { DIST } from '../src/service/files.ts';
import type { StackState } from '../src/stack/state.ts';
import { ANSWER, apiId, MODEL, SECRET, SETTLE_MS, signedCallback } from './callback.ts';
import { atTheEnd } from './clean-ups.ts';
import { startFloor, type Floor, type FloorRound } from './floor.ts';
import { describeMachine, machineLines } from './machine.ts';
import { Moments } from './moments.ts';
import { IDLE_MS, memoryByName, treeOf } from './processes.ts';
import { median, summarise, table, type Figure } from './stats.ts';

const CLI = join(DIST, 'kimi-dispatch.cjs');

/** Discarded first rounds: the first tasks of a worker include compilation. */
const WARM_UP_ROUNDS = 3;

/** How often `up` is started, each time in a new home. */
const STARTS = 3;

interface Round {
  /** `node -e 0`, from start to exit. */
  node: number;
  /** `kimi-dispatch dispatch`, from start to exit, or to the pending file if it exited before Kimi accepted. */
  dispatch: number;
  accepted: boolean;
  /** Callback sent → answered with 200. */
  answered: number;
  /** Callback sent → result file written. */
  saved: number;
  /** Result file written → wake request at the gateway. */
  woken: number;
  /** Callback sent → the client that awaits the task has its result, acknowledged. */
  closed: number;
  floor: FloorRound;
}

/** The bench's side: Kimi's API, the agent's gateway, and a watch on the results folder. */
interface Stage {
  env: NodeJS.ProcessEnv;
  results: string;
  /** `wake of <task id>`, and `file <name>` for every new file in the results folder. */
  moments: Moments;
}

async function bench(rounds: number, limit: string, folder: string) {
  const machine = await describeMachine();
  const stage = await setStage(folder, limit);

  const starts: number[] = [];
  for (let i = 1; i < STARTS; i += 1) {
    const up = await startUp(stage, join(folder, `home-${i}`));
    starts.push(up.readyMs);
    await up.stop();
  }
  const up = await startUp(stage, join(folder, 'home'));
  starts.push(up.readyMs);
  await pause(IDLE_MS);
  const memory = memoryByName(treeOf(up.pid));

  const state = JSON.parse(await readFile(join(folder, 'home', 'stack.json'), 'utf8')) as StackState;
  const connection = await Connection.connect({ address: state.temporal_address });
  atTheEnd(async () => await connection.close());
  const client = new Client({ connection, namespace: state.namespace });
  const { serverVersion } = await connection.workflowService.getSystemInfo({});
  const floor = await startFloor(client, state.temporal_address, state.namespace);
  atTheEnd(async () => await floor.stop());

  const watchDelay = await measureWatch(stage);
  const samples: Round[] = [];
  for (let i = -WARM_UP_ROUNDS; i < rounds; i += 1) {
    const sample = await runRound(stage, up.env, state, client, floor);
    if (i >= 0) samples.push(sample);
    progress(`round ${Math.max(i + 1, 0)} of ${rounds}`);
  }
  progress('');

  const of = (key: Exclude<keyof Round, 'floor' | 'accepted'>): number[] => samples.map((sample) => sample[key]);
  const floorOf = (key: keyof FloorRound): number[] => samples.map((sample) => sample.floor[key]);
  const figures: Figure[] = [
    { name: 'dispatch: process started → ended, accepted', ...ms(of('dispatch')), target: 1000, floor: of('node') },
    { name: 'callback sent → result file written', ...ms(of('saved')), target: 100, floor: floorOf('persist') },
    { name: 'result file written → wake received', ...ms(of('woken')), target: 500, floor: floorOf('wake') },
    { name: 'callback sent → task closed, acknowledged', ...ms(of('closed')), floor: floorOf('closed') },
    { name: 'callback sent → answered 200', ...ms(of('answered')) },
    { name: 'up: process started → ready', ...ms(starts) },
    ...[...memory].map(([name, mb]): Figure => ({ name: `idle memory: ${name}`, unit: 'MB', samples: [mb] })),
    { name: 'idle memory: sum', unit: 'MB', samples: [[...memory.values()].reduce((sum, mb) => sum + mb, 0)] },
  ];
  const unaccepted = samples.filter(({ accepted }) => !accepted).length;
  return { machine: { ...machine, temporal: serverVersion }, watchDelay, unaccepted, figures };
}

function ms(samples: number[]): Pick<Figure, 'unit' | 'samples'> {
  return { unit: 'ms', samples };
}

async function runRound(
  { moments, results }: Stage,
  env: NodeJS.ProcessEnv,
  state: StackState,
  client: Client,
  floor: Floor,
): Promise<Round> {
  const node = await timeProcess(['-e', '0'], env);
  // --json reports whether Kimi has accepted; it also exits in time if Kimi has not.
  const started = performance.now();
  const dispatch = await timeProcess([CLI, 'dispatch', '-p', 'x', '-n', 'bench', '--json'], env);
  const { task_id = '', status = '' } = JSON.parse(dispatch.stdout) as Record<string, string>;
  const pending = await moments.of(`file pending-${task_id}.json`);
  const closing = client.workflow
    .getHandle<() => Promise<TaskSummary>>(task_id)
    .result()
    .then((summary) => ({ ...summary, at: performance.now() }));
  // Awaited below: an error before that must not skip the clean-up.
  closing.catch(() => {});
  await pause(SETTLE_MS);

  const { sent, answered } = await postCallback(state.webhook_url, task_id);
  const saved = await moments.of(`file ${task_id}.json`);
  const woken = await moments.of(`wake of ${task_id}`);
  const closed = await closing;
  const result = JSON.parse(await readFile(join(results, `${task_id}.json`), 'utf8')) as ResultFile;
  if (!closed.acknowledged || !result.acknowledged || result.output !== ANSWER) {
    throw new Error(`the result of ${task_id} is not the answer, acknowledged`);
  }

  await pause(SETTLE_MS);
  return {
    node: node.time,
    dispatch: status === 'accepted' ? dispatch.time : pending - started,
    accepted: status === 'accepted',
    answered: answered - sent,
    saved: saved - sent,
    woken: woken - saved,
    closed: closed.at - sent,
    floor: await floor.round(SETTLE_MS),
  };
}

/** Posts Kimi's callback over a new connection, as a provider does. */
async function postCallback(webhook: string, task_id: string): Promise<{ sent: number; answered: number }> {
  const { path, headers, body } = signedCallback(task_id);
  const agent = new Agent();
  try {
    const sent = performance.now();
    const response = await request(`${webhook}${path}`, {
      method: 'POST',
      dispatcher: agent,
      headers,
      body,
    });
    const text = await response.body.text();
    const answered = performance.now();
    if (response.statusCode !== 200) throw new Error(`the callback was answered ${response.statusCode}: ${text}`);
    return { sent, answered };
  } finally {
    await agent.close();
  }
}

/** Runs a Node process until it exits. */
async function timeProcess(args: string[], env: NodeJS.ProcessEnv): Promise<{ time: number; stdout: string }> {
  const started = performance.now();
  const { stdout } = await promisify(execFile)(process.execPath, args, { env });
  return { time: performance.now() - started, stdout };
}

async function setStage(folder: string, limit: string): Promise<Stage> {
  const moments = new Moments();
  const kimi = await serve((task_id) => [202, { id: apiId(task_id) }]);
  const gateway = await serve((task_id) => {
    moments.note(`wake of ${task_id}`);
    return [200, { ok: true }];
  });
  const results = join(folder, 'results');
  await mkdir(results);
  const watcher = watch(results, (_event, name) => moments.note(`file ${name}`));
  atTheEnd(() => watcher.close());
  const env: NodeJS.ProcessEnv = {
    // Settings of the user's own stack must not apply. An empty value counts as not set, and overrides .env files.
    ...Object.fromEntries(
      Object.entries(process.env).map(([name, value]) => [
        name,
        /^(?:KIMI|OPENCLAW|WEBHOOK|TEMPORAL)_/.test(name) && !KEPT.has(name) ? '' : value,
      ]),
    ),
    TEMPORAL_ADDRESS: '',
    KIMI_RESULTS_DIR: results,
    KIMI_MODEL: MODEL,
    KIMI_API_URL: `${kimi}/v1`,
    KIMI_API_KEY: 'sk-bench',
    OPENCLAW_WAKE_URL: `${gateway}/hooks/wake`,
    WEBHOOK_SECRET: SECRET,
    WEBHOOK_PORT: '0',
    KIMI_WORKER_PORT: '0',
    KIMI_TEMPORAL_PORT: '0',
    KIMI_UI_PORT: '0',
    // More than ten tasks a minute are measured; a limit that is never reached includes the cost of the limiter.
    KIMI_MAX_TASKS_PER_MINUTE: limit,
    KIMI_MAX_CONCURRENT_TASKS: limit,
  };
  return { env, results, moments };
}

/** Cache of the Temporal server, shared with other stacks on this machine. */
const KEPT = new Set(['KIMI_CACHE', 'TEMPORAL_CLI_PATH', 'KIMI_METRICS_PORT']);

/** Serves a status and JSON for each request, after reading its body. @returns the address. */
async function serve(answer: (task_id: string) => [number, object]): Promise<string> {
  const server = createServer((incoming, response) => {
    incoming.resume().on('end', () => {
      const [status, json] = answer(String(incoming.headers['idempotency-key']));
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(json));
    });
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  atTheEnd(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** Starts `up` and waits for its first output. */
async function startUp(stage: Stage, home: string) {
  const env = { ...stage.env, KIMI_HOME: home };
  const started = performance.now();
  const up = spawn(process.execPath, [CLI, 'up'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const ended = once(up, 'exit');
  const stop = async (): Promise<void> => {
    up.kill('SIGTERM');
    await ended;
  };
  atTheEnd(stop);
  let said = '';
  up.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ready = await Promise.race([once(up.stdout, 'data').then(() => performance.now()), ended]);
  if (typeof ready !== 'number') throw new Error(`up ended before it was ready:\n${said}`);
  up.stdout.resume();
  return { env, pid: up.pid as number, readyMs: ready - started, stop };
}

/** @returns the delay of the watch on the results folder after a rename: milliseconds, median of 20. */
async function measureWatch({ results, moments }: Stage): Promise<number> {
  const delays: number[] = [];
  for (let i = 0; i < 20; i += 1) {
    const [aside, name] = [join(results, `.watched-${i}.aside`), `.watched-${i}`];
    await writeFile(aside, '');
    const renamed = performance.now();
    await rename(aside, join(results, name));
    delays.push((await moments.of(`file ${name}`)) - renamed);
    await rm(join(results, name));
    await pause(10);
  }
  return median(delays);
}

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${line}`);
}

export async function benchTargets(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      rounds: { type: 'string', default: '50' },
      json: { type: 'string' },
      limit: { type: 'string', default: '0' },
    },
  });
  const folder = await mkdtemp(join(tmpdir(), 'kimi-bench-'));
  atTheEnd(async () => await rm(folder, { recursive: true, force: true }));
  const { machine, watchDelay, unaccepted, figures } = await bench(Number(values.rounds), values.limit, folder);

  const summaries = figures.map(summarise);
  console.log(`${machineLines(machine)}\nTemporal server ${machine.temporal}\n`);
  console.log(table(summaries));
  console.log(`
One task at a time; ${WARM_UP_ROUNDS} warm-up rounds are not counted. A target applies to the 95th percentile.
Floor of dispatch: \`node -e 0\`. Floor of the others: the same step of the minimal workflow, on the same server.
The result file is observed with fs.watch, whose delay of ${watchDelay.toFixed(2)} ms (median) is included in its figure.`);
  if (unaccepted > 0) {
    console.log(`${unaccepted} dispatches exited before Kimi accepted; for them the time until the acceptance counts.`);
  }
  if (values.json) {
    const samples = figures.map(({ samples, floor }) => ({ samples, ...(floor && { floor_samples: floor }) }));
    const all = summaries.map((summary, i) => ({ ...summary, ...samples[i] }));
    const report = { at: new Date().toISOString(), machine, watch_delay_ms: watchDelay, unaccepted, figures: all };
    await writeFile(values.json, `${JSON.stringify(report, null, 2)}\n`);
  }
  if (summaries.some(({ met }) => met === false)) process.exitCode = 1;
}

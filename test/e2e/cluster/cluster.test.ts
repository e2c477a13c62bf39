/**
 * `npm run e2e:cluster`: the cluster of docker-compose.yml under a steady load, while each of its processes is killed in turn, all
 * of them are replaced one by one as in a deploy, and PostgreSQL is down for 20 s. The invariants are those of `npm run chaos`.
 */
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execFile } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { check, type Observed } from '../../chaos/check.ts';
import { planFor } from '../../chaos/plan.ts';
import { play } from '../../chaos/play.ts';
import { isRight, keepAsking, type Asked } from '../../chaos/relayed.ts';
import type { Verdict } from '../../chaos/verdict.ts';
import { limiterView } from '../../../src/limiter/client.ts';
import { DIST } from '../../../src/service/files.ts';
import { ResultStore } from '../../../src/results/store.ts';
import { KimiDispatch } from '../../../src/sdk/index.ts';
import { tasksOn } from '../../../src/temporal/task-list.ts';
import { setClusterStage, type ClusterStage } from './stage.ts';

const run = promisify(execFile);

/** Tasks of the first agent, and the time over which they are started, in milliseconds: about one in 1.5 s. */
const TASKS = 150;
const SPAN_MS = 225_000;

/** Tasks of the second agent. */
const OTHER = { every_ms: 4_000, tasks: [{ directives: 'chunks=20 chunk-delay=100' }] };

/** Downtime of a killed process, and of PostgreSQL, in milliseconds. */
const AWAY_MS = 1_500;
const OUTAGE_MS = 20_000;

/** Pause after each fault, in milliseconds. */
const REST_MS = 3_000;

/** One fault of a process. */
interface Fault {
  what: string;
  at: number;
  /** Time until it was healthy again, in milliseconds. */
  well_ms: number;
}

let folder: string;
let stage: ClusterStage;
let observed: Observed;
let verdicts: Verdict[];
let faults: Fault[];
/** Confirmed tasks of the second agent. */
const asked: Asked = new Map();

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kimi-cluster-'));
  const plan = planFor(1, TASKS, 'cluster');
  const stretch = SPAN_MS / Math.max(...plan.tasks.map(({ at }) => at));
  const tasks = plan.tasks.map((task) => ({ ...task, at: Math.round(task.at * stretch) }));
  stage = await setClusterStage(folder, plan.limits);
  const over = new AbortController();
  const othersTasks = keepAsking({ ...stage.other, limiter: stage.scene.limiter }, OTHER, asked, over.signal);
  const played = await play(stage.scene, { tasks, limits: plan.limits }, breakEverything);
  over.abort();
  await othersTasks;
  await nothingRuns(stage);
  ({ observed, broken: faults } = played);
  verdicts = check(observed);
  console.log(report());
});

let hasFailed = false;

afterEach(({ task }) => {
  hasFailed ||= task.result?.state === 'fail';
});

afterAll(async () => {
  await stage?.close();
  if (verdicts && !hasFailed) await rm(folder, { recursive: true, force: true });
  else {
    await writeFile(join(folder, 'observed.json'), JSON.stringify({ faults, observed, verdicts }, null, 1));
    console.error(`what was observed, the logs and the results are in ${folder}`);
  }
});

it('each process was killed, and each was rolled, and came back', () => {
  const names = stage.cluster.services.filter(({ isJob }) => !isJob).map(({ name }) => name);
  expect(names).toHaveLength(12);
  expect(faults.map(({ what }) => what)).toEqual([
    ...names.map((name) => `${name} killed`),
    ...names.map((name) => `${name} rolled`),
    'postgres away for 20 s',
  ]);
});

it('nothing is lost, and every invariant of the chaos run holds', () => {
  expect(verdicts.filter(({ violations }) => violations.length > 0)).toEqual([]);
  expect(observed.tasks.length).toBeGreaterThanOrEqual(TASKS);
});

describe('two agents on one cluster', () => {
  it('the tasks of the other one, which go through its relay, have the whole answer or none, and one notification', async () => {
    const results = new ResultStore(stage.other.results);
    const found = await Promise.all(
      [...asked].map(async ([task_id, task]) => ({ task_id, task, result: await results.read(task_id) })),
    );
    const wrong = found.filter(({ task, result }) => !isRight(stage.scene.counts, task, result));
    expect(wrong).toEqual([]);
    const shown = stage.other.gateway.wakes.filter((wake) => wake.shown).map(({ text }) => text);
    expect(new Set(shown).size).toBe(shown.length);
  });

  it('they share the limits of one account', async () => {
    const { client, limiter, taskQueue } = stage.scene;
    const view = await limiterView(client, limiter);
    const agents = [taskQueue, stage.other.taskQueue].map((agent) => ({ agent, in_flight: 0, queued: 0 }));
    expect(view?.agents?.toSorted((a, b) => a.agent.localeCompare(b.agent))).toEqual(agents);
  });

  it('neither sees a task of the other: not in its list, its folder, or its chat', async () => {
    const mine = observed.tasks.map(({ task }) => task.task_id);
    const both = [
      { agent: stage.scene, own: mine, foreign: [...asked.keys()] },
      { agent: stage.other, own: [...asked.keys()], foreign: mine },
    ];
    for (const { agent, own, foreign } of both) {
      const { stdout } = await run(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'list', '-l', '500', '--json'], {
        env: agent.env,
        maxBuffer: 16_000_000,
      });
      for (const seen of [stdout, (await readdir(agent.results)).join('\n'), JSON.stringify(agent.gateway.wakes)]) {
        expect(own.some((task_id) => seen.includes(task_id))).toBe(true);
        expect(foreign.filter((task_id) => seen.includes(task_id))).toEqual([]);
      }
    }
  });
});

it('a task that the HTTP API has started is fetched from it, although it was killed meanwhile', async () => {
  const { cluster, scene } = stage;
  const { env, address } = cluster.service('api');
  const { stdout: token } = await run(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'token', 'create', 'e2e'], {
    env,
  });
  const api = new KimiDispatch({ baseUrl: `http://${address}:${env['KIMI_API_PORT']}`, token: token.trim() });
  const before = scene.counts.billed;
  const id = await api.dispatch('by the API [[simulate: delay=3000]]');
  await cluster.processes.get('api')?.break('SIGKILL', AWAY_MS);
  expect(await api.result(id)).toMatchObject({ task_id: id, status: 'done', owner: 'e2e' });
  expect(scene.counts.billed).toBe(before + 1);
});

async function breakEverything(at: (time: number) => Promise<void>): Promise<Fault[]> {
  const { cluster } = stage;
  const done: Fault[] = [];
  const hit = async (what: string, name: string, signal: NodeJS.Signals, away_ms: number): Promise<void> => {
    const from = stage.scene.clock();
    await cluster.processes.get(name)?.break(signal as 'SIGTERM', away_ms);
    await cluster.isWell(name);
    done.push({ what, at: from, well_ms: stage.scene.clock() - from });
    await pause(REST_MS);
  };
  await at(5_000);
  const services = cluster.services.filter(({ isJob }) => !isJob);
  for (const { name } of services) await hit(`${name} killed`, name, 'SIGKILL', AWAY_MS);
  for (const { name, stopSignal } of services) await hit(`${name} rolled`, name, stopSignal, 0);
  await hit('postgres away for 20 s', 'postgres', 'SIGKILL', OUTAGE_MS);
  return done;
}

async function nothingRuns({ other: { client, taskQueue } }: ClusterStage): Promise<void> {
  const query = `${tasksOn(taskQueue)} AND ExecutionStatus = "Running"`;
  while ((await client.workflow.count(query)).count > 0) await pause(1_000);
}

function report(): string {
  const { wakes, tasks, files } = observed;
  const shown = wakes.filter(({ shown }) => shown).map(({ at }) => at);
  const lines = faults.map(({ what, at, well_ms }, index) => {
    const until = faults[index + 1]?.at ?? at + well_ms + 30_000;
    const notified = [at, ...shown.filter((time) => time > at && time < until), until];
    const gap = Math.max(...notified.slice(1).map((time, n) => time - (notified[n] ?? 0)));
    return `${what.padEnd(26)} ${seconds(well_ms)} s until healthy, ${seconds(gap)} s without a notification at most`;
  });
  const kept = verdicts.map(
    ({ name, checked, violations }) =>
      `${name.padEnd(60)} ${String(checked).padStart(4)}  ${violations.length === 0 ? 'held' : 'VIOLATED'}`,
  );
  const states = Object.entries(
    files.reduce<Record<string, number>>((counted, { result }) => {
      const word = result ? `${result.status}${result.late ? ', late' : ''}` : 'pending';
      return { ...counted, [word]: (counted[word] ?? 0) + 1 };
    }, {}),
  );
  return [
    ...lines,
    '',
    `${tasks.length} tasks of one agent: ${states.map(([word, times]) => `${times} ${word}`).join('; ')}; ${asked.size} of the other`,
    '',
    ...kept,
  ].join('\n');
}

function seconds(ms: number): string {
  return (ms / 1_000).toFixed(1).padStart(5);
}

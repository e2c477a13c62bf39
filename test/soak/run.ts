/**
 * `npm run soak [-- --minutes M] [--seed S] [--json FILE] [--svg FILE]`: a steady mixed load on chaos's stage, cycle after cycle with
 * faults and without, while memory, handles, histories, journal and disks are measured. Ends with 0 only if every invariant
 * held and nothing grew that had to stay level.
 */
import { randomInt } from 'node:crypto';
import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { InvalidArgumentError, program } from 'commander';
import { describeMachine, machineLines } from '../../bench/machine.ts';
import { check } from '../chaos/check.ts';
import { play } from '../chaos/play.ts';
import { isRight, keepAsking, type Asked } from '../chaos/relayed.ts';
import { report, type Outcome } from '../chaos/report.ts';
import { breakInTurn, progress, setStage } from '../chaos/stage.ts';
import { EXIT } from '../../src/service/exit.ts';
import { ResultStore } from '../../src/results/store.ts';
import { drawMemory } from './chart.ts';
import { findingsOf, isFlat } from './findings.ts';
import { soakPlan, type SoakPlan } from './plan.ts';
import { addRelayedAgent, SHORT_RETENTION } from './relayed-agent.ts';
import { findingsTable } from './report.ts';
import { takeSample, type Sample, type Site } from './sample.ts';

/** How often it is measured, and each how manieth time the engine is asked too. Milliseconds. */
const LOOK_MS = 5_000;
const ENGINE_EVERY = 3;

/** What the second agent asks of the real API: answers in pieces, one that breaks off, a longer one. */
const RELAYED = {
  every_ms: 6_000,
  wishes: ['chunks=20 chunk-delay=100', 'chunks=20 chunk-delay=50 break=cut after=8 breaks=1', 'size=8000 chunks=40'],
};

/** How long the last tasks may take to be closed: their grace, and what they wait for an acknowledgement. Milliseconds. */
const CLOSE_MS = 180_000;

/** How long everything rests before it is measured for the last time, in milliseconds. */
const REST_MS = 20_000;

interface Soaked {
  outcome: Outcome;
  /** While there was load. */
  samples: Sample[];
  last: Sample;
  /** Tasks that went through the relay, and those whose answer was not right, one line each. */
  relayed: { asked: number; wrong: string[] };
}

async function soak(plan: SoakPlan, folder: string): Promise<Soaked> {
  const stage = await setStage(folder, plan.limits, SHORT_RETENTION);
  try {
    const agent = await addRelayedAgent(stage, folder);
    const sites: [Site, Site] = [stage, agent];
    const samples: Sample[] = [];
    const asked: Asked = new Map();
    const over = new AbortController();
    const measuring = (async () => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        const sample = await takeSample(stage, sites, n % ENGINE_EVERY === 0);
        samples.push(sample);
        // Whoever looks into one that was broken off needs what there was until then.
        await appendFile(join(folder, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
        const rest = Math.max(0, sample.at + LOOK_MS - stage.clock());
        await pause(rest, undefined, { signal: over.signal }).catch(() => {});
      }
    })();
    const { observed, broken } = await play(stage, plan, async (at) => {
      const asking = keepAsking(agent, RELAYED, asked, over.signal);
      const faults = await breakInTurn(stage, plan.faults, at);
      await at(plan.span_ms);
      over.abort();
      await Promise.all([asking, measuring]);
      return faults;
    });
    progress(stage, 'settled');
    const giveUpAt = Date.now() + CLOSE_MS;
    while ((await openWorkflows(sites)) > 1 && Date.now() < giveUpAt) await pause(1_000);
    await pause(REST_MS);
    const last = await takeSample(stage, sites, true);
    const results = new ResultStore(agent.results);
    const wrong: string[] = [];
    for (const [task_id, task] of asked) {
      const result = await results.read(task_id);
      if (!isRight(stage.counts, task, result)) wrong.push(`${task.task_name} (${task_id}) is ${result?.status}`);
    }
    const outcome = { observed, faults: broken, disk: stage.disk.kind, took_ms: stage.clock() };
    return { outcome, samples, last, relayed: { asked: asked.size, wrong } };
  } finally {
    stage.close();
  }
}

async function openWorkflows(sites: Site[]): Promise<number> {
  const counts = await Promise.all(
    sites.map(async ({ client }) => (await client.workflow.count('ExecutionStatus = "Running"')).count),
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It needs a whole number.');
  return Number(value);
}

interface Options {
  minutes: number;
  seed?: number;
  json?: string;
  svg?: string;
}

async function main(): Promise<void> {
  const { minutes, seed, json, svg } = program
    .name('npm run soak --')
    .description(
      'A steady mixed load with faults, while memory, handles, histories, journal and disks are measured. Ends with 0 only if every invariant held and nothing grew that had to stay level.',
    )
    .option('--minutes <M>', 'how long tasks are started for; under 12 nothing is said of memory', wholeNumber, 30)
    .option('--seed <S>', 'what the tasks and the faults are drawn from; any unless given', wholeNumber)
    .option('--json <FILE>', 'where all that was measured is written')
    .option('--svg <FILE>', 'where memory over time is drawn')
    .parse()
    .opts<Options>();
  const machine = await describeMachine();
  const plan = soakPlan(seed ?? randomInt(1_000_000), minutes);
  const folder = await mkdtemp(join(tmpdir(), 'kimi-soak-'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      console.error(`stopped by ${signal}; what there was is in ${folder}`);
      process.exit(EXIT.interrupted);
    });
  }
  console.log(`${machineLines(machine)}\n`);
  console.log(`seed ${plan.seed}, ${minutes} min, ${plan.tasks.length} tasks, ${plan.faults.length} faults\n`);
  const { outcome, samples, last, relayed } = await soak(plan, folder);
  const verdicts = check(outcome.observed);
  const findings = findingsOf(samples, last, plan.faults);
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
  console.log(report(plan, outcome, verdicts));
  console.log(`\n${findingsTable(findings, samples, relayed)}`);
  const all = {
    at: new Date().toISOString(),
    machine,
    minutes,
    seed: plan.seed,
    verdicts,
    findings,
    relayed,
    last,
    samples,
  };
  if (json !== undefined) await writeFile(json, `${JSON.stringify(all)}\n`);
  if (svg !== undefined) await writeFile(svg, drawMemory(samples));
  const hasHeld = verdicts.every(({ violations }) => violations.length === 0) && relayed.wrong.length === 0;
  if (hasHeld && isFlat(findings)) {
    await rm(folder, { recursive: true, force: true });
    return;
  }
  await writeFile(join(folder, 'observed.json'), JSON.stringify({ plan, ...outcome, ...all }, null, 1));
  console.log(`\nWhat was observed, the logs, the database and the samples are in ${folder}`);
  console.log(`The same plan again: npm run soak -- --seed ${plan.seed} --minutes ${minutes}`);
  process.exitCode = 1;
}

try {
  await main();
} catch (error) {
  console.error(error);
  process.exitCode = 1;
}
// Everything has been undone: a native handle must not keep the process alive.
process.exit();

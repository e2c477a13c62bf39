/**
 * `npm run soak [-- --minutes M] [--seed S] [--json FILE] [--svg FILE]`: a steady mixed load on chaos's stage, cycle after cycle with
 * faults and without, while memory, handles, histories, journal and disks are measured. Ends with 0 only if every invariant
 * held and nothing grew that had to stay level.
 */
import { randomInt } from 'node:crypto';
import { appendFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { program } from 'commander';
import { describeMachine, machineLines } from '../../bench/machine.ts';
import { check, type Observed, type Start } from '../chaos/check.ts';
import { runCommand, runFolder, wholeNumber } from '../chaos/command.ts';
import { startJob } from '../chaos/jobs.ts';
import { budgetOf, filesOf } from '../chaos/observe.ts';
import { play, withinTime } from '../chaos/play.ts';
import { isRight, keepAsking, type Asked } from '../chaos/relayed.ts';
import { report, type Outcome } from '../chaos/report.ts';
import { breakInTurn, progress, setStage } from '../chaos/stage.ts';
import { ResultStore } from '../../src/results/store.ts';
import { drawMemory } from './chart.ts';
import { findingsOf, isFlat } from './findings.ts';
import { soakPlan, type SoakPlan } from './plan.ts';
import { addRelayedAgent, SHORT_RETENTION } from './relayed-agent.ts';
import { findingsTable } from './report.ts';
import { takeSample, type Sample, type Site } from './sample.ts';

/** Interval of samples in milliseconds; every third one includes the engine. */
const LOOK_MS = 5_000;
const ENGINE_EVERY = 3;

/**
 * Tasks of the relayed agent beside its maps, schedules and budgets: a streamed answer, an interrupted one, a longer one, one with
 * searches, a batch.
 */
const RELAYED = {
  every_ms: 6_000,
  tasks: [
    { directives: 'chunks=20 chunk-delay=100' },
    { directives: 'chunks=20 chunk-delay=50 break=cut after=8 breaks=1' },
    { directives: 'size=8000 chunks=40' },
    { directives: 'calls=2', request: { tools: ['search' as const] } },
    { directives: '', request: { batch: true as const } },
  ],
};

/** Timeout for closing the last tasks: their grace, and the wait for acknowledgements. Milliseconds. */
const CLOSE_MS = 180_000;

/** Idle time before the last sample, in milliseconds. */
const REST_MS = 20_000;

interface Soaked {
  outcome: Outcome;
  /** Of the maps, schedules and budgets of the relayed agent. */
  jobs: Observed;
  /** Taken under load. */
  samples: Sample[];
  last: Sample;
  /** Number of relayed tasks, and one line for each wrong answer. */
  relayed: { asked: number; wrong: string[] };
}

async function soak(plan: SoakPlan, folder: string): Promise<Soaked> {
  const stage = await setStage(folder, plan.limits, 'cluster', SHORT_RETENTION);
  try {
    const agent = await addRelayedAgent(stage, folder);
    const sites: [Site, Site] = [stage, agent];
    const samples: Sample[] = [];
    const asked: Asked = new Map();
    const starts: Start[] = [];
    const users: Promise<unknown>[] = [];
    const over = new AbortController();
    const measuring = (async () => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        const sample = await takeSample(stage, sites, n % ENGINE_EVERY === 0);
        samples.push(sample);
        // Written as they are taken, for the analysis of an aborted run.
        await appendFile(join(folder, 'samples.jsonl'), `${JSON.stringify(sample)}\n`);
        const rest = Math.max(0, sample.at + LOOK_MS - stage.clock());
        await pause(rest, undefined, { signal: over.signal }).catch(() => {});
      }
    })();
    const { observed, broken } = await play(stage, plan, async (at) => {
      const asking = keepAsking(agent, RELAYED, asked, over.signal);
      for (const job of plan.jobs)
        users.push(at(job.at).then(async () => await startJob(agent, job, (start) => starts.push(start))));
      const faults = await breakInTurn(stage, plan.faults, at);
      await at(plan.span_ms);
      over.abort();
      await Promise.all([asking, measuring]);
      return faults;
    });
    await withinTime(Promise.all(users), agent);
    progress(stage, 'settled');
    const giveUpAt = Date.now() + CLOSE_MS;
    while ((await openWorkflows(sites)) > sites.length && Date.now() < giveUpAt) await pause(1_000);
    await pause(REST_MS);
    const last = await takeSample(stage, sites, true);
    const results = new ResultStore(agent.results);
    const wrong: string[] = [];
    for (const [task_id, task] of asked) {
      const result = await results.read(task_id);
      if (!isRight(stage.counts, task, result)) wrong.push(`${task.task_name} (${task_id}) is ${result?.status}`);
    }
    const outcome = { observed, faults: broken, disk: stage.disk.kind, took_ms: stage.clock() };
    const [budget, files] = [await budgetOf(agent), await filesOf(agent)];
    // The engine has forgotten the first ones.
    const jobs = { ...observed, starts, tasks: [], wakes: agent.gateway.wakes, budget, ...files };
    return { outcome, jobs, samples, last, relayed: { asked: asked.size, wrong } };
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
    .option('--minutes <M>', 'how long tasks are started; memory is judged from 12 minutes on', wholeNumber, 30)
    .option('--seed <S>', 'seed of tasks and faults; default: random', wholeNumber)
    .option('--json <FILE>', 'write all measurements to this file')
    .option('--svg <FILE>', 'draw memory over time to this file')
    .parse()
    .opts<Options>();
  const machine = await describeMachine();
  const plan = soakPlan(seed ?? randomInt(1_000_000), minutes);
  const folder = await runFolder('kimi-soak-');
  console.log(`${machineLines(machine)}\n`);
  console.log(`seed ${plan.seed}, ${minutes} min, ${plan.tasks.length} tasks, ${plan.faults.length} faults\n`);
  const { outcome, jobs, samples, last, relayed } = await soak(plan, folder);
  const verdicts = check(outcome.observed, jobs);
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
  await writeFile(join(folder, 'observed.json'), JSON.stringify({ plan, ...outcome, jobs, ...all }, null, 1));
  console.log(`\nWhat was observed, the logs, the database and the samples are in ${folder}`);
  console.log(`The same plan again: npm run soak -- --seed ${plan.seed} --minutes ${minutes}`);
  process.exitCode = 1;
}

await runCommand(main);

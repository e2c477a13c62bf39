/**
 * `npm run chaos [-- --seed S] [--tasks N]`: many tasks on real processes against the simulated Kimi, while worker,
 * webhook, Temporal server, gateway and disk are killed or broken in turn. Ends with 0 only if every invariant held.
 */
import { randomInt } from 'node:crypto';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InvalidArgumentError, program } from 'commander';
import { EXIT } from '../src/exit.ts';
import { check, type Observed, type Verdict } from './check.ts';
import type { DiskKind } from './disk.ts';
import { planFor, type Fault, type Plan } from './plan.ts';
import { play } from './play.ts';
import { setStage, type Stage } from './stage.ts';

/** A fault of the plan, and whether it could be applied. */
type Applied = Fault & { applied: boolean };

interface Outcome {
  observed: Observed;
  faults: Applied[];
  disk: DiskKind;
  took_ms: number;
}

async function run(plan: Plan, folder: string): Promise<Outcome> {
  const stage = await setStage(folder, plan.limits);
  try {
    const { observed, broken } = await play(stage, plan, async (at) => {
      const breaking = plan.faults.map(async (fault): Promise<Applied> => {
        await at(fault.at);
        progress(stage, `${fault.target} ${fault.how}`);
        return { ...fault, applied: await stage.break(fault) };
      });
      const faults = await Promise.all(breaking);
      progress(stage, 'all mended');
      return faults;
    });
    progress(stage, 'settled');
    const took_ms = stage.clock();
    // The disk goes with the stage; who looks into a failed run needs what was on it.
    await cp(stage.results, join(folder, 'results-at-the-end'), { recursive: true });
    return { observed, faults: broken, disk: stage.disk.kind, took_ms };
  } finally {
    stage.close();
  }
}

function progress(stage: Stage, line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${Math.round(stage.clock() / 1000)} s  ${line}`);
}

function report({ seed }: Plan, { observed, faults, disk, took_ms }: Outcome, verdicts: Verdict[]): string {
  const { limits, starts, tasks, files, events, wakes } = observed;
  const applied = count(faults.filter((fault) => fault.applied).map(({ target, how }) => `${nameOf(target)} ${how}`));
  const missed = count(faults.filter((fault) => !fault.applied).map(({ target, how }) => `${nameOf(target)} ${how}`));
  const callbacks = events.flatMap((event) => (event.what === 'called back' ? [String(event.status)] : []));
  const lines = [
    ['seed', `${seed}: ${tasks.length} tasks in ${Math.round(took_ms / 1000)} s`],
    ['limits', `${limits.per_minute} requests a minute, ${limits.concurrent} tasks at once`],
    ['faults', applied],
    ...(missed ? [['not possible', missed]] : []),
    ['disk', DISK[disk]],
    ['starts', count(starts.map(({ said }) => said))],
    [
      'results',
      count(files.flatMap(({ result }) => (result ? [`${result.status}${result.late ? ', late' : ''}`] : []))),
    ],
    ['requests', count(events.flatMap(({ what }) => (what === 'taken' || what === 'refused' ? [what] : [])))],
    ['callbacks', count(callbacks.map((status) => (status === '0' ? 'no answer' : status)))],
    ['wakes', `${wakes.length}, of which ${wakes.filter(({ shown }) => shown).length} were news`],
  ];
  const width = Math.max(...verdicts.map(({ name }) => name.length));
  const table = verdicts.map(
    ({ name, checked, violations }) =>
      `${name.padEnd(width)}  ${String(checked).padStart(6)}  ${violations.length === 0 ? 'held' : `VIOLATED ${violations.length} times`}`,
  );
  const violations = verdicts.flatMap(({ name, violations: found }) => found.map((line) => `${name}: ${line}`));
  return [
    ...lines.map(([label = '', value]) => `${label.padEnd(14)}${value}`),
    '',
    ...table,
    ...(violations.length > 0 ? ['', ...violations] : []),
  ].join('\n');
}

const DISK: Record<DiskKind, string> = {
  tmpfs: 'a file system of its own: full and read-only were possible',
  folder: 'a folder: read-only was possible, full was not',
  unbreakable: 'could not be broken: neither full nor read-only was possible',
};

function nameOf(target: string): string {
  return target.replace(/-\d$/, '');
}

/** @returns `2 done, 1 failed`, the most frequent first. */
function count(words: string[]): string {
  const counted = new Map<string, number>();
  for (const word of words) counted.set(word, (counted.get(word) ?? 0) + 1);
  return [...counted]
    .toSorted(([, a], [, b]) => b - a)
    .map(([word, times]) => `${times} ${word}`)
    .join('; ');
}

function wholeNumber(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It needs a whole number.');
  return Number(value);
}

async function main(): Promise<void> {
  const { seed, tasks } = program
    .name('npm run chaos --')
    .description(
      'Many tasks, while everything they run on is broken in turn. Ends with 0 only if every invariant held.',
    )
    .option('--seed <S>', 'what the tasks and the faults are drawn from; any unless given', wholeNumber)
    .option('--tasks <N>', 'how many tasks are started', wholeNumber, 60)
    .addHelpText(
      'after',
      '\nThe same seed and number of tasks give the same plan. Real processes take their own time: what a plan meets with\nmay differ from run to run.',
    )
    .parse()
    .opts<{ seed?: number; tasks: number }>();
  const plan = planFor(seed ?? randomInt(1_000_000), tasks);
  const folder = await mkdtemp(join(tmpdir(), 'kimi-chaos-'));
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.once(signal, () => {
      console.error(`stopped by ${signal}; what there was is in ${folder}`);
      process.exit(EXIT.interrupted);
    });
  }
  console.log(`seed ${plan.seed}, ${tasks} tasks, ${plan.faults.length} faults\n`);
  const outcome = await run(plan, folder);
  const verdicts = check(outcome.observed);
  if (process.stderr.isTTY) process.stderr.write('\r\u001B[K');
  console.log(report(plan, outcome, verdicts));
  const hasHeld = verdicts.every(({ violations }) => violations.length === 0);
  if (hasHeld) {
    await rm(folder, { recursive: true, force: true });
    return;
  }
  await writeFile(join(folder, 'observed.json'), JSON.stringify({ plan, ...outcome }, null, 1));
  console.log(`\nWhat was observed, the logs, the database and the results are in ${folder}`);
  console.log(`The same plan again: npm run chaos -- --seed ${plan.seed} --tasks ${tasks}`);
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

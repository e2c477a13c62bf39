/**
 * `npm run chaos [-- --seed S] [--tasks N] [--cluster | --relay]`: many tasks on real processes against the simulated Kimi, while the processes of
 * `up` (or those of a cluster), gateway and disks are killed or broken in turn. Ends with 0 only if every invariant held.
 */
import { randomInt } from 'node:crypto';
import { cp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Option, program } from 'commander';
import { check } from './check.ts';
import { runCommand, runFolder, wholeNumber } from './command.ts';
import { planFor, type Plan, type Shape } from './plan.ts';
import { play } from './play.ts';
import { report, type Outcome } from './report.ts';
import { breakInTurn, progress, setStage } from './stage.ts';

async function run(plan: Plan, folder: string, shape: Shape): Promise<Outcome> {
  const stage = await setStage(folder, plan.limits, shape);
  try {
    const { observed, broken } = await play(stage, plan, async (at) => await breakInTurn(stage, plan.faults, at));
    progress(stage, 'settled');
    const took_ms = stage.clock();
    // The disk is unmounted with the stage; its content is needed to analyse a failed run.
    await cp(stage.results, join(folder, 'results-at-the-end'), { recursive: true });
    return { observed, faults: broken, disk: stage.disk.kind, took_ms };
  } finally {
    stage.close();
  }
}

async function main(): Promise<void> {
  const { seed, tasks, cluster, relay } = program
    .name('npm run chaos --')
    .description(
      'Many tasks, while everything they run on is broken in turn. Ends with 0 only if every invariant held.',
    )
    .option('--seed <S>', 'seed of tasks and faults; default: random', wholeNumber)
    .option('--tasks <N>', 'number of tasks', wholeNumber, 60)
    .option('--cluster', 'the separate programs of a cluster with two workers, instead of `up`')
    .addOption(
      new Option('--relay', 'documents and conversations at Moonshot’s API, through the relay').conflicts('cluster'),
    )
    .addHelpText(
      'after',
      '\nThe same seed and number of tasks give the same plan. The timing of real processes\ndiffers from run to run.',
    )
    .parse()
    .opts<{ seed?: number; tasks: number; cluster?: true; relay?: true }>();
  const shape = cluster ? 'cluster' : relay ? 'relay' : 'up';
  const plan = planFor(seed ?? randomInt(1_000_000), tasks, shape);
  const folder = await runFolder('kimi-chaos-');
  console.log(`seed ${plan.seed}, ${tasks} tasks, ${plan.faults.length} faults\n`);
  const outcome = await run(plan, folder, shape);
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
  console.log(
    `The same plan again: npm run chaos -- --seed ${plan.seed} --tasks ${tasks}${shape === 'up' ? '' : ` --${shape}`}`,
  );
  process.exitCode = 1;
}

await runCommand(main);

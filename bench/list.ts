/**
 * `npx tsx bench/list.ts [--tasks 10000] [--rounds 5]` after `npm run build`: how long `list` takes with many tasks, as
 * whole commands on the real server with its database on disk, as with `up`. The tasks have no worker: `list` reads only the
 * visibility store. All tasks are a few minutes old, which is the worst case for finding the newest.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { Client, Connection } from '@temporalio/client';
import { TypedSearchAttributes } from '@temporalio/common';
import pLimit from 'p-limit';
import { readConfig } from '../src/config/index.ts';
import { SEARCH_ATTRIBUTES, TASK_QUEUE, TASK_WORKFLOW } from '../src/shared/names.ts';
import type { TaskState } from '../src/shared/task.ts';
import { DIST } from '../src/service/files.ts';
import { engineArgs, prepareNamespace } from '../src/stack/engine-settings.ts';
import { findTemporalCli } from '../src/stack/temporal-cli.ts';
import { freePort } from '../test/support/engine.ts';
import { median } from './stats.ts';

/** Concurrent starts. */
const AT_ONCE = 20;

const NAMES = ['calculator', '翻譯合約', 'python-費波那契函數', 'unit-tests', '整理會議紀錄'];
const MODELS = ['kimi-k2.6', 'kimi-k2.6', 'kimi-k2.6', 'moonshot-v1-128k'];
const STATES: TaskState[] = [
  ...Array.from({ length: 47 }, (): TaskState => 'done'),
  'failed',
  'timed_out',
  'cancelled',
];

/** The measured commands. */
const COMMANDS = [
  [],
  ['--status', 'failed,timed_out'],
  ['--name', 'calc'],
  ['-m', 'moonshot-v1-128k', '--since', '1d'],
  ['--json', '-l', '1000'],
];

const one = <T>(of: readonly T[], n: number): T => of[n % of.length] as T;

const { values } = parseArgs({
  options: { tasks: { type: 'string', default: '10000' }, rounds: { type: 'string', default: '5' } },
});
const tasks = Number(values.tasks);
const home = await mkdtemp(join(tmpdir(), 'kimi-list-'));
const [port, uiPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
const temporalCli = await findTemporalCli({ path, cache, onStep: () => {} });
const args = engineArgs({ port, uiPort, metricsPort, database: join(home, 'temporal.db') });
// Unsafe writes: they take most of the time and do not change what is read.
const hasty = args.map((value) => value.replace('synchronous=FULL', 'synchronous=OFF'));
const engine = spawn(temporalCli, hasty, { stdio: 'ignore' });
const address = `127.0.0.1:${port}`;
try {
  while (!(await prepareNamespace(address))) await pause(50);
  const client = new Client({ connection: await Connection.connect({ address }) });
  const { status, taskName, model, tokens } = SEARCH_ATTRIBUTES;
  const started = performance.now();
  await pLimit(AT_ONCE).map(Array(tasks).keys(), async (n) => {
    await client.workflow.start(TASK_WORKFLOW, {
      workflowId: `kimi-1707654321-${n}`,
      taskQueue: TASK_QUEUE,
      args: [{}],
      typedSearchAttributes: new TypedSearchAttributes([
        { key: status, value: one(STATES, n) },
        { key: taskName, value: one(NAMES, n) },
        { key: model, value: one(MODELS, n) },
        { key: tokens, value: 1_500 + n },
      ]),
    });
  });
  while ((await client.workflow.count()).count < tasks) await pause(200);
  console.error(`${tasks} tasks started in ${((performance.now() - started) / 1_000).toFixed(0)} s`);
  await client.connection.close();

  const env = {
    ...process.env,
    KIMI_HOME: home,
    TEMPORAL_ADDRESS: address,
    KIMI_CALLBACKS: 'native',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    KIMI_MAX_CONCURRENT_TASKS: '0',
  };
  console.log(`load ${loadavg()[0]?.toFixed(1)}; whole commands, milliseconds, median of ${values.rounds}`);
  for (const options of [...COMMANDS, ['--json', '-l', String(tasks)], undefined]) {
    const command = options ? ['list', ...options] : ['--version'];
    const times = Array.from({ length: Number(values.rounds) }, () => {
      const began = performance.now();
      const { status: code, stderr } = spawnSync(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), ...command], {
        env,
        encoding: 'utf8',
        maxBuffer: 2 ** 28,
      });
      if (code !== 0) throw new Error(stderr);
      return performance.now() - began;
    });
    console.log(`${command.join(' ').padEnd(40)} ${median(times).toFixed(0)}`);
  }
} finally {
  engine.kill('SIGTERM');
  await once(engine, 'exit');
  await rm(home, { recursive: true, force: true });
}

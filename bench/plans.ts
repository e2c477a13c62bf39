/** The compared systems: how each is started. */
import { execFile, type ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { freePort } from '../test/support/engine.ts';
import { temporalCli, startPostgres, startRedis, startRestate, startTemporal, type Engine } from './engines.ts';
import { readConfig } from '../src/config/index.ts';
import { bundleFloor } from './floor.ts';
import { end, kill, processesWith, startNode, treeOf, until } from './processes.ts';

const run = promisify(execFile);

/** The package of the peers; only this bench installs it. */
const PEERS = fileURLToPath(new URL('peers/', import.meta.url));

/** The folder of this build. */
const HERE = fileURLToPath(new URL('..', import.meta.url));

/** A system that runs. */
export interface Program {
  /** Every process. */
  pids(): number[];
  /** Kills the processes that hold tasks with kill -9, and starts them again until they take tasks. */
  killAndRestart(): Promise<void>;
  stop(): Promise<void>;
  /** Milliseconds from the start of its processes until it takes tasks. */
  readyMs: number;
  /** The command line of a build of ours. */
  cli?: { script: string; env: NodeJS.ProcessEnv };
  /** The process that starts tasks in place of the command line. */
  dispatcher?: number;
}

export interface Plan {
  name: string;
  /** What a 200 response to a callback guarantees. */
  guarantee: string;
  isDurable: boolean;
  /** Whether Kimi streams its answers to it, and no callback comes from outside. */
  isRelayed?: boolean;
  /** Port of `POST /tasks`, which starts a task with an id of its own. */
  tasksPort?: number;
  /** @param env addresses of Kimi, gateway and webhook, and the results folder */
  start(env: NodeJS.ProcessEnv): Promise<Program>;
}

/** @param own a new folder of the system @param against folder of another build of ours */
type Make = (own: string, against: string) => Promise<Plan>;

const PLANS: Record<string, Make> = {
  ours: async (own) => await build(HERE, own, 'Kimi Dispatch', false),
  old: async (own, against) => await build(against, own, 'the old build', false),
  'ours-relay': async (own) => await build(HERE, own, 'Kimi Dispatch, relay', true),
  'old-relay': async (own, against) => await build(against, own, 'the old build, relay', true),
  plain: async (own) => await temporalAlone(own, 'plain', 'plain Temporal, as the SDK comes'),
  least: async (own) => await temporalAlone(own, 'least', 'the least on Temporal'),
  original: async () => await peer('original', 'the original’s design', 'in a file, not synced; the wake in memory'),
  dbos: async () => await peer('dbos', 'DBOS', 'in PostgreSQL (synced)', startPostgres),
  bullmq: async (own) =>
    await peer('bullmq', 'BullMQ', 'in Redis (appendfsync always)', async () => await startRedis(join(own, 'redis'))),
  restate: async (own) =>
    await peer('restate', 'Restate', 'in the server’s log (synced)', async () => {
      const { adminUrl, ...engine } = await startRestate(join(own, 'restate'), PEERS);
      const port = String(await freePort());
      return { ...engine, env: { RESTATE_ADMIN_URL: adminUrl, RESTATE_SERVICE_PORT: port } };
    }),
};

export const SYSTEMS = Object.keys(PLANS);

/** @returns how to start a system. */
export async function planOf(system: string, own: string, against = ''): Promise<Plan> {
  const make = PLANS[system];
  if (make === undefined) throw new Error(`there is no system ${system}; there are ${SYSTEMS.join(', ')}`);
  await mkdir(own, { recursive: true });
  return await make(own, resolve(against));
}

/**
 * A build of ours, started as a user starts it. Its processes differ between builds, so they are found by `KIMI_HOME`. A process of
 * the bench starts its tasks with that build's own code, which does in one process what the command line does in a process per task.
 */
async function build(folder: string, own: string, name: string, isRelayed: boolean): Promise<Plan> {
  const { bin } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as { bin: Record<string, string> };
  const script = join(folder, bin['kimi-dispatch'] ?? '');
  const [tasksPort, temporalPort, cli] = [await freePort(), await freePort(), await temporalCli()];
  return {
    name,
    guarantee: 'in Temporal (SQLite, synced), or in its journal (LMDB, synced)',
    isDurable: true,
    isRelayed,
    tasksPort,
    async start(given) {
      const env: NodeJS.ProcessEnv = {
        ...given,
        TEMPORAL_CLI_PATH: cli,
        KIMI_HOME: own,
        KIMI_CACHE: readConfig().KIMI_CACHE,
        KIMI_CALLBACKS: isRelayed ? 'relay' : 'native',
        KIMI_TEMPORAL_PORT: String(temporalPort),
        ...Object.fromEntries(['KIMI_UI', 'KIMI_WORKER', 'KIMI_RELAY'].map((part) => [`${part}_PORT`, '0'])),
        KIMI_MAX_TASKS_PER_MINUTE: '0',
        KIMI_MAX_CONCURRENT_TASKS: '0',
      };
      const command = async (...words: string[]): Promise<unknown> =>
        await run(process.execPath, [script, ...words], { env, cwd: own });
      const started = performance.now();
      await command('up', '--detach');
      const readyMs = performance.now() - started;
      const dispatcher = await startNode(
        ['--import', import.meta.resolve('tsx'), join(folder, 'bench/dispatcher.ts')],
        { ...env, DISPATCHER_PORT: String(tasksPort), TEMPORAL_ADDRESS: `127.0.0.1:${temporalPort}` },
        own,
      );
      const pids = (): number[] => processesWith(`KIMI_HOME=${own}`);
      const killAll = async (): Promise<void> => {
        const killed = pids().filter((pid) => pid !== dispatcher.pid);
        kill(killed);
        await until(() => !pids().some((pid) => killed.includes(pid)));
      };
      return {
        pids,
        readyMs,
        cli: { script, env },
        dispatcher: dispatcher.pid as number,
        async killAndRestart() {
          await killAll();
          await command('up', '--detach');
        },
        async stop() {
          await end(dispatcher, 'SIGTERM');
          await command('down').catch(killAll);
        },
      };
    },
  };
}

/** Temporal's SDK with default settings and a bare workflow of floor-workflow.ts. */
async function temporalAlone(own: string, workflow: 'plain' | 'least', name: string): Promise<Plan> {
  return await peer('temporal', name, 'in Temporal (SQLite, synced)', async () => {
    const bundle = join(own, 'floor.cjs');
    await writeFile(bundle, (await bundleFloor()).code);
    return { ...(await startTemporal(own)), env: { FLOOR_BUNDLE: bundle, FLOOR_WORKFLOW: workflow } };
  });
}

/** A peer: one process, and an engine that keeps running when that is killed. */
async function peer(
  script: string,
  name: string,
  guarantee: string,
  startEngine?: () => Promise<Engine & { env?: NodeJS.ProcessEnv }>,
): Promise<Plan> {
  await installPeers();
  return {
    name,
    guarantee,
    isDurable: startEngine !== undefined,
    async start(given) {
      const engine = await startEngine?.();
      const env = { ...given, ENGINE_URL: engine?.url, ...engine?.env };
      const launch = async (): Promise<ChildProcess> => await startNode([join(PEERS, `${script}.js`)], env);
      const started = performance.now();
      let child = await launch();
      const readyMs = performance.now() - started;
      return {
        pids: () => [child.pid as number, ...(engine ? [engine.pid] : [])].flatMap(treeOf),
        readyMs,
        async killAndRestart() {
          await end(child, 'SIGKILL');
          child = await launch();
        },
        async stop() {
          await end(child, 'SIGTERM');
          await engine?.stop();
        },
      };
    },
  };
}

/** Installs the packages of the peers if missing, without install scripts. */
async function installPeers(): Promise<void> {
  if (existsSync(join(PEERS, 'node_modules/.package-lock.json'))) return;
  console.error('installing the peers (250 MB, once)');
  await run('npm', ['ci', '--ignore-scripts', '--silent'], { cwd: PEERS });
}

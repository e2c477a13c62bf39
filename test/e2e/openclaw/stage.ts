/** Everything that a chat with Kimi needs; only the chat service, the agent's model and Kimi itself are stand-ins. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { ResultFile } from '../../../src/shared/result.ts';
import type { TaskView } from '../../../src/shared/task.ts';
import { DIST } from '../../../src/service/files.ts';
import { ResultStore } from '../../../src/results/store.ts';
import type { Counts } from '../../../src/simulator/events.ts';
import type { StackState } from '../../../src/stack/state.ts';
import { freePort } from '../../support/engine.ts';
import { until } from '../../support/until.ts';
import type { ChatService } from './chat-service.ts';
import { HOOKS_TOKEN, installChannels, installOpenClaw, OpenClaw, type GatewayOptions } from './gateway.ts';
import { serveModel, type Model } from './model.ts';
import { serveTelegram, type Shown, type Telegram } from './telegram.ts';

/** Users of Telegram, and a group. */
export const OWNER = 4242;
export const FRIEND = 4343;
export const STRANGER = 6666;
export const GROUP = -1001;

export const WEBHOOK_SECRET = 'the-secret-of-the-end-to-end-test';
const CLI = join(DIST, 'kimi-dispatch.cjs');
const run = promisify(execFile);

export interface Stage {
  model: Model;
  gateway: OpenClaw;
  results: ResultStore;
  stack: StackState;
  /** The requests to the simulated Kimi so far. */
  kimi(): Promise<Pick<Counts, 'requests'>>;
  /** Runs the command line. @returns what it printed as JSON. */
  cli<T>(...args: string[]): Promise<T>;
  tasks(): Promise<{ task_id: string; task_name: string; state: string }[]>;
  view(task_id: string): Promise<TaskView>;
  /** Waits until the notification of a task is acknowledged. */
  acknowledged(task_id: string): Promise<ResultFile>;
  close(): Promise<void>;
}

export interface TelegramStage extends Stage {
  telegram: Telegram;
  /** The next matching message that a chat is shown from now on. */
  next(chat: number, fits: RegExp): Promise<Shown>;
}

/** The gateway's settings of Telegram. */
function telegramSettings({ url }: Telegram): object {
  return {
    enabled: true,
    botToken: '99:stub',
    apiRoot: url,
    dmPolicy: 'allowlist',
    allowFrom: [OWNER, FRIEND].map(String),
    groupPolicy: 'allowlist',
    groups: { [String(GROUP)]: { requireMention: false } },
  };
}

/** A stage with Telegram. */
export async function openStage(temporalCli: string): Promise<TelegramStage> {
  const telegram = await serveTelegram();
  const channels = { telegram: telegramSettings(telegram) };
  const stage = await openStageWith(temporalCli, { channels, owner: `telegram:${OWNER}` });
  return {
    ...stage,
    telegram,
    next: async (chat, fits) => await telegram.next(chat, fits),
    close: async () => {
      await stage.close();
      telegram.stop();
    },
  };
}

/**
 * Opens a stage with Telegram and other channels; its tasks go through the relay.
 *
 * @param environment of Kimi Dispatch
 */
export async function openStageOfChannels(
  temporalCli: string,
  telegram: Telegram,
  services: readonly ChatService[],
  environment: NodeJS.ProcessEnv = {},
): Promise<Stage> {
  const { channels, ...redirected } = channelsOf(services);
  return await openStageWith(
    temporalCli,
    {
      ...redirected,
      channels: { ...channels, telegram: telegramSettings(telegram) },
      owner: `telegram:${OWNER}`,
    },
    { ...environment, KIMI_CALLBACKS: 'relay' },
  );
}

/** The gateway's settings for these services. */
export function channelsOf(services: readonly ChatService[]) {
  const hosts = Object.fromEntries(services.flatMap((service) => service.hosts.map((host) => [host, service.url])));
  return {
    channels: Object.fromEntries(services.map((service) => [service.channel, service.settings()])),
    env: Object.assign(
      { REDIRECTED_HOSTS: JSON.stringify(hosts) },
      ...services.map((service) => service.env()),
    ) as Record<string, string>,
    imports: join(import.meta.dirname, 'redirect.ts'),
  };
}

/**
 * A stage with any channels.
 *
 * @param services environment of Kimi Dispatch, which simulates Kimi unless that names another one
 */
export async function openStageWith(
  temporalCli: string,
  options: Omit<GatewayOptions, 'install' | 'home' | 'port' | 'modelUrl'>,
  services: NodeJS.ProcessEnv = {},
): Promise<Stage> {
  const install = await installOpenClaw();
  await installChannels(install, Object.keys(options.channels));
  const home = await mkdtemp(join(tmpdir(), 'kimi-e2e-'));
  const [model, port] = await Promise.all([serveModel(), freePort()]);
  const gateway = new OpenClaw({ install, home, port, modelUrl: model.url, ...options });
  await gateway.configure();
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TEMPORAL_CLI_PATH: temporalCli,
    KIMI_TEMPORAL_PORT: '0',
    KIMI_UI_PORT: '0',
    WEBHOOK_PORT: '0',
    KIMI_WORKER_PORT: '0',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    KIMI_MAX_CONCURRENT_TASKS: '0',
    WEBHOOK_SECRET,
    KIMI_REPLY: 'deliver',
    OPENCLAW_WAKE_URL: `${gateway.url}/hooks/wake`,
    OPENCLAW_WAKE_TOKEN: HOOKS_TOKEN,
    ...services,
  };
  const up = spawn(process.execPath, [CLI, 'up', ...(services['KIMI_API_URL'] ? [] : ['--simulate'])], {
    env,
    cwd: home,
  });
  const close = async (): Promise<void> => {
    up.kill('SIGTERM');
    await Promise.all([gateway.stop(), up.exitCode === null && up.signalCode === null && once(up, 'exit')]);
    model.stop();
    await rm(home, { recursive: true, force: true, maxRetries: 3 });
  };
  try {
    await Promise.all([gateway.start(), ready(up)]);
  } catch (error) {
    await close();
    throw error;
  }
  const stack = JSON.parse(await readFile(join(home, '.local/share/kimi-dispatch/stack.json'), 'utf8')) as StackState;
  const results = new ResultStore(stack.results_dir);

  const cli = async <T>(...args: string[]): Promise<T> => {
    const { stdout } = await run(process.execPath, [CLI, ...args], { env, cwd: home });
    return JSON.parse(stdout) as T;
  };
  return {
    model,
    gateway,
    results,
    stack,
    cli,
    kimi: async () => (await (await fetch(`${stack.simulator_url}/simulator/counts`)).json()) as Counts,
    tasks: async () => await cli('list', '--json', '-l', '100'),
    view: async (task_id) => await cli('status', task_id, '--json'),
    acknowledged: async (task_id) =>
      await until(async () => {
        const result = await results.read(task_id);
        return result?.acknowledged && result;
      }),
    close,
  };
}

async function ready(up: ChildProcess): Promise<void> {
  let said = '';
  for (const stream of [up.stdout, up.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await until(() => {
    if (up.exitCode !== null) throw new Error(`the stack ended: ${said}`);
    return said.includes('Ctrl-C');
  });
}

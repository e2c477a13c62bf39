/** The real gateway, from npm. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp, mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readConfig } from '../../../src/config/index.ts';
import { PACKAGE_ROOT } from '../../../src/service/files.ts';
import { until } from '../../support/until.ts';
import { Page } from './page.ts';

/** The newest release; `npm run e2e:openclaw -- --openclaw VERSION` runs another one. */
const VERSION = process.env['OPENCLAW_VERSION'] ?? '2026.9.6';
const NODE = 'node@24';

/** Channels that are packages of their own. */
const PACKAGES = ['discord', 'feishu', 'line', 'slack'];

export const HOOKS_TOKEN = 'hook-of-the-end-to-end-test';
const GATEWAY_TOKEN = 'gw-of-the-end-to-end-test';

const run = promisify(execFile);

/** Installs OpenClaw, and a Node that it supports, into the cache folder (768 MB; once). @returns the folder. */
export async function installOpenClaw(): Promise<string> {
  const folder = join(readConfig().KIMI_CACHE, `openclaw-${VERSION}`);
  if (existsSync(join(folder, 'node_modules/openclaw/openclaw.mjs'))) return folder;
  const aside = `${folder}.new`;
  await rm(aside, { recursive: true, force: true });
  await mkdir(aside, { recursive: true });
  await writeFile(join(aside, 'package.json'), '{"private":true}');
  const npm = ['install', '--no-audit', '--no-fund', '--silent'];
  await run('npm', [...npm, NODE], { cwd: aside });
  // Its installation requires the Node that it will run on.
  const PATH = `${join(aside, 'node_modules/node/bin')}:${process.env['PATH']}`;
  await run('npm', [...npm, `openclaw@${VERSION}`], { cwd: aside, env: { ...process.env, PATH } });
  await rm(folder, { recursive: true, force: true });
  await rename(aside, folder);
  return folder;
}

/**
 * Installs the newest version of each channel that is not newer than the gateway, into a home in the cache folder (50 MB and a minute
 * each; once). OpenClaw trusts a channel with its own state only if it has installed it.
 */
export async function installChannels(install: string, channels: string[]): Promise<void> {
  const home = join(install, 'home');
  const PATH = `${join(install, 'node_modules/node/bin')}:${process.env['PATH']}`;
  const env = { ...process.env, PATH, HOME: home };
  await mkdir(home, { recursive: true });
  for (const channel of PACKAGES) {
    const done = join(home, `${channel}.installed`);
    if (!channels.includes(channel) || existsSync(done)) continue;
    const { stdout } = await run('npm', ['view', '--json', `@openclaw/${channel}@<=${VERSION}`, 'version']);
    // In the order of their publication: an older release may have a later patch.
    const versions = [JSON.parse(stdout) as string | string[]].flat();
    const newest = versions.toSorted((one, other) => one.localeCompare(other, 'en', { numeric: true })).at(-1);
    const openclaw = join(install, 'node_modules/openclaw/openclaw.mjs');
    await run('node', [openclaw, 'plugins', 'install', `npm:@openclaw/${channel}@${newest}`], { env });
    await writeFile(done, '');
  }
}

export interface GatewayOptions {
  install: string;
  home: string;
  port: number;
  modelUrl: string;
  /** Settings by channel. */
  channels: Record<string, object>;
  /** `channel:user`. */
  owner: string;
  env?: Record<string, string>;
  /** Module that is loaded into the gateway. */
  imports?: string;
}

/** One gateway with one configuration, started and stopped by tests. */
export class OpenClaw {
  readonly url: string;
  private process: ChildProcess | undefined;

  constructor(private readonly options: GatewayOptions) {
    this.url = `http://127.0.0.1:${options.port}`;
  }

  private get logFile(): string {
    return join(this.options.home, 'gateway.log');
  }

  async configure(): Promise<void> {
    const { install, home, port, modelUrl, channels, owner } = this.options;
    const installed = PACKAGES.filter((channel) => channel in channels);
    const config = {
      gateway: { mode: 'local', bind: 'loopback', port, auth: { mode: 'token', token: GATEWAY_TOKEN } },
      agents: { defaults: { skipBootstrap: true, heartbeat: { every: '0m' }, model: { primary: 'stub/stub' } } },
      models: {
        mode: 'merge',
        providers: {
          stub: {
            baseUrl: `${modelUrl}/v1`,
            apiKey: 'sk-stub',
            api: 'openai-completions',
            models: [{ id: 'stub', name: 'stub', contextWindow: 200_000, maxTokens: 4_000 }],
          },
        },
      },
      hooks: { enabled: true, token: HOOKS_TOKEN, path: '/hooks' },
      tools: { toolSearch: false },
      commands: { ownerAllowFrom: [owner] },
      channels,
      plugins: {
        load: { paths: [join(PACKAGE_ROOT, 'openclaw/plugin')] },
        entries: Object.fromEntries(['kimi-dispatch', ...installed].map((id) => [id, { enabled: true }])),
      },
    };
    await mkdir(join(home, '.openclaw'), { recursive: true });
    // It records where the channels are installed.
    const state = join(install, 'home/.openclaw/state');
    if (installed.length > 0) await cp(state, join(home, '.openclaw/state'), { recursive: true });
    await writeFile(join(home, '.openclaw/openclaw.json'), JSON.stringify(config, null, 2));
  }

  /** Resolves when it is ready and its channel polls. */
  async start(): Promise<void> {
    const { install, home, env, imports } = this.options;
    const log = await open(this.logFile, 'a');
    const node = join(install, 'node_modules/node/bin/node');
    const before = imports === undefined ? [] : ['--import', imports];
    this.process = spawn(node, [...before, join(install, 'node_modules/openclaw/openclaw.mjs'), 'gateway', 'run'], {
      env: { PATH: process.env['PATH'], HOME: home, OPENCLAW_NO_RESPAWN: '1', NO_COLOR: '1', ...env },
      cwd: home,
      stdio: ['ignore', log.fd, log.fd],
    });
    await log.close();
    const { process: child } = this;
    await until(async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the gateway ended: ${await this.log()}`);
      return await fetch(`${this.url}/readyz`).then(
        ({ ok }) => ok,
        () => false,
      );
    });
  }

  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGKILL'): Promise<void> {
    const child = this.process;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Opens a page of WebChat. */
  async openPage(session: string): Promise<Page> {
    return await Page.open(this.url, GATEWAY_TOKEN, session);
  }

  async log(): Promise<string> {
    return await readFile(this.logFile, 'utf8');
  }

  /** `POST /tools/invoke`: a tool, called without a model. */
  async invoke(tool: string, args: Record<string, unknown>): Promise<{ status: number; body: string }> {
    const response = await fetch(`${this.url}/tools/invoke`, {
      method: 'POST',
      headers: { authorization: `Bearer ${GATEWAY_TOKEN}`, 'content-type': 'application/json' },
      body: JSON.stringify({ tool, args, sessionKey: 'main' }),
    });
    return { status: response.status, body: await response.text() };
  }
}

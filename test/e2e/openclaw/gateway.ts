/** The real gateway, from npm. */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { readConfig } from '../../../src/config/index.ts';
import { PACKAGE_ROOT } from '../../../src/service/files.ts';
import { until } from '../../support/until.ts';

const VERSION = '2026.9.6';
const NODE = 'node@24';

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

export interface GatewayOptions {
  install: string;
  home: string;
  port: number;
  telegramUrl: string;
  modelUrl: string;
  /** Telegram users whom the gateway accepts. */
  allowed: number[];
  owner?: number;
  group: number;
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
    const { home, port, telegramUrl, modelUrl, allowed, owner, group } = this.options;
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
      ...(owner !== undefined && { commands: { ownerAllowFrom: [`telegram:${owner}`] } }),
      channels: {
        telegram: {
          enabled: true,
          botToken: '99:stub',
          apiRoot: telegramUrl,
          dmPolicy: 'allowlist',
          allowFrom: allowed.map(String),
          groupPolicy: 'allowlist',
          groups: { [String(group)]: { requireMention: false } },
        },
      },
      plugins: {
        load: { paths: [join(PACKAGE_ROOT, 'openclaw/plugin')] },
        entries: { 'kimi-dispatch': { enabled: true } },
      },
    };
    await mkdir(join(home, '.openclaw'), { recursive: true });
    await writeFile(join(home, '.openclaw/openclaw.json'), JSON.stringify(config, null, 2));
  }

  /** Resolves when it is ready and its channel polls. */
  async start(): Promise<void> {
    const { install, home } = this.options;
    const log = await open(this.logFile, 'a');
    const node = join(install, 'node_modules/node/bin/node');
    this.process = spawn(node, [join(install, 'node_modules/openclaw/openclaw.mjs'), 'gateway', 'run'], {
      env: { PATH: process.env['PATH'], HOME: home, OPENCLAW_NO_RESPAWN: '1', NO_COLOR: '1' },
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

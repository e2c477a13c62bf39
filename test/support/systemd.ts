/** A real systemd user manager, as a login or a boot with linger starts it. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { temporaryFolder, until } from './resources.ts';

const SYSTEMD = ['/lib/systemd/systemd', '/usr/lib/systemd/systemd'].find((file) => existsSync(file)) ?? '';

/**
 * The manager needs `/run/systemd/system`, so it gets a `/run` of its own. It moves every process of its control group into a
 * own group: it starts only in a group without other processes.
 */
const START = [
  'set -e',
  'mount -t tmpfs tmpfs /run && mkdir -p /run/systemd/system',
  'for root in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do',
  '  [ -e "$root/cgroup.procs" ] && mkdir -p "$root/$GROUP" && echo $$ >"$root/$GROUP/cgroup.procs"',
  'done',
  '[ "$(grep -cE "^([0-9]+:name=systemd|0:):/" /proc/self/cgroup)" = "$(grep -cE "^([0-9]+:name=systemd|0:):/$GROUP$" /proc/self/cgroup)" ]',
  'exec "$0" --user',
].join('\n');

/** @returns why no manager can run here, if so */
export function noSystemd(): string | undefined {
  if (SYSTEMD === '') return 'systemd is not installed';
  try {
    execFileSync('unshare', ['-m', 'true'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'no right to make a mount namespace';
  }
}

export interface Machine {
  /** The environment of a shell on it. */
  env: Record<string, string>;
  /** Kills every process, as a power cut does. */
  cutPower(): Promise<void>;
  /** Starts only the manager: it starts what is enabled. */
  boot(): Promise<void>;
  systemctl(...args: string[]): string;
}

/** @param env the shell's: `HOME` is the user's home */
export async function bootMachine(env: Record<string, string>): Promise<Machine> {
  const runtime = await temporaryFolder();
  const bin = await temporaryFolder();
  await standInForLogind(bin);
  const PATH = `${bin}${delimiter}${env['PATH'] ?? ''}`;
  const shell = { ...env, PATH, XDG_RUNTIME_DIR: runtime };
  const group = `kimi-test-${crypto.randomUUID()}`;
  let manager: ChildProcess | undefined;
  const folders = ['', 'systemd', 'unified']
    .map((root) => join('/sys/fs/cgroup', root))
    .filter((root) => existsSync(join(root, 'cgroup.procs')))
    .map((root) => join(root, group));
  const cutPower = async (): Promise<void> => {
    const ended = manager && manager.exitCode === null && manager.signalCode === null && once(manager, 'exit');
    await until(() => {
      const left = processesIn(folders[0] ?? '');
      // Stopped first, so that none can start another.
      for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of left) kill(pid, signal);
      return left.length === 0;
    });
    await ended;
  };
  onTestFinished(async () => {
    await cutPower();
    execFileSync('find', [...folders, '-depth', '-type', 'd', '-delete']);
  });
  const machine: Machine = {
    env: shell,
    cutPower,
    boot: async () => {
      await mkdir(join(env['HOME'] ?? '', '.config/systemd/user'), { recursive: true });
      // The variables that pam_systemd sets; nothing of the shell.
      const boot = { HOME: env['HOME'], PATH: '/usr/local/bin:/usr/bin:/bin', XDG_RUNTIME_DIR: runtime, GROUP: group };
      manager = spawn('unshare', ['-m', 'sh', '-c', START, SYSTEMD], { env: boot, stdio: 'ignore' });
      await until(() => {
        if (manager?.exitCode !== null) throw new Error('systemd did not start');
        try {
          machine.systemctl('is-active', 'basic.target');
          return true;
        } catch {
          return false;
        }
      });
    },
    systemctl: (...args) =>
      execFileSync('systemctl', ['--user', ...args], { env: shell, encoding: 'utf8', stdio: 'pipe' }).trim(),
  };
  await machine.boot();
  return machine;
}

/** There is no logind: a file replaces its record. */
async function standInForLogind(bin: string): Promise<void> {
  const script = [
    '#!/bin/sh',
    `lingers=${bin}/lingers`,
    'case "$*" in',
    '  *enable-linger*) touch "$lingers" ;;',
    '  *show-user*) if [ -e "$lingers" ]; then echo yes; else echo no; fi ;;',
    'esac',
  ].join('\n');
  await writeFile(join(bin, 'loginctl'), script);
  await chmod(join(bin, 'loginctl'), 0o755);
}

/** @returns the processes of a control group and of the groups in it. A group may vanish meanwhile. */
function processesIn(group: string): number[] {
  return orNone(() => readdirSync(group, { recursive: true, encoding: 'utf8' }))
    .filter((name) => name.endsWith('cgroup.procs'))
    .flatMap((name) => orNone(() => readFileSync(join(group, name), 'utf8').split('\n').filter(Boolean).map(Number)));
}

function orNone<T>(read: () => T[]): T[] {
  try {
    return read();
  } catch {
    return [];
  }
}

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // It has already ended.
  }
}

/** The operating system's service manager: systemd on Linux, launchd on macOS. */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { promisify } from 'node:util';
import { foreignEnvironment } from '../service/foreign-program.ts';
import { definitionFile, originOf, serviceName, type Origin, type Scope } from './definition.ts';

const run = promisify(execFile);

/** How long one call of the manager may take, in milliseconds. A stop waits for the orderly end of the services. */
const CALL_MS = 100_000;

const isMac = process.platform === 'darwin';

/** A service that is installed for a home. */
export interface Installed extends Origin {
  name: string;
  scope: Scope;
  file: string;
}

export interface ServiceState {
  /** `retrying`: it ended with an error and is started again soon. */
  active: 'running' | 'retrying' | 'stopped';
  /** Process id of `up`, if it runs. */
  pid: number | undefined;
  /** Why it does not start at boot, if so. A launchd agent starts when its user logs in. */
  boot: 'yes' | 'login' | 'no_linger' | 'disabled';
}

/** A command of the manager. */
export interface Step {
  command: string[];
  /** Whether the installation is useful without it. */
  optional?: true;
}

/** @returns the service of a home; `undefined` without one. */
export function installedService(home: string): Installed | undefined {
  for (const scope of ['user', 'system'] as const) {
    const name = serviceName(home, scope);
    const file = definitionFile(name, scope);
    const origin = existsSync(file) ? originOf(readFileSync(file, 'utf8')) : undefined;
    if (origin?.home === home) return { ...origin, name, scope, file };
  }
  return undefined;
}

/** @returns the missing files of a service's program, since Node or the package was moved or removed. */
export function missingFiles({ program }: Installed): string[] {
  return program.filter((file) => !existsSync(file));
}

/** @returns why no service can be installed here: no manager, or no session of this user. */
export async function managerProblem(scope: Scope): Promise<'no_manager' | 'no_session' | undefined> {
  if (isMac) return undefined;
  const { code } = await call(['systemctl', '--version']);
  if (code !== 0) return 'no_manager';
  if (scope === 'system') return existsSync('/run/systemd/system') ? undefined : 'no_manager';
  return (await call(['systemctl', '--user', 'show-environment'])).code === 0 ? undefined : 'no_session';
}

/** @param file a definition that this user can write; for `system` it is copied to its place */
export function installSteps(name: string, scope: Scope, file: string): Step[] {
  const place = definitionFile(name, scope);
  const copy: Step[] = scope === 'system' ? [asRoot(['install', '-m', '644', file, place])] : [];
  if (isMac) {
    const [domain, target] = launchdTarget(name, scope);
    return [
      ...copy,
      { ...inScope(scope, ['launchctl', 'bootout', target]), optional: true },
      inScope(scope, ['launchctl', 'enable', target]),
      inScope(scope, ['launchctl', 'bootstrap', domain, place]),
    ];
  }
  const linger: Step[] =
    scope === 'user' ? [{ command: ['loginctl', '--no-ask-password', 'enable-linger'], optional: true }] : [];
  const calls = [['daemon-reload'], ['enable', `${name}.service`], ['restart', `${name}.service`]];
  return [...copy, ...linger, ...calls.map((words) => systemctl(scope, words))];
}

export function uninstallSteps({ name, scope, file }: Installed): Step[] {
  const remove = scope === 'system' ? asRoot(['rm', '-f', file]) : { command: ['rm', '-f', file] };
  if (isMac) {
    const [, target] = launchdTarget(name, scope);
    return [{ ...inScope(scope, ['launchctl', 'bootout', target]), optional: true }, remove];
  }
  return [systemctl(scope, ['disable', '--now', `${name}.service`]), remove, systemctl(scope, ['daemon-reload'])];
}

export function startSteps({ name, scope, file }: Installed): Step[] {
  if (!isMac) return [systemctl(scope, ['start', `${name}.service`])];
  const [domain, target] = launchdTarget(name, scope);
  return [
    { ...inScope(scope, ['launchctl', 'bootstrap', domain, file]), optional: true },
    inScope(scope, ['launchctl', 'kickstart', target]),
  ];
}

/** Stops the service: `up` drains and ends, and is not started again until the next boot. */
export function stopSteps({ name, scope }: Installed): Step[] {
  if (!isMac) return [systemctl(scope, ['stop', `${name}.service`])];
  const [, target] = launchdTarget(name, scope);
  return [inScope(scope, ['launchctl', 'kill', 'SIGTERM', target])];
}

/** @returns the output of a step; `code` is not 0 if it failed. */
export async function call(command: string[]): Promise<{ code: number; output: string }> {
  const [program = '', ...args] = command;
  try {
    const { stdout } = await run(program, args, { timeout: CALL_MS, env: { ...foreignEnvironment(), LC_ALL: 'C' } });
    return { code: 0, output: stdout.trim() };
  } catch (error) {
    const { code, stderr, message } = error as { code?: number | string; stderr?: string; message: string };
    return { code: typeof code === 'number' ? code : 1, output: (stderr?.trim() || message).split('\n').at(-1) ?? '' };
  }
}

export async function stateOf({ name, scope }: Installed): Promise<ServiceState> {
  return isMac ? await launchdState(name, scope) : await systemdState(name, scope);
}

async function systemdState(name: string, scope: Scope): Promise<ServiceState> {
  const properties = '--property=ActiveState,MainPID,UnitFileState';
  const [{ output }, linger] = await Promise.all([
    call([...(scope === 'user' ? ['systemctl', '--user'] : ['systemctl']), 'show', properties, `${name}.service`]),
    scope === 'user' ? call(['loginctl', 'show-user', userInfo().username, '--property=Linger', '--value']) : undefined,
  ]);
  const {
    ActiveState: active,
    MainPID: main,
    UnitFileState: file,
  } = Object.fromEntries(output.split('\n').map((line) => line.split('=', 2))) as NodeJS.Dict<string>;
  const pid = Number(main) || undefined;
  const isLingering = linger === undefined || linger.output === 'yes';
  return {
    active: pid !== undefined ? 'running' : active === 'activating' ? 'retrying' : 'stopped',
    pid,
    boot: file !== 'enabled' ? 'disabled' : isLingering ? 'yes' : 'no_linger',
  };
}

async function launchdState(name: string, scope: Scope): Promise<ServiceState> {
  const [, target] = launchdTarget(name, scope);
  const { code, output } = await call(['launchctl', 'print', target]);
  const pid = Number(/^\s*pid = (\d+)$/m.exec(output)?.[1]) || undefined;
  return {
    active: pid !== undefined ? 'running' : code === 0 && /spawn scheduled/.test(output) ? 'retrying' : 'stopped',
    pid,
    boot: scope === 'user' ? 'login' : 'yes',
  };
}

function launchdTarget(name: string, scope: Scope): [string, string] {
  const domain = scope === 'user' ? `gui/${userInfo().uid}` : 'system';
  return [domain, `${domain}/${name}`];
}

function systemctl(scope: Scope, words: string[]): Step {
  return inScope(scope, ['systemctl', ...(scope === 'user' ? ['--user'] : []), ...words]);
}

function inScope(scope: Scope, command: string[]): Step {
  return scope === 'user' ? { command } : asRoot(command);
}

/** Only a terminal can ask for a password. */
function asRoot(command: string[]): Step {
  if (userInfo().uid === 0) return { command };
  return { command: ['sudo', ...(process.stdin.isTTY ? [] : ['-n']), ...command] };
}

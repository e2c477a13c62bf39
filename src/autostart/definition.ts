/** What `service install` registers with the operating system: a systemd unit or a launchd property list that runs `up`. */
import { createHash } from 'node:crypto';
import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { ALL_SECRETS, SECRET_FILES } from '../config/secrets.ts';
import { VARIABLES } from '../config/variables.ts';
import { DIST } from '../service/files.ts';

/** Longest orderly stop, in seconds: the services drain for 35 s at most, then the engine. */
const STOP_S = 90;

/** Wait before a process that ended is started again, in seconds. */
const RESTART_S = 5;

/** `user` starts with the user's session manager, `system` with the machine. */
export type Scope = 'user' | 'system';

export interface Definition {
  /** Name of the unit, and label of the launchd job. */
  name: string;
  /** `KIMI_HOME`. */
  home: string;
  /** Node and the command line, both absolute. */
  program: [string, string];
  /** Holds no secret. */
  environment: Record<string, string>;
  /** Receives standard output and standard error. */
  log: string;
  /** The user that it runs as; only for {@link Scope} `system`. */
  user: string | undefined;
}

/** Variables of other software that the services read. */
const FOREIGN =
  /^(?:PATH|TZ|NODE_EXTRA_CA_CERTS|SSL_CERT_(?:FILE|DIR)|XDG_(?:DATA|CACHE|CONFIG)_HOME|(?:HTTPS?|ALL|NO)_PROXY|AWS_(?:REGION|DEFAULT_REGION|PROFILE|ENDPOINT_URL)|TEMPORAL_(?:NAMESPACE|PROFILE|CONFIG_FILE|TLS|TLS_\w+_(?:PATH|NAME))|OTEL_SERVICE_NAME)$/i;

const OTHER_SECRETS = ['TEMPORAL_API_KEY', 'AWS_ACCESS_KEY_ID'];

/** @returns whether a URL in the value names a user: a proxy's password, for example. */
const hasCredentials = (value: string): boolean => /:\/\/[^/\s]*@/.test(value);

/**
 * @param given the environment of the shell, without the `.env` files, which `up` reads itself
 * @returns the variables that the service needs, and the names of those that it must not have in its definition
 */
export function environmentOf(given: NodeJS.ProcessEnv): { kept: Record<string, string>; secrets: string[] } {
  const kept: Record<string, string> = {};
  const secrets: string[] = [];
  const isSecret = new Set([...ALL_SECRETS, ...OTHER_SECRETS]);
  for (const [name, value = ''] of Object.entries(given).toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    if (value.trim() === '') continue;
    const isKnown = name in VARIABLES || SECRET_FILES.includes(name) || FOREIGN.test(name);
    if (isSecret.has(name) || (isKnown && hasCredentials(value))) secrets.push(name);
    else if (isKnown) kept[name] = value;
  }
  return { kept, secrets };
}

/** @returns the name of a home's service. The default home has the plain one. */
export function serviceName(home: string, scope: Scope): string {
  const isDefault = home === VARIABLES.KIMI_HOME.schema.parse(undefined);
  const id = isDefault ? (scope === 'system' ? userInfo().username : '') : hashOf(home);
  return id === '' ? 'kimi-dispatch' : `kimi-dispatch-${id}`;
}

function hashOf(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, 8);
}

export function definitionOf(home: string, scope: Scope, given: NodeJS.ProcessEnv): Definition {
  return {
    name: serviceName(home, scope),
    home,
    program: [process.execPath, join(DIST, 'kimi-dispatch.cjs')],
    environment: { ...environmentOf(given).kept, KIMI_HOME: home },
    log: join(home, 'logs', 'up.log'),
    user: scope === 'system' ? userInfo().username : undefined,
  };
}

/** @returns where the operating system reads a definition. */
export function definitionFile(name: string, scope: Scope, platform = process.platform): string {
  if (platform === 'darwin') {
    return scope === 'user'
      ? join(homedir(), 'Library/LaunchAgents', `${name}.plist`)
      : `/Library/LaunchDaemons/${name}.plist`;
  }
  const config = process.env['XDG_CONFIG_HOME']?.trim();
  const folder = resolve(config ? config : join(homedir(), '.config'), 'systemd/user');
  return scope === 'user' ? join(folder, `${name}.service`) : `/etc/systemd/system/${name}.service`;
}

export function definitionText(definition: Definition, platform = process.platform): string {
  return platform === 'darwin' ? launchdPlist(definition) : systemdUnit(definition);
}

/** What a definition says of itself, in a comment. */
export type Origin = Pick<Definition, 'home' | 'program'>;

const ORIGIN_PREFIX = 'Written by kimi-dispatch service install:';

/** @returns the home and the program of a definition; `undefined` if `service install` did not write it. */
export function originOf(text: string): Origin | undefined {
  const line = text.split('\n').find((each) => each.includes(ORIGIN_PREFIX));
  if (line === undefined) return undefined;
  try {
    const json = line.slice(line.indexOf('{'), line.lastIndexOf('}') + 1);
    return JSON.parse(json) as Origin;
  } catch {
    return undefined;
  }
}

function originComment({ home, program }: Origin): string {
  // A comment in XML must not hold two hyphens.
  return `${ORIGIN_PREFIX} ${JSON.stringify({ home, program }).replaceAll('--', String.raw`-\u002d`)}`;
}

/** A value in double quotes: systemd.syntax(7). `%` begins a specifier. */
function quoted(value: string): string {
  const escaped = value
    .replaceAll('\\', String.raw`\\`)
    .replaceAll('"', String.raw`\"`)
    .replaceAll('%', '%%');
  return `"${escaped.replaceAll('\n', String.raw`\n`)}"`;
}

/** An argument: `$` begins a variable. */
function argument(value: string): string {
  return quoted(value).replaceAll('$', '$$$$');
}

/**
 * `mixed` signals `up` alone, which stops the others in order; what is left of them is killed. A stop (`down`, SIGTERM) ends with 0,
 * so that only a failure starts it again.
 */
function systemdUnit(definition: Definition): string {
  const { program, environment, log, user } = definition;
  const lines = [
    `# ${originComment(definition)}`,
    '[Unit]',
    'Description=Kimi Dispatch',
    ...(user === undefined ? [] : ['Wants=network-online.target', 'After=network-online.target']),
    // Try as long as it takes: a port may be freed, a disk may be mounted later.
    'StartLimitIntervalSec=0',
    '',
    '[Service]',
    'Type=exec',
    // By the shell: systemd refuses a program whose path has quotes.
    `ExecStart=/bin/sh -c ${['exec "$@"', 'sh', ...program, 'up'].map(argument).join(' ')}`,
    ...Object.entries(environment).map(([name, value]) => `Environment=${quoted(`${name}=${value}`)}`),
    ...(user === undefined ? [] : [`User=${user}`]),
    'UMask=0077',
    `StandardOutput=append:${log.replaceAll('%', '%%')}`,
    'StandardError=inherit',
    'Restart=on-failure',
    `RestartSec=${RESTART_S}`,
    'KillMode=mixed',
    `TimeoutStopSec=${STOP_S}`,
    // `up` starts a killed process again itself.
    'OOMPolicy=continue',
    '',
    '[Install]',
    `WantedBy=${user === undefined ? 'default' : 'multi-user'}.target`,
  ];
  return `${lines.join('\n')}\n`;
}

function launchdPlist(definition: Definition): string {
  const { name, program, environment, log, user } = definition;
  const entries: [string, string][] = [
    ['Label', plistString(name)],
    ['ProgramArguments', `<array>${[...program, 'up'].map(plistString).join('')}</array>`],
    ['EnvironmentVariables', plistDict(Object.entries(environment).map(([key, value]) => [key, plistString(value)]))],
    ...(user === undefined ? [] : [['UserName', plistString(user)] as [string, string]]),
    ['RunAtLoad', '<true/>'],
    ['KeepAlive', plistDict([['SuccessfulExit', '<false/>']])],
    ['ThrottleInterval', `<integer>${RESTART_S}</integer>`],
    ['ExitTimeOut', `<integer>${STOP_S}</integer>`],
    // 0o077: launchd reads decimals.
    ['Umask', '<integer>63</integer>'],
    ['StandardOutPath', plistString(log)],
    ['StandardErrorPath', plistString(log)],
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<!-- ${originComment(definition)} -->`,
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    `<plist version="1.0">${plistDict(entries)}</plist>`,
    '',
  ].join('\n');
}

const plistDict = (entries: [string, string][]): string =>
  `<dict>\n${entries.map(([key, value]) => `<key>${xml(key)}</key>${value}\n`).join('')}</dict>`;

const plistString = (value: string): string => `<string>${xml(value)}</string>`;

function xml(value: string): string {
  return value.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

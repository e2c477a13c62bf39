/** The settings of Kimi Dispatch in the gateway's configuration. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { ConfigFiles } from './config-files.ts';
import { isObject, SettingsError, valueAt, type Path } from '../setup/json5.ts';
import { gatewayPort, substituted, type Location } from './location.ts';

export const PLUGIN_ID = 'kimi-dispatch';

/** Suffix of the plugin's folder, wherever the package is installed. */
const PLUGIN_FOLDER = 'openclaw/plugin';

const PATHS: Path = ['plugins', 'load', 'paths'];
const ALLOWED: Path = ['plugins', 'allow'];
const TOKEN: Path = ['hooks', 'token'];

/** The settings that matter here. */
export interface GatewayFacts {
  /** Address of the gateway's own wake hook. */
  wakeUrl: string;
  /** `hooks.token`; `none` if there is none, `hidden` if it is kept elsewhere or names a variable that is not set here. */
  hooksToken: { value: string } | 'none' | 'hidden';
  /** The interval of the agent's heartbeat; `undefined` for the default, 30 min. */
  heartbeat: unknown;
  /** The certificate of the gateway; `undefined` without TLS. */
  certificate: string | undefined;
  /** The setting with which the gateway loads no plugin of ours. */
  blocked: 'plugins.enabled' | 'plugins.deny' | undefined;
}

/** The settings to write. */
export interface Wanted {
  /** The folder of the plugin. */
  plugin: string;
  /** The `hooks.token` to write; `undefined` if the configuration has a token, which stays. */
  hooksToken: string | undefined;
  /** Whether `/hooks/wake` is used. */
  hooks: boolean;
  /** Whether the gateway starts the services; `undefined` leaves it as it is. */
  start?: boolean | undefined;
}

/** @throws {SettingsError} */
export function readGateway(files: ConfigFiles, location: Pick<Location, 'env' | 'stateDir' | 'pathOf'>): GatewayFacts {
  const config = files.effective;
  const env = { ...configuredVariables(config), ...location.env };
  const path = valueAt(config, ['hooks', 'path']);
  const hooksPath = typeof path === 'string' && path.trim() !== '' ? substituted(path.trim(), env) : '/hooks';
  if (hooksPath === undefined) throw unknownVariable(['hooks', 'path']);
  const tls = valueAt(config, ['gateway', 'tls']);
  const hasTls = valueAt(tls, ['enabled']) === true;
  const certificate = valueAt(tls, ['certPath']);
  const named = typeof certificate === 'string' ? substituted(certificate, env) : undefined;
  const origin = `${hasTls ? 'https' : 'http'}://127.0.0.1:${gatewayPort(valueAt(config, ['gateway', 'port']), env)}`;
  const denied = valueAt(config, ['plugins', 'deny']);
  const isDenied = Array.isArray(denied) && denied.includes(PLUGIN_ID);
  return {
    wakeUrl: `${origin}/${hooksPath.replace(/^\//, '').replace(/\/+$/, '')}/wake`,
    hooksToken: tokenOf(valueAt(config, TOKEN), env),
    heartbeat: valueAt(config, ['agents', 'defaults', 'heartbeat', 'every']),
    certificate: hasTls
      ? named?.trim()
        ? location.pathOf(named)
        : join(location.stateDir, 'gateway/tls/gateway-cert.pem')
      : undefined,
    blocked:
      valueAt(config, ['plugins', 'enabled']) === false ? 'plugins.enabled' : isDenied ? 'plugins.deny' : undefined,
  };
}

/** The variables of the configuration itself: the environment wins. */
function configuredVariables(config: unknown): Record<string, string> {
  const env = valueAt(config, ['env']);
  const entries = [valueAt(env, ['vars']), env].flatMap((each) => (isObject(each) ? Object.entries(each) : []));
  return Object.fromEntries(entries.filter((entry): entry is [string, string] => typeof entry[1] === 'string'));
}

function tokenOf(written: unknown, env: NodeJS.ProcessEnv): GatewayFacts['hooksToken'] {
  if (isUnset(written)) return 'none';
  const value = typeof written === 'string' ? substituted(written, env)?.trim() : undefined;
  return value ? { value } : 'hidden';
}

/** Whether there is no token: the gateway takes an empty one for none. */
function isUnset(token: unknown): boolean {
  return token === undefined || (typeof token === 'string' && token.trim() === '');
}

function unknownVariable(path: Path): SettingsError {
  const name = path.join('.');
  return new SettingsError(`${name} names a variable that is not set here`, { kind: 'variable', path: name });
}

/** Adds the settings. Existing ones keep their form. @throws {SettingsError} */
export function addKimiDispatch(config: ConfigFiles, { plugin, hooksToken, hooks, start }: Wanted): void {
  if (hooksToken !== undefined) config.set(TOKEN, hooksToken);
  if (hooks) config.set(['hooks', 'enabled'], true);
  config.change(PATHS, (paths) => withPlugin(listOf(paths, PATHS), plugin));
  config.set(['plugins', 'entries', PLUGIN_ID, 'enabled'], true);
  if (start !== undefined) config.set(['plugins', 'entries', PLUGIN_ID, 'config', 'startServices'], start);
  // If the list exists, the gateway loads nothing else.
  if (config.at(ALLOWED) !== undefined) {
    config.change(ALLOWED, (allowed) => [...new Set([...listOf(allowed, ALLOWED), PLUGIN_ID])]);
  }
}

/** The gateway runs the first of two plugins with one id, so ours replaces one from another folder. */
function withPlugin(paths: readonly unknown[], plugin: string): unknown[] {
  const isFirst = paths.findIndex(isOurs);
  const others = paths.filter((path, index) => index === isFirst || !isOurs(path));
  return isFirst === -1 ? [...paths, plugin] : others.map((path) => (isOurs(path) ? plugin : path));
}

/** Whether a path is the folder of this plugin; of a folder that is gone only the name tells. */
function isOurs(path: unknown): boolean {
  if (typeof path !== 'string') return false;
  try {
    const manifest = JSON.parse(readFileSync(join(path, 'openclaw.plugin.json'), 'utf8')) as { id?: unknown };
    return manifest.id === PLUGIN_ID;
  } catch {
    return path.endsWith(PLUGIN_FOLDER);
  }
}

/**
 * Reverts the changes of `addKimiDispatch`, except settings changed since.
 *
 * @param before the configuration before these changes
 * @throws {SettingsError}
 */
export function removeKimiDispatch(config: ConfigFiles, before: ConfigFiles): void {
  const then = before.effective;
  const without = (path: Path, isAdded: (element: unknown) => boolean): void => {
    const known = valueAt(then, path);
    const given: unknown[] = Array.isArray(known) ? known : [];
    if (config.at(path) === undefined) return;
    config.change(path, (value) => {
      const list = listOf(value, path);
      const kept = list.filter((element) => given.includes(element) || !isAdded(element));
      return kept.length < list.length
        ? [...kept, ...given.filter((each) => isAdded(each) && !kept.includes(each))]
        : list;
    });
  };
  without(PATHS, isOurs);
  without(ALLOWED, (element) => element === PLUGIN_ID);
  // A value from before was left alone; a different one is the user's.
  const token = valueAt(then, TOKEN);
  if (isUnset(token)) config.set(TOKEN, token);
  for (const path of [
    ['plugins', 'entries', PLUGIN_ID],
    ['hooks', 'enabled'],
  ]) {
    config.set(path, valueAt(then, path));
  }
  for (const path of [PATHS, ['plugins', 'load'], ['plugins', 'entries'], ['plugins'], ['hooks']]) {
    if (valueAt(then, path) === undefined && isEmpty(config.at(path))) config.set(path, undefined);
  }
}

/** @returns the text of a file after the undo: if nothing else was changed since, exactly the one from before. */
export function undoneText(file: string, config: ConfigFiles, before: ConfigFiles, beforeText: string): string {
  return isDeepStrictEqual(config.valueOf(file), before.valueOf(file))
    ? beforeText
    : (config.texts.get(file) ?? beforeText);
}

function listOf(value: unknown, path: Path): readonly unknown[] {
  const list = value ?? [];
  if (Array.isArray(list)) return list;
  const name = path.join('.');
  throw new SettingsError(`${name} is no list`, { kind: 'list', path: name });
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** The settings of Kimi Dispatch in the gateway's configuration file. */
import { isDeepStrictEqual } from 'node:util';
import { Json5Document, OpenClawConfigError, type Path } from './json5.ts';

const PLUGIN_ID = 'kimi-dispatch';

/** The gateway's default port. */
const DEFAULT_PORT = 18_789;

/** The settings that matter here. */
export interface GatewayFacts {
  port: number;
  /** Path of the gateway's own hooks, e.g. `/hooks`. */
  hooksPath: string;
  /** `hooks.token` as written: it may name a variable, or be no string. */
  hooksToken: unknown;
  /** The interval of the agent's heartbeat; `undefined` for the default, 30 min. */
  heartbeat: unknown;
}

/** The settings to write. */
export interface Wanted {
  /** The folder of the plugin. */
  plugin: string;
  hooksToken: unknown;
  /** Whether `/hooks/wake` is used. */
  hooks: boolean;
  /** Whether the gateway starts the services; `undefined` leaves it as it is. */
  start?: boolean | undefined;
}

/** @throws {OpenClawConfigError} */
export function readGateway(text: string): GatewayFacts {
  const config = new Json5Document(text);
  const port = config.at(['gateway', 'port']);
  const path = config.at(['hooks', 'path']);
  return {
    port: typeof port === 'number' ? port : DEFAULT_PORT,
    hooksPath: typeof path === 'string' ? path.replace(/\/+$/, '') : '/hooks',
    hooksToken: config.at(['hooks', 'token']),
    heartbeat: config.at(['agents', 'defaults', 'heartbeat', 'every']),
  };
}

/** Adds the settings. Existing ones keep their form. @throws {OpenClawConfigError} */
export function withKimiDispatch(text: string, { plugin, hooksToken, hooks, start }: Wanted): string {
  const config = new Json5Document(text);
  config.set(['hooks', 'token'], hooksToken);
  if (hooks) config.set(['hooks', 'enabled'], true);
  add(config, ['plugins', 'load', 'paths'], plugin);
  config.set(['plugins', 'entries', PLUGIN_ID, 'enabled'], true);
  if (start !== undefined) config.set(['plugins', 'entries', PLUGIN_ID, 'config', 'startServices'], start);
  // If the list exists, the gateway loads nothing else.
  if (Array.isArray(config.at(['plugins', 'allow']))) add(config, ['plugins', 'allow'], PLUGIN_ID);
  return config.text;
}

/**
 * Reverts the changes of `withKimiDispatch`, except settings changed since.
 *
 * @param before the configuration before these changes
 * @throws {OpenClawConfigError}
 */
export function withoutKimiDispatch(text: string, before: string): string {
  const [config, then] = [new Json5Document(text), new Json5Document(before)];
  const added = (path: Path): unknown[] => {
    const [elements, were] = [config.at(path), then.at(path)];
    const known = Array.isArray(were) ? were : [];
    return Array.isArray(elements) ? elements.filter((element) => !known.includes(element)) : [];
  };
  for (const plugin of added(['plugins', 'load', 'paths'])) {
    if (String(plugin).endsWith(PLUGIN_FOLDER)) remove(config, ['plugins', 'load', 'paths'], plugin);
  }
  if (added(['plugins', 'allow']).includes(PLUGIN_ID)) remove(config, ['plugins', 'allow'], PLUGIN_ID);
  const token = ['hooks', 'token'];
  // A value from before was left alone; a different one is the user's.
  if (then.at(token) === undefined) config.set(token, undefined);
  for (const path of [
    ['plugins', 'entries', PLUGIN_ID],
    ['hooks', 'enabled'],
  ]) {
    config.set(path, then.at(path));
  }
  for (const path of [
    ['plugins', 'load', 'paths'],
    ['plugins', 'load'],
    ['plugins', 'entries'],
    ['plugins'],
    ['hooks'],
  ]) {
    if (then.at(path) === undefined && isEmpty(config.at(path))) config.set(path, undefined);
  }
  return isDeepStrictEqual(config.value, then.value) ? before : config.text;
}

/** Suffix of the plugin's folder, wherever the package is installed. */
const PLUGIN_FOLDER = 'openclaw/plugin';

/** Adds an element to a list; creates the list if it is missing. */
function add(config: Json5Document, path: Path, element: string): void {
  const list = listAt(config, path);
  if (!list.includes(element)) config.set(path, [...list, element]);
}

function remove(config: Json5Document, path: Path, element: unknown): void {
  config.set(
    path,
    listAt(config, path).filter((each) => each !== element),
  );
}

function listAt(config: Json5Document, path: Path): readonly unknown[] {
  const list = config.at(path) ?? [];
  if (Array.isArray(list)) return list;
  const name = path.join('.');
  throw new OpenClawConfigError(`${name} is no list`, { kind: 'list', path: name });
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

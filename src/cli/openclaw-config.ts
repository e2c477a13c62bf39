/** Edits the gateway's configuration file (JSON5) and leaves everything else in it unchanged. */
import { isDeepStrictEqual } from 'node:util';
import { JsonArrayNode, JsonObjectNode, JsonParser, type JsonValueNode } from '@croct/json5-parser';

const PLUGIN_ID = 'kimi-dispatch';

/** The gateway's default port. */
const DEFAULT_PORT = 18_789;

/** A configuration that cannot be read or edited. Its message is one sentence without the file's name. */
export class OpenClawConfigError extends Error {
  override readonly name = 'OpenClawConfigError';

  /** @param wrong what is missing, and the path of the setting; absent for the words of the parser */
  constructor(
    message: string,
    readonly wrong?: { kind: 'root' | 'object' | 'list'; path: string },
  ) {
    super(message);
  }
}

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
  const config = parsed(text);
  const port = at(config, ['gateway', 'port']);
  const path = at(config, ['hooks', 'path']);
  return {
    port: typeof port === 'number' ? port : DEFAULT_PORT,
    hooksPath: typeof path === 'string' ? path.replace(/\/+$/, '') : '/hooks',
    hooksToken: at(config, ['hooks', 'token']),
    heartbeat: at(config, ['agents', 'defaults', 'heartbeat', 'every']),
  };
}

/** Adds the settings. Existing ones keep their form. @throws {OpenClawConfigError} */
export function withKimiDispatch(text: string, { plugin, hooksToken, hooks, start }: Wanted): string {
  const config = parsed(text);
  set(config, ['hooks', 'token'], hooksToken);
  if (hooks) set(config, ['hooks', 'enabled'], true);
  add(config, ['plugins', 'load', 'paths'], plugin);
  set(config, ['plugins', 'entries', PLUGIN_ID, 'enabled'], true);
  if (start !== undefined) set(config, ['plugins', 'entries', PLUGIN_ID, 'config', 'startServices'], start);
  // If the list exists, the gateway loads nothing else.
  if (Array.isArray(at(config, ['plugins', 'allow']))) add(config, ['plugins', 'allow'], PLUGIN_ID);
  return config.toString();
}

/**
 * Reverts the changes of `withKimiDispatch`, except settings changed since.
 *
 * @param before the configuration before these changes
 * @throws {OpenClawConfigError}
 */
export function withoutKimiDispatch(text: string, before: string): string {
  const [config, then] = [parsed(text), parsed(before)];
  const added = (path: Path): unknown[] => {
    const [elements, were] = [at(config, path), at(then, path)];
    const known = Array.isArray(were) ? were : [];
    return Array.isArray(elements) ? elements.filter((element) => !known.includes(element)) : [];
  };
  for (const plugin of added(['plugins', 'load', 'paths'])) {
    if (String(plugin).endsWith(PLUGIN_FOLDER)) remove(config, ['plugins', 'load', 'paths'], plugin);
  }
  if (added(['plugins', 'allow']).includes(PLUGIN_ID)) remove(config, ['plugins', 'allow'], PLUGIN_ID);
  const token = ['hooks', 'token'];
  // A value from before was left alone; a different one is the user's.
  if (at(then, token) === undefined) set(config, token, undefined);
  for (const path of [
    ['plugins', 'entries', PLUGIN_ID],
    ['hooks', 'enabled'],
  ]) {
    set(config, path, at(then, path));
  }
  for (const path of [
    ['plugins', 'load', 'paths'],
    ['plugins', 'load'],
    ['plugins', 'entries'],
    ['plugins'],
    ['hooks'],
  ]) {
    if (at(then, path) === undefined && isEmpty(at(config, path))) set(config, path, undefined);
  }
  return isDeepStrictEqual(config.toJSON(), then.toJSON()) ? before : config.toString();
}

/** Suffix of the plugin's folder, wherever the package is installed. */
const PLUGIN_FOLDER = 'openclaw/plugin';

/** The path of a value. */
type Path = string[];

function parsed(text: string): JsonObjectNode {
  let config: JsonValueNode;
  try {
    config = JsonParser.parse(text);
  } catch (error) {
    throw new OpenClawConfigError((error as Error).message.replace(/\.$/, ''));
  }
  if (config instanceof JsonObjectNode) return config;
  throw new OpenClawConfigError('it holds no JSON object', { kind: 'root', path: '' });
}

function at(config: JsonObjectNode, path: Path): unknown {
  let value: unknown = config.toJSON();
  for (const name of path) value = (value as Record<string, unknown> | null | undefined)?.[name];
  return value;
}

/** @returns the object at a path; creates it if it is missing. */
function objectAt(config: JsonObjectNode, path: Path): JsonObjectNode {
  let object = config;
  for (const [index, name] of path.entries()) {
    if (!object.has(name)) object.set(name, {});
    const value = object.get(name);
    if (!(value instanceof JsonObjectNode)) {
      const where = path.slice(0, index + 1).join('.');
      throw new OpenClawConfigError(`${where} is no object`, { kind: 'object', path: where });
    }
    object = value;
  }
  return object;
}

/** @param value `undefined` removes it. */
function set(config: JsonObjectNode, path: Path, value: unknown): void {
  if (isDeepStrictEqual(at(config, path), value)) return;
  const name = path.at(-1) ?? '';
  const object = objectAt(config, path.slice(0, -1));
  if (value === undefined) object.delete(name);
  else object.set(name, value as JsonValueNode);
}

/** Adds an element to a list; creates the list if it is missing. */
function add(config: JsonObjectNode, path: Path, element: string): void {
  if (at(config, path) === undefined) set(config, path, []);
  const list = listAt(config, path);
  if (!list.toJSON().includes(element)) list.push(element);
}

function remove(config: JsonObjectNode, path: Path, element: unknown): void {
  const list = listAt(config, path);
  list.delete(list.toJSON().indexOf(element as string));
}

function listAt(config: JsonObjectNode, path: Path): JsonArrayNode {
  const list = objectAt(config, path.slice(0, -1)).get(path.at(-1) ?? '');
  if (list instanceof JsonArrayNode) return list;
  throw new OpenClawConfigError(`${path.join('.')} is no list`, { kind: 'list', path: path.join('.') });
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

/** The gateway's configuration file: what Kimi Dispatch needs in it, as edits that leave all else as it is. */
import { isDeepStrictEqual } from 'node:util';
import { applyEdits, modify, parse, printParseErrorCode, type JSONPath, type ParseError } from 'jsonc-parser';

export const PLUGIN_ID = 'kimi-dispatch';

/** The port the gateway listens on unless its configuration says another (openclaw.md). */
const DEFAULT_PORT = 18_789;

/** A configuration that cannot be read or edited. Its message is one sentence without the file's name. */
export class OpenClawConfigError extends Error {
  override readonly name = 'OpenClawConfigError';
}

/** What of the configuration matters here. */
export interface GatewayFacts {
  port: number;
  /** Where the gateway's own hooks are, e.g. `/hooks`. */
  hooksPath: string;
  /** `hooks.token` as it is written: it may be no string, or name a variable. */
  hooksToken: unknown;
  /** How often the gateway lets the model look around though nobody asked; `undefined` where it is the default, 30 min. */
  heartbeat: unknown;
}

/** What is to stand in the configuration. */
export interface Wanted {
  /** The folder of the plugin. */
  plugin: string;
  hooksToken: unknown;
  /** Whether the gateway's own `/hooks/wake` is used. */
  hooks: boolean;
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

/** Adds what is wanted. What is there already is left as it is written. @throws {OpenClawConfigError} */
export function withKimiDispatch(text: string, { plugin, hooksToken, hooks }: Wanted): string {
  const config = parsed(text);
  const allowed = at(config, ['plugins', 'allow']);
  let edited = withValue(text, ['hooks', 'token'], hooksToken);
  if (hooks) edited = withValue(edited, ['hooks', 'enabled'], true);
  edited = withElement(edited, ['plugins', 'load', 'paths'], plugin);
  edited = withValue(edited, ['plugins', 'entries', PLUGIN_ID, 'enabled'], true);
  // Where there is a list, nothing else is loaded.
  return Array.isArray(allowed) ? withElement(edited, ['plugins', 'allow'], PLUGIN_ID) : edited;
}

/**
 * Takes back what `withKimiDispatch` added, and nothing that was changed since.
 *
 * @param before the configuration as it was before
 * @throws {OpenClawConfigError}
 */
export function withoutKimiDispatch(text: string, before: string): string {
  const [now, then] = [parsed(text), parsed(before)];
  const added = (path: JSONPath): unknown[] => {
    const [elements, were] = [at(now, path), at(then, path)];
    const known = Array.isArray(were) ? were : [];
    return Array.isArray(elements) ? elements.filter((element) => !known.includes(element)) : [];
  };
  let edited = text;
  for (const plugin of added(['plugins', 'load', 'paths'])) {
    if (String(plugin).endsWith(PLUGIN_FOLDER)) edited = withoutElement(edited, ['plugins', 'load', 'paths'], plugin);
  }
  if (added(['plugins', 'allow']).includes(PLUGIN_ID)) {
    edited = withoutElement(edited, ['plugins', 'allow'], PLUGIN_ID);
  }
  const token = ['hooks', 'token'];
  // One that was there before was left alone; another in its place is the user's.
  if (at(then, token) === undefined) edited = withValue(edited, token, undefined);
  for (const path of [
    ['plugins', 'entries', PLUGIN_ID],
    ['hooks', 'enabled'],
  ]) {
    edited = withValue(edited, path, at(then, path));
  }
  for (const path of [
    ['plugins', 'load', 'paths'],
    ['plugins', 'load'],
    ['plugins', 'entries'],
    ['plugins'],
    ['hooks'],
  ]) {
    if (at(then, path) === undefined && isEmpty(at(parsed(edited), path))) edited = withValue(edited, path, undefined);
  }
  return isDeepStrictEqual(parsed(edited), then) ? before : edited;
}

/** How the folder of the plugin ends, wherever the package lies. */
const PLUGIN_FOLDER = 'openclaw/plugin';

function parsed(text: string): unknown {
  const errors: ParseError[] = [];
  const config: unknown = parse(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error) {
    const line = text.slice(0, error.offset).split('\n').length;
    throw new OpenClawConfigError(`line ${line}: ${printParseErrorCode(error.error)}`);
  }
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new OpenClawConfigError('it holds no JSON object');
  }
  return config;
}

function at(config: unknown, path: JSONPath): unknown {
  let value = config;
  for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
  return value;
}

function withValue(text: string, path: JSONPath, value: unknown): string {
  if (isDeepStrictEqual(at(parsed(text), path), value)) return text;
  return edit(text, path, value);
}

function withElement(text: string, path: JSONPath, element: string): string {
  const elements = at(parsed(text), path);
  if (!Array.isArray(elements)) return edit(text, path, [element]);
  return elements.includes(element) ? text : edit(text, [...path, elements.length], element, true);
}

function withoutElement(text: string, path: JSONPath, element: unknown): string {
  const elements = at(parsed(text), path) as unknown[];
  return edit(text, [...path, elements.indexOf(element)], undefined);
}

function edit(text: string, path: JSONPath, value: unknown, isArrayInsertion = false): string {
  const formattingOptions = { insertSpaces: true, tabSize: 2 };
  return applyEdits(text, modify(text, path, value, { formattingOptions, isArrayInsertion }));
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}

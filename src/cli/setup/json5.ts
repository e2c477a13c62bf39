/**
 * Edits JSON5, JSON with comments and JSON, and keeps comments, quotation marks and layout: `json5` reads, as in OpenClaw's gateway;
 * `jju` edits the text; each edit is read again.
 */
import { isDeepStrictEqual } from 'node:util';
import jju from 'jju';
import JSON5 from 'json5';

/** A configuration that cannot be read or edited. Its message is one sentence without the file's name. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';

  /** @param wrong what is wrong, and the path of the setting; absent for the words of the parser */
  constructor(
    message: string,
    readonly wrong?: { kind: 'root' | 'object' | 'list' | 'edit' | 'variable'; path: string },
  ) {
    super(message);
  }
}

/** Names from the root to a value. */
export type Path = readonly string[];

type Json5Object = Record<string, unknown>;

/** A JSON5 text and its edits. */
export class Json5Document {
  private readonly separators: Separators;
  private guarded: string;
  private root: unknown;

  /** @throws {SettingsError} if the text is no JSON5 */
  constructor(text: string) {
    this.separators = separatorsOf(text);
    this.guarded = this.separators.guard(text);
    this.root = parsed(this.guarded);
  }

  /** The text with the edits. */
  get text(): string {
    return this.separators.restore(this.guarded);
  }

  /** The value of the whole text. It must not be changed. */
  get value(): unknown {
    return this.root;
  }

  at(path: Path): unknown {
    return valueAt(this.root, path);
  }

  /**
   * Sets a value, and creates the objects on its path.
   *
   * @param value `undefined` removes it
   * @throws {SettingsError} if something else than an object is on its path
   */
  set(path: Path, value: unknown): void {
    if (isDeepStrictEqual(this.at(path), value)) return;
    const next = withValue(this.root, path, value);
    const updated = update(withoutEmpty(this.guarded, this.root, path), next);
    const edited = sameLineEnds(this.guarded, sameCommentLines(this.guarded, updated));
    const read = parsed(edited);
    if (!isDeepStrictEqual(read, next)) throw cannotEdit(path);
    this.guarded = edited;
    this.root = next;
  }
}

/** @returns the value at a path; `undefined` if there is none. */
export function valueAt(value: unknown, path: Path): unknown {
  let at = value;
  for (const name of path) at = isObject(at) && Object.hasOwn(at, name) ? at[name] : undefined;
  return at;
}

export function isObject(value: unknown): value is Json5Object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function cannotEdit(path: Path): SettingsError {
  const name = path.join('.');
  return new SettingsError(`${name} cannot be changed without changing something else`, {
    kind: 'edit',
    path: name,
  });
}

function parsed(text: string): unknown {
  try {
    return JSON5.parse(text);
  } catch (error) {
    throw new SettingsError((error as Error).message.replace(/^JSON5: /, ''));
  }
}

/**
 * @param value `undefined` removes what is there
 * @returns a copy with another value at a path; missing objects on the path are created
 * @throws {SettingsError} if something else than an object is on the path
 */
export function withValue(root: unknown, path: Path, value: unknown): unknown {
  if (value === undefined && valueAt(root, path) === undefined) return root;
  return changed(root, path, value, []);
}

/** Only what is on the path is copied: TOML has values of classes. */
function changed(parent: unknown, path: Path, value: unknown, before: Path): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return value;
  if (!isObject(parent)) {
    const where = before.join('.');
    throw new SettingsError(`${where} is no object`, { kind: 'object', path: where });
  }
  const at = Object.hasOwn(parent, name) ? parent[name] : {};
  const next = changed(at, rest, value, [...before, name]);
  const { [name]: _, ...others } = parent;
  if (next === undefined) return others;
  return Object.hasOwn(parent, name)
    ? Object.fromEntries(Object.entries(parent).map(([key, each]) => [key, key === name ? next : each]))
    : { ...parent, [name]: next };
}

/** Comments and strings of JSON5. */
const COMMENT_OR_STRING = /\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/|"(?:\\[^]|[^"\\])*"|'(?:\\[^]|[^'\\])*'/g;

interface Separators {
  guard: (text: string) => string;
  restore: (text: string) => string;
}

/**
 * U+2028 and U+2029 in strings: jju refuses them and json5 warns about them on standard error, so unused characters stand in
 * for them. Elsewhere they end a line.
 */
function separatorsOf(text: string): Separators {
  const unused: string[] = [];
  for (let code = 0xe000; unused.length < 2; code++) {
    const character = String.fromCharCode(code);
    if (!text.includes(character)) unused.push(character);
  }
  const [line = '', paragraph = ''] = unused;
  const guardString = (token: string): string =>
    token.startsWith('/') ? token : token.replaceAll('\u2028', line).replaceAll('\u2029', paragraph);
  return {
    guard: (given) => given.replaceAll(COMMENT_OR_STRING, guardString),
    restore: (given) => given.replaceAll(line, '\u2028').replaceAll(paragraph, '\u2029'),
  };
}

function update(text: string, value: unknown): string {
  return jju.update(text, value, { mode: 'json5', reserved_keys: 'replace' });
}

/**
 * jju knows no layout for the first member of an object, only for a value in place of another one.
 *
 * @returns the text with `null` in place of an empty object on the path, unless that would lose a comment.
 */
function withoutEmpty(text: string, root: unknown, path: Path): string {
  const length = path.findIndex((_, index) => index > 0 && isEmpty(valueAt(root, path.slice(0, index))));
  if (length < 0) return text;
  const edited = update(text, withValue(root, path.slice(0, length), null));
  return edited.match(COMMENT_OR_STRING)?.length === text.match(COMMENT_OR_STRING)?.length ? edited : text;
}

function isEmpty(value: unknown): boolean {
  return isObject(value) && Object.keys(value).length === 0;
}

/** A comment up to the end of its line. */
const LINE_COMMENT = /^,?([ \t]*(?:\/\/[^\r\n]*|\/\*[^\r\n]*\*\/))(?=[\r\n]|$)/;

/**
 * jju adds an element before the comment that follows the last one, and removes that comment with the element. Such a comment
 * stays on its line.
 */
function sameCommentLines(before: string, after: string): string {
  const start = firstDifference(before, after);
  const [shorter, longer] = before.length < after.length ? [before, after] : [after, before];
  const rest = shorter.slice(start);
  const part = longer.slice(start, longer.length - rest.length);
  if (!longer.endsWith(rest) || part === '') return after;
  const kept = after.slice(0, start);
  if (longer === before) return /^[\r\n]/.test(rest) ? kept + (LINE_COMMENT.exec(part)?.[1] ?? '') + rest : after;
  const comment = LINE_COMMENT.exec(rest)?.[1];
  const [comma] = /^,?(?=\n)/.exec(part) ?? [];
  if (comment === undefined || comma === undefined || !rest.startsWith(comment)) return after;
  return kept + comma + comment + part.slice(comma.length) + rest.slice(comment.length);
}

function firstDifference(one: string, other: string): number {
  let index = 0;
  while (index < one.length && one[index] === other[index]) index++;
  return index;
}

/** The editors of JSON and TOML end lines with a line feed. */
export function sameLineEnds(before: string, after: string): string {
  const isCrLf = before.includes('\r\n') && !/(?<!\r)\n/.test(before);
  return isCrLf ? after.replaceAll(/\r?\n/g, '\r\n') : after;
}

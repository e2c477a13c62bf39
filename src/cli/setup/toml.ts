/** Edits TOML and keeps comments and layout: each edit is read again. */
import { isDeepStrictEqual } from 'node:util';
import { parse, patch, stringify } from '@decimalturn/toml-patch';
import { cannotEdit, isObject, sameLineEnds, SettingsError, valueAt, withValue, type Path } from './json5.ts';

export class TomlDocument {
  private root: unknown;

  /** @throws {SettingsError} if the text is no TOML */
  constructor(private content: string) {
    this.root = parsed(content);
  }

  get text(): string {
    return this.content;
  }

  get value(): unknown {
    return this.root;
  }

  at(path: Path): unknown {
    return valueAt(this.root, path);
  }

  /**
   * Sets a table.
   *
   * @param value `undefined` removes it
   * @throws {SettingsError}
   */
  set(path: Path, value: object | undefined): void {
    if (isDeepStrictEqual(this.at(path), value)) return;
    const next = withValue(this.root, path, value);
    const updated = this.at(path) === undefined && value ? this.withTable(path, value) : patch(this.content, next);
    const edited = sameLineEnds(this.content, updated);
    if (!isDeepStrictEqual(parsed(edited), next)) throw cannotEdit(path);
    this.content = edited;
    this.root = next;
  }

  /** A new table goes to the end, under a heading of its own. */
  private withTable(path: Path, value: object): string {
    const heading = `[${path.map((name) => (/^[\w-]+$/.test(name) ? name : JSON.stringify(name))).join('.')}]`;
    const before = this.content === '' ? '' : `${this.content.replace(/(?:\r?\n)*$/, '\n')}\n`;
    return `${before}${heading}\n${stringify(value, { inlineTableStart: 0 })}`;
  }
}

function parsed(text: string): unknown {
  try {
    return plain(parse(text));
  } catch (error) {
    // "Error parsing TOML (line, column):", the line, a mark below it, and the reason.
    const lines = (error as Error).message.split('\n');
    const place = /\((\d+), \d+\)/.exec(lines[0] ?? '')?.[1];
    throw new SettingsError(`${lines.at(-1)}${place === undefined ? '' : ` (line ${place})`}`);
  }
}

/** @returns tables as plain objects: the parser's have no prototype, so they equal no other. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  const isTable = isObject(value) && Object.getPrototypeOf(value) === null;
  return isTable ? Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)])) : value;
}

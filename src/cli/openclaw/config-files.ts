/** The gateway's configuration with the files that it includes, merged as the gateway does (openclaw 2026.9.6: src/config/includes.ts). */
import { dirname, relative, resolve } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { cannotEdit, isObject, Json5Document, SettingsError, valueAt, withValue, type Path } from '../setup/json5.ts';

/** Deepest nesting of includes that the gateway reads. */
const DEEPEST = 10;

export class ConfigFiles {
  private readonly documents = new Map<string, Json5Document>();

  /**
   * @param read returns the text of a file
   * @throws {SettingsError} if a file is no JSON5, or an included one cannot be read
   */
  constructor(
    private readonly main: string,
    private readonly read: (file: string) => string,
  ) {
    if (!isObject(this.document(main).value)) {
      throw new SettingsError('it holds no JSON object', { kind: 'root', path: '' });
    }
  }

  /** What the gateway reads: all files merged, variables not replaced. */
  get effective(): unknown {
    return this.merged(this.document(this.main).value, [this.main]);
  }

  at(path: Path): unknown {
    return valueAt(this.effective, path);
  }

  /** All files and their texts with the edits; includes are read by `effective`. */
  get texts(): Map<string, string> {
    return new Map([...this.documents].map(([file, { text }]) => [file, text]));
  }

  /** @returns the value of one file, as written */
  valueOf(file: string): unknown {
    return this.document(file).value;
  }

  /**
   * Changes one setting in the file that has it. If a section is one included file, this is that file, as with the gateway's own edits;
   * beside several, the setting is added in the file that includes them.
   *
   * @param change of the setting's value; of a list, it is also applied to the part in one file
   * @throws {SettingsError} if the gateway would then read anything else than the changed setting
   */
  change(path: Path, change: (value: unknown) => unknown): void {
    const before = this.effective;
    const expected = withValue(before, path, change(valueAt(before, path)));
    if (isDeepStrictEqual(before, expected)) return;
    const owner = this.ownerOf(path);
    const document = this.document(owner.file);
    document.set(owner.path, change(document.at(owner.path)));
    if (!isDeepStrictEqual(this.effective, expected)) throw cannotEdit(path);
  }

  set(path: Path, value: unknown): void {
    this.change(path, () => value);
  }

  private ownerOf(path: Path): { file: string; path: Path } {
    let file = this.main;
    let start = 0;
    for (let depth = 0; depth <= path.length; depth++) {
      let name = soleInclude(this.document(file).at(path.slice(start, depth)));
      while (name !== undefined) {
        file = resolve(dirname(file), name);
        if (depth === path.length || relative(dirname(this.main), file).startsWith('..')) throw cannotEdit(path);
        start = depth;
        name = soleInclude(this.document(file).value);
      }
    }
    return { file, path: path.slice(start) };
  }

  private document(file: string): Json5Document {
    const known = this.documents.get(file);
    if (known) return known;
    const document = new Json5Document(this.read(file));
    this.documents.set(file, document);
    return document;
  }

  /** @param files the file of the value, after the files that include it */
  private merged(value: unknown, files: string[]): unknown {
    if (Array.isArray(value)) return value.map((each) => this.merged(each, files));
    if (!isObject(value)) return value;
    const { $include: include, ...others } = value;
    const own = Object.fromEntries(Object.entries(others).map(([name, each]) => [name, this.merged(each, files)]));
    if (!('$include' in value)) return own;
    const names: unknown[] = Array.isArray(include) ? include : [include];
    const parts = names.map((name) => this.included(name, files));
    const all = Array.isArray(include) ? parts.reduce(combined, {}) : parts[0];
    if (Object.keys(own).length === 0) return all;
    if (!isObject(all)) throw wrongInclude(String(names[0]), 'it holds no JSON object');
    return combined(all, own);
  }

  private included(name: unknown, files: string[]): unknown {
    if (typeof name !== 'string') throw wrongInclude(JSON.stringify(name), 'it is no path');
    const file = resolve(dirname(files.at(-1) ?? ''), name);
    if (files.includes(file) || files.length > DEEPEST) throw wrongInclude(name, 'it includes itself');
    let value: unknown;
    try {
      ({ value } = this.document(file));
    } catch (error) {
      throw wrongInclude(name, (error as NodeJS.ErrnoException).code ?? (error as Error).message);
    }
    return this.merged(value, [...files, file]);
  }
}

/** @returns the path of the file that is the whole value. */
function soleInclude(value: unknown): string | undefined {
  if (!isObject(value) || Object.keys(value).length !== 1) return undefined;
  return typeof value['$include'] === 'string' ? value['$include'] : undefined;
}

/** Objects are merged, lists appended; of anything else the later value counts. */
function combined(one: unknown, other: unknown): unknown {
  if (Array.isArray(one) && Array.isArray(other)) return [...(one as unknown[]), ...(other as unknown[])];
  if (!isObject(one) || !isObject(other)) return other;
  const all = { ...one };
  for (const [name, value] of Object.entries(other)) {
    all[name] = Object.hasOwn(all, name) ? combined(all[name], value) : value;
  }
  return all;
}

function wrongInclude(name: string, why: string): SettingsError {
  return new SettingsError(`$include ${name}: ${why}`);
}

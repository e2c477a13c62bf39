/** Keeps text from outside (models, gateways, files, callers) from controlling the terminal. */
import pico from 'picocolors';
import { field } from '../../shared/format.ts';

/** The styles that picocolors writes: weight, underline, strikethrough, foreground. Not: conceal, blink, reverse. */
const STYLE = String.raw`\u001B\[(?:[01234]|9|2[2-49]|3[0-79]|9[0-7])m`;

/** All other control characters, and those that reorder a line. Line ends and tabs are text. */
const CONTROL = String.raw`\r(?!\n)|[\0-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]`;

let guarded: RegExp | undefined;

/** @returns the text with every control character written as `\u001b`: in JSON, the same value. */
export function harmless(text: string): string {
  guarded ??= new RegExp(pico.isColorSupported ? `${STYLE}|${CONTROL}` : CONTROL, 'g');
  return text.replaceAll(guarded, (found) =>
    found.length > 1 ? found : String.raw`\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** Prepares a stream when it is first used: Node takes 3 ms to open one, for which a request need not wait. */
export function atFirstUse(name: 'stdout' | 'stderr', prepare: (stream: NodeJS.WriteStream) => void): void {
  const property = Object.getOwnPropertyDescriptor(process, name) ?? {};
  const open = (): NodeJS.WriteStream => {
    Object.defineProperty(process, name, property);
    const stream = process[name];
    prepare(stream);
    return stream;
  };
  Object.defineProperty(process, name, { configurable: true, enumerable: true, get: open });
}

/** Prints a line. `console.log` would load what it formats objects and colours them with, 2 ms. */
export function print(line: string, stream: NodeJS.WriteStream = process.stdout): void {
  stream.write(`${line}\n`);
}

/** Makes all text written to the stream {@link harmless}. Bytes (a `Buffer`) pass unchanged. */
export function guard(stream: NodeJS.WriteStream): void {
  const write = stream.write.bind(stream) as (chunk: unknown, ...rest: unknown[]) => boolean;
  stream.write = (chunk: unknown, ...rest: unknown[]) =>
    write(typeof chunk === 'string' ? harmless(chunk) : chunk, ...rest);
}

/** @returns data from outside for display: every text in it is a {@link field}. `--json` prints the data itself. */
export function fields<T>(data: T): T {
  if (typeof data === 'string') return field(data) as T;
  if (Array.isArray(data)) return data.map((item) => fields(item) as unknown) as T;
  if (typeof data !== 'object' || data === null) return data;
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, fields(value) as unknown])) as T;
}

/** CSI sequences; strings (OSC, DCS and others) with their terminator; then single controls. Each matches in linear time. */
const SEQUENCE =
  // oxlint-disable-next-line no-control-regex
  /(?:\u001B\[|\u009B)[0-?]*[ -/]*[@-~]|(?:\u001B[\]PX^_]|[\u0090\u0098\u009D-\u009F])[^\u0007\u001B\u0080-\u009F]*(?:\u0007|\u001B\\|\u009C)|(?![\n\t])\p{Cc}/gu;

/** @returns a text of several lines without control sequences. Line ends and tabs stay. */
export function withoutControls(text: string): string {
  return text.replaceAll(SEQUENCE, '');
}

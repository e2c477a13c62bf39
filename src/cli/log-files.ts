import { closeSync, existsSync, fstatSync, openSync, readdirSync, readSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';

const SUFFIX = '.log';

/** Bytes read from the end of a log to find its last lines. */
const LAST_BYTES = 256 * 1024;

/** @returns the services that have a log file. */
export function logNames(folder: string): string[] {
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.filter((file) => file.endsWith(SUFFIX)).map((file) => file.slice(0, -SUFFIX.length));
}

/** Tails a log, through rotations too, which copy it to `.1` and truncate it. */
export class LogFile {
  private readonly file: string;
  private position: number;
  private decoder = new StringDecoder('utf8');
  private rest = '';
  /** Whether reading starts within a line. */
  private isMidLine: boolean;

  constructor(
    folder: string,
    readonly name: string,
  ) {
    this.file = join(folder, `${name}${SUFFIX}`);
    this.position = Math.max(0, this.size() - LAST_BYTES);
    this.isMidLine = this.position > 0;
  }

  /** @returns the lines completed since the last call. */
  lines(): string[] {
    if (this.size() < this.position) {
      this.readFrom(`${this.file}.1`);
      this.position = 0;
    }
    this.readFrom(this.file);
    const lines = this.rest.split('\n');
    this.rest = lines.pop() ?? '';
    if (this.isMidLine && lines.length > 0) {
      lines.shift();
      this.isMidLine = false;
    }
    return lines.filter((line) => line !== '');
  }

  private size(): number {
    return statSync(this.file, { throwIfNoEntry: false })?.size ?? 0;
  }

  private readFrom(file: string): void {
    if (!existsSync(file)) return;
    const descriptor = openSync(file, 'r');
    try {
      const bytes = Buffer.alloc(Math.max(0, fstatSync(descriptor).size - this.position));
      const length = readSync(descriptor, bytes, 0, bytes.length, this.position);
      this.position += length;
      this.rest += this.decoder.write(bytes.subarray(0, length));
    } finally {
      closeSync(descriptor);
    }
  }
}

import pico from 'picocolors';
import { pino, type Logger } from 'pino';
import { field } from './characters.ts';

/** A service's log: one line of JSON for each event on standard output; where that is a terminal, a line for people. */
export function createLog(name: string, level = 'info'): Logger {
  const options = { name, level };
  if (!process.stdout.isTTY) return pino(options);
  return pino(options, { write: (line) => void process.stdout.write(readable(line)) });
}

/** pino's numbers, from the least on. */
const LEVELS: [least: number, word: string, colour: (text: string) => string][] = [
  [50, 'error', pico.red],
  [40, 'warn', pico.yellow],
  [30, 'info', pico.green],
  [0, 'debug', pico.dim],
];

/** @returns a line of the log as people read it: time, level, service, what happened, and the facts as `key=value`. */
export function readable(line: string): string {
  const { time, level, name, msg = '', pid: _pid, hostname: _hostname, err, ...facts } = JSON.parse(line) as LogLine;
  const [, word = '', colour = String] = LEVELS.find(([least]) => level >= least) ?? [];
  const clock = new Date(time).toISOString().slice(11, 23);
  const pairs = Object.entries(facts).map(([key, value]) => `${key}=${plain(value)}`);
  const parts = [clock, colour(word.padEnd(5)), name, plain(msg), ...pairs.map(pico.dim)];
  const stack = err?.stack ?? err?.message;
  const trace = stack === undefined ? [] : stack.split('\n').map((row) => `    ${plain(row)}`);
  return [parts.filter((part) => part !== '').join(' '), ...trace, ''].join('\n');
}

interface LogLine {
  time: number;
  level: number;
  name: string;
  msg?: string;
  pid?: number;
  hostname?: string;
  err?: { message: string; stack?: string };
  [fact: string]: unknown;
}

/** Strangers choose some of what is logged, and it must not drive a terminal. */
function plain(value: unknown): string {
  return field(typeof value === 'string' ? value : JSON.stringify(value));
}

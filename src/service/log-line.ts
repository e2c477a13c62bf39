/** Lines of a log: those of our services (pino's JSON), of the Temporal server (logfmt), and plain text. */
import pico from 'picocolors';
import { field } from '../shared/format.ts';

export interface LogLine {
  time?: number;
  level?: number;
  name: string;
  msg?: string;
  pid?: number;
  hostname?: string;
  err?: { message: string; stack?: string };
  [fact: string]: unknown;
}

/** The lowest of pino's numbers for each level. */
const LEVELS: [least: number, word: string, colour: (text: string) => string][] = [
  [50, 'error', pico.red],
  [40, 'warn', pico.yellow],
  [30, 'info', pico.green],
  [0, 'debug', pico.dim],
];

/** Latest time of a `Date`, in milliseconds. */
const MAX_TIME = 8.64e15;

/** `key=value` or `key="value"`. */
const PAIR = /(?<key>[\w.-]+)=(?:"(?<quoted>(?:[^"\\]|\\.)*)"|(?<bare>\S*))/g;

/** @param name the service that wrote the line, if the line does not name it */
export function parseLogLine(line: string, name: string): LogLine {
  try {
    const json = JSON.parse(line) as LogLine | null;
    if (typeof json?.level === 'number' && isTime(json.time)) return { ...json, name: json.name || name };
  } catch {
    // Not a line of our services.
  }
  if (!line.startsWith('time=')) return { name, msg: line };
  const facts = new Map<string, string>();
  for (const { groups } of line.matchAll(PAIR)) {
    facts.set(groups?.['key'] ?? '', groups?.['quoted']?.replaceAll(/\\(.)/g, '$1') ?? groups?.['bare'] ?? '');
  }
  const [time = '', word = ''] = ['time', 'level'].map((key) => facts.get(key));
  const level = LEVELS.find(([, known]) => known === word.toLowerCase())?.[0] ?? 30;
  for (const key of ['time', 'level']) facts.delete(key);
  // The server writes local time, without a zone.
  const at = Date.parse(time);
  return { ...Object.fromEntries(facts), ...(isTime(at) && { time: at }), level, name };
}

function isTime(time: unknown): boolean {
  return typeof time === 'number' && Math.abs(time) <= MAX_TIME;
}

/** Fields of pino, the SDK (the task id is the workflow id) and the Temporal server that do not help a reader. */
const NOISE = new Set(
  [
    'pid hostname sdkComponent taskToken namespace taskQueue runId workflowType',
    'service Namespace WorkerID WorkerType error-type totalDuration connectAddr connectErr connectDuration',
  ].flatMap((names) => names.split(' ')),
);

/** @returns a readable line: time, level, service, message, and the other fields as `key=value`. */
export function readable({ time, level, name, msg = '', err, task_id, workflowId, ...facts }: LogLine): string {
  const [, word = '', colour = String] = LEVELS.find(([least]) => level !== undefined && level >= least) ?? [];
  const clock = time === undefined ? ' '.repeat(12) : new Date(time).toISOString().slice(11, 23);
  const known = { task_id: task_id ?? workflowId, ...facts };
  const pairs = Object.entries(known).filter(([key, value]) => value !== undefined && !NOISE.has(key));
  const said = pairs.map(([key, value]) => pico.dim(`${field(key)}=${plain(value)}`));
  const parts = [clock, colour(word.padEnd(5)), plain(name), plain(msg), ...said];
  const stack = err?.stack ?? err?.message;
  const trace = typeof stack !== 'string' ? [] : stack.split('\n').map((row) => `    ${plain(row)}`);
  return [parts.filter((part) => part !== '').join(' '), ...trace, ''].join('\n');
}

/** Most characters of a value: gRPC errors carry kilobytes. */
const MAX_VALUE = 300;

/** Base64, as in the engine's tokens: the first characters suffice to distinguish them. */
const TOKEN = /([A-Za-z0-9+]{8})[A-Za-z0-9+]{24,}[A-Za-z0-9+/]*={0,2}/g;

/** Some logged text comes from clients: it must not contain control sequences. */
function plain(value: unknown): string {
  const text = field(typeof value === 'string' ? value : JSON.stringify(value)).replaceAll(TOKEN, '$1…');
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE)}…` : text;
}

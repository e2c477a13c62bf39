import { pino, type Logger } from 'pino';
import { parseLogLine, readable } from './log-line.ts';

/** A service's log: one line of JSON for each event on standard output; where that is a terminal, a line for people. */
export function createLog(name: string, level = 'info'): Logger {
  // Who has the token of an activity can end it.
  const options = { name, level, redact: { paths: ['taskToken', 'task_token'], remove: true } };
  if (!process.stdout.isTTY) return pino(options);
  return pino(options, { write: (line) => void process.stdout.write(readable(parseLogLine(line, name))) });
}

import { pino, type Logger } from 'pino';
import { parseLogLine, readable } from './log-line.ts';

/** A service's log on standard output: one line of JSON for each event, or a readable line if it is a terminal. */
export function createLog(name: string, level = 'info'): Logger {
  // A task token is a credential: it can complete an activity.
  const options = { name, level, redact: { paths: ['taskToken', 'task_token'], remove: true } };
  if (!process.stdout.isTTY) return pino(options);
  return pino(options, { write: (line) => void process.stdout.write(readable(parseLogLine(line, name))) });
}

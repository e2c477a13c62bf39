import { openSync } from 'node:fs';
import { pino, type Logger } from 'pino';
import { parseLogLine, readable } from './log-line.ts';

/**
 * A service's log, one line of JSON for each event: on standard output, where it is readable if that is a terminal, or in a file.
 */
export function createLog(name: string, level = 'info', file?: string): Logger {
  // A task token is a credential: it can complete an activity.
  const options = { name, level, redact: { paths: ['taskToken', 'task_token'], remove: true } };
  if (file !== undefined) return pino(options, pino.destination({ fd: openSync(file, 'a', 0o600), sync: true }));
  if (!process.stdout.isTTY) return pino(options);
  return pino(options, { write: (line) => void process.stdout.write(readable(parseLogLine(line, name))) });
}

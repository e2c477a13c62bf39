/** One of our services as a process of its own, without `up`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onTestFinished } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { temporaryFolder } from './world.ts';

interface LogLine {
  msg: string;
  port?: number;
  task_id?: string;
}

/** @param dist what was built of the release that it is of. */
export async function launch(service: string, env: Record<string, string>, dist = DIST) {
  const child = spawn(process.execPath, [join(dist, `${service}.js`)], {
    env: {
      PATH: process.env['PATH'],
      HOME: await temporaryFolder(),
      WEBHOOK_PORT: '0',
      KIMI_WORKER_PORT: '0',
      KIMI_RELAY_PORT: '0',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  /** Waits for the next line with these words. */
  const says = async (words: string): Promise<LogLine> => {
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      const said = JSON.parse(line.value) as LogLine;
      if (said.msg.includes(words)) return said;
    }
    throw new Error(`${service} never said ${words}`);
  };
  return { child, ended, says };
}

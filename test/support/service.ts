/** Starts one of our services as a process, without `up`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DIST } from '../../src/service/files.ts';
import { lifetime, temporaryFolder } from './resources.ts';

interface LogLine {
  msg: string;
  port?: number;
  task_id?: string;
}

/** @param dist the `dist` folder of its build @param release registers its end */
export async function launch(service: string, env: Record<string, string>, dist = DIST, release = lifetime()) {
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
  release(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(([code]) => code as number | null);
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  /** Waits for the next log line that contains a text. */
  const says = async (words: string): Promise<LogLine> => {
    for (let line = await lines.next(); !line.done; line = await lines.next()) {
      const said = JSON.parse(line.value) as LogLine;
      if (said.msg.includes(words)) return said;
    }
    throw new Error(`${service} never said ${words}`);
  };
  return { child, ended, says };
}

/** `logs`: formatted in a terminal, JSON elsewhere; and the rotation of logs while they are written: of a running stack in everyday.test.ts. */
import { execFile } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { LogFile } from '../../src/cli/log-files.ts';
import { rotateLogs } from '../../src/stack/rotate-logs.ts';
import { cleanHome, cli, launch } from '../support/cli.ts';
import { temporaryFolder, until } from '../support/resources.ts';

const TOKEN = Buffer.from('a token of an activity, in the engine’s own format').toString('base64');

const WORKER = [
  { level: 30, time: 1_000, name: 'worker', pid: 7, hostname: 'h', task_id: 'kimi-1-12345', msg: 'dispatched' },
  {
    level: 40,
    time: 5_000,
    name: 'worker',
    workflowId: 'kimi-1-12345',
    taskQueue: 'kimi',
    details: `grpc-status-details-bin: ${TOKEN}`,
    msg: 'red\u009B31m\u202E',
  },
];
const TEMPORAL = [
  'Temporal Server:      localhost:7233',
  String.raw`time=1970-01-01T00:00:03.000 level=WARN msg="network dial error" error="dial \"tcp\": refused" size=1`,
];

async function withLogs() {
  const env = await cleanHome({ KIMI_LANG: 'en', TZ: 'UTC' });
  const logs = join(env['HOME'] ?? '', 'kimi', 'logs');
  await mkdir(logs, { recursive: true });
  await writeFile(join(logs, 'worker.log'), WORKER.map((line) => `${JSON.stringify(line)}\n`).join(''));
  await writeFile(join(logs, 'temporal.log'), TEMPORAL.map((line) => `${line}\n`).join(''));
  return { env: { ...env, KIMI_HOME: join(env['HOME'] ?? '', 'kimi') }, logs };
}

describe('logs', () => {
  it('shows lines in order of time in a terminal, without tokens and terminal controls', async () => {
    const { env } = await withLogs();
    const command = `${process.execPath} dist/kimi-dispatch.cjs logs`;
    const plain = { ...env, NO_COLOR: '1' };
    const { stdout } = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env: plain });
    expect(stdout.split('\r\n').map((line) => line.trim())).toEqual([
      'temporal Temporal Server:      localhost:7233',
      '01-01 00:00:01.000 info  worker dispatched task_id=kimi-1-12345',
      '01-01 00:00:03.000 warn  temporal network dial error error=dial "tcp": refused size=1',
      `01-01 00:00:05.000 warn  worker red 31m  task_id=kimi-1-12345 details=grpc-status-details-bin: ${TOKEN.slice(0, 8)}…`,
      '',
    ]);
  });

  it('prints only JSON into a pipe, one object a line, with its values', async () => {
    const { env } = await withLogs();
    const { stdout } = await cli(['logs'], env);
    expect(stdout).not.toMatch(/(?!\n)\p{Cc}|\u202E/u);
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as object);
    expect(lines).toEqual([
      { name: 'temporal', msg: TEMPORAL[0] },
      WORKER[0],
      { name: 'temporal', time: 3_000, level: 40, msg: 'network dial error', error: 'dial "tcp": refused', size: '1' },
      WORKER[1],
    ]);
    const command = `${process.execPath} dist/kimi-dispatch.cjs logs worker --json`;
    const inTerminal = await promisify(execFile)('script', ['-qec', command, '/dev/null'], { env });
    expect(
      inTerminal.stdout
        .trimEnd()
        .split('\r\n')
        .map((line) => JSON.parse(line) as object),
    ).toEqual(WORKER);
  });

  it('follows through a rotation, and ends when its reader closes', async () => {
    const { env, logs } = await withLogs();
    const { child, said, ended } = launch(['logs', 'worker', '-f'], env);
    const add = (n: number): void =>
      appendFileSync(join(logs, 'worker.log'), `${JSON.stringify({ level: 30, time: 9_000, name: 'worker', n })}\n`);
    await until(() => said.stdout.split('\n').length > WORKER.length);
    add(1);
    rotateLogs(logs, 1);
    add(2);
    await until(() => said.stdout.includes('"n":2'));
    const numbers = said.stdout
      .trimEnd()
      .split('\n')
      .map((line) => (JSON.parse(line) as { n?: number }).n);
    expect(numbers).toEqual([undefined, undefined, 1, 2]);
    child.stdout.destroy();
    // It notices that when it writes.
    const writer = setInterval(() => add(3), 100);
    expect((await ended).code).toBe(0);
    clearInterval(writer);
  });
});

describe('a log that is too large', () => {
  it('is rotated while it is written, and every line is kept', async () => {
    const folder = await temporaryFolder();
    const file = join(folder, 'worker.log');
    const descriptor = openSync(file, 'a', 0o600);
    const follower = new LogFile(folder, 'worker');
    const followed: string[] = [];
    for (let n = 0; n < 100; n++) {
      writeSync(descriptor, `${n}\n`);
      if (n === 60) followed.push(...follower.lines());
      if (n === 70) rotateLogs(folder, 1);
    }
    closeSync(descriptor);
    followed.push(...follower.lines());
    const all = Array.from({ length: 100 }, (_, n) => String(n));
    expect(followed).toEqual(all);
    expect(`${readFileSync(`${file}.1`, 'utf8')}${readFileSync(file, 'utf8')}`.trimEnd().split('\n')).toEqual(all);
    expect(statSync(`${file}.1`).mode & 0o777).toBe(0o600);
    rotateLogs(folder, 1_000_000);
    expect(statSync(file).size).toBeGreaterThan(0);
  });
});

/** The Temporal server of a home: pinned, copied before it changes, and never older than its database. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { beforeServer, compareVersions, recordServer, serverOf } from '../../src/stack/server-version.ts';
import { cleanHome, cli, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { serve, temporaryFolder, until } from '../support/resources.ts';

const [OLD, NEW] = ['1.32.0', '1.40.0'].map((version) => ({ path: `/opt/temporal-${version}`, version })) as [
  { path: string; version: string },
  { path: string; version: string },
];

async function homeWith(database: string): Promise<string> {
  const home = await temporaryFolder();
  await writeFile(join(home, 'temporal.db'), database);
  await writeFile(join(home, 'temporal.db-wal'), `${database} wal`);
  await recordServer(home, OLD);
  return home;
}

const read = async (...path: string[]): Promise<string> => await readFile(join(...path), 'utf8');

describe('the database of a server', () => {
  it('is copied before a newer one opens it, and the copy is kept', async () => {
    const home = await homeWith('old');
    let copies = 0;
    await beforeServer(home, OLD, () => (copies += 1));
    expect(copies).toBe(0);
    await beforeServer(home, NEW, () => (copies += 1));
    expect(copies).toBe(1);
    await writeFile(join(home, 'temporal.db'), 'new');
    await recordServer(home, NEW);
    expect(serverOf(home)).toEqual(NEW);
    expect(await read(home, 'temporal.db')).toBe('new');
    expect(await read(home, 'temporal-1.32.0.copy', 'temporal.db')).toBe('old');
    expect(await read(home, 'temporal-1.32.0.copy', 'temporal.db-wal')).toBe('old wal');
  });

  it('is unchanged after a killed upgrade, whichever server starts next', async () => {
    for (const next of [OLD, NEW]) {
      const home = await homeWith('old');
      await beforeServer(home, NEW, () => {});
      await writeFile(join(home, 'temporal.db'), 'half new');
      await writeFile(join(home, 'temporal.db-shm'), 'half new');
      await beforeServer(home, next, () => {});
      expect(await read(home, 'temporal.db')).toBe('old');
      expect(existsSync(join(home, 'temporal.db-shm'))).toBe(false);
    }
  });

  it('is not opened by an older one', async () => {
    const home = await homeWith('old');
    await recordServer(home, NEW);
    await expect(beforeServer(home, OLD, () => {})).rejects.toMatchObject({ code: 'server_older' });
    expect(await read(home, 'temporal.db')).toBe('old');
  });

  it('has versions that are compared numerically', () => {
    expect(compareVersions('1.9.0', '1.10.0')).toBeLessThan(0);
    expect(compareVersions('1.32.1', '1.32.0')).toBeGreaterThan(0);
    expect(compareVersions('1.32', '1.32.0')).toBe(0);
  });
});

/** The real server with another version number, or one that cannot open the database. */
async function serverCalled(version: string, run: string): Promise<string> {
  const folder = join(await temporaryFolder(), 'bin');
  await mkdir(folder);
  const lines = [
    '#!/bin/sh',
    `[ "$1" = --version ] && echo "temporal version 9 (Server ${version}, UI 2)" && exit`,
    run,
  ];
  await writeFile(join(folder, 'temporal'), `${lines.join('\n')}\n`, { mode: 0o755 });
  return folder;
}

it(
  'a task that is open is finished by the next version, and the server stays the same until it is named',
  { timeout: 180_000 },
  async () => {
    const real = inject('temporalCli');
    let isKimiUp = false;
    const kimi = await serve((request, response) => {
      request.resume();
      if (!isKimiUp) response.statusCode = 503;
      response.setHeader('content-type', 'application/json');
      const choices = [{ message: { content: 'the answer' }, finish_reason: 'stop' }];
      const usage = { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 };
      response.end(JSON.stringify(isKimiUp ? { id: 'cmpl-1', model: 'x', usage, choices } : {}));
    });
    const { TEMPORAL_CLI_PATH: _, ...env } = await cleanHome({
      KIMI_LANG: 'en',
      KIMI_CALLBACKS: 'native',
      KIMI_API_KEY: 'sk-real',
      KIMI_API_URL: `${kimi}/v1`,
    });
    const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
    const start = async (changes: Record<string, string>) => await up({ ...env, ...changes });

    const first = await start({ TEMPORAL_CLI_PATH: real });
    const { stdout } = await inProcess(['dispatch', 'an open task', '--json'], env);
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    await first.stop();
    const pinned = serverOf(home);
    expect(pinned).toMatchObject({ path: real });

    // Another server on PATH changes nothing.
    const newer = await serverCalled('1.99.0', `exec ${real} "$@"`);
    const second = await start({ PATH: `${newer}:${env['PATH']}` });
    await second.stop();
    expect(serverOf(home)).toEqual(pinned);

    // A server that cannot open the database leaves it unchanged.
    const broken = await serverCalled('1.98.0', 'echo "no such column: x" >&2; exit 1');
    const failed = await cli(['up'], { ...env, TEMPORAL_CLI_PATH: join(broken, 'temporal') });
    expect(failed).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/1\.98\.0 .*cannot open the engine's database/),
    });
    expect(serverOf(home)).toEqual(pinned);

    isKimiUp = true;
    const third = await start({ TEMPORAL_CLI_PATH: join(newer, 'temporal') });
    expect(third.said.stderr).toContain('copying the engine’s database first');
    expect(await inProcess(['watch', task_id], env)).toMatchObject({ code: 0 });
    await third.stop();
    expect(serverOf(home)).toMatchObject({ version: '1.99.0' });
    expect(existsSync(join(home, `temporal-${pinned?.version}.copy`, 'temporal.db'))).toBe(true);

    const older = await cli(['up'], { ...env, TEMPORAL_CLI_PATH: real });
    expect(older).toMatchObject({ code: 3, stderr: expect.stringContaining('was written by Temporal server 1.99.0') });
    await until(async () => (await inProcess(['list'], env)).stdout.includes(task_id));
  },
);

/** What the embedded engine is known to have survives a power cut, although it does not sync each transaction. */
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import { truncate } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { afterAll, beforeAll, expect, inject, it, onTestFinished, vi } from 'vitest';
import { HeldWork } from '../../src/activities/held-work.ts';
import { readConfig } from '../../src/config/index.ts';
import { engineArgs, prepareNamespace } from '../../src/stack/engine-settings.ts';
import { connectClient } from '../../src/temporal/client.ts';
import { committed, useLogOf } from '../../src/temporal/group-commit.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { createWorker } from '../../src/temporal/worker.ts';
import { freePort } from '../support/engine.ts';
import { temporaryFolder } from '../support/resources.ts';
import { until } from '../support/until.ts';
import { installRuntime } from '../support/world.ts';

/** How many bytes of the engine's log are on the disk: its size when the last sync that has ended began. */
let onDisk = 0;
let syncs = 0;
let failure: Error | undefined;

beforeAll(() => {
  const { fdatasync } = fs;
  vi.spyOn(fs, 'fdatasync').mockImplementation((fd, done) => {
    const { size } = fs.fstatSync(fd);
    syncs += 1;
    if (failure) done(failure);
    else
      fdatasync(fd, (error) => {
        if (!error) onDisk = Math.max(onDisk, size);
        done(error);
      });
  });
  syncBuiltinESMExports();
});

afterAll(() => {
  vi.restoreAllMocks();
  syncBuiltinESMExports();
});

/** Starts an engine as `up` does; its log is never shortened, so that its size tells how much of it there is. */
async function startEngine(database: string) {
  const [port, uiPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const args = [...engineArgs({ port, uiPort, metricsPort, database }), '--sqlite-pragma', 'wal_autocheckpoint=0'];
  const server = spawn(inject('temporalCli'), args, { stdio: 'ignore' });
  const kill = async (): Promise<void> => {
    if (server.exitCode !== null || server.signalCode !== null) return;
    server.kill('SIGKILL');
    await once(server, 'exit');
  };
  onTestFinished(kill);
  const address = `127.0.0.1:${port}`;
  await until(async () => await prepareNamespace(address));
  const connection = await Connection.connect({ address });
  onTestFinished(async () => await connection.close());
  return { address, kill, unsynced: new Client({ connection }) };
}

/** An engine whose start is on the disk, and its cut: everything that is not on the disk is gone. */
async function engine() {
  const database = join(await temporaryFolder(), 'temporal.db');
  const { kill, ...running } = await startEngine(database);
  onDisk = 0;
  useLogOf(database);
  await committed();
  const cutPower = async (at = onDisk): Promise<Client> => {
    await kill();
    await truncate(`${database}-wal`, at);
    return (await startEngine(database)).unsynced;
  };
  return { ...running, cutPower };
}

const task = () => ({ workflowId: randomUUID(), taskQueue: 'no-worker' });

async function has(client: Client, { workflowId }: { workflowId: string }): Promise<boolean> {
  return await client.workflow
    .getHandle(workflowId)
    .describe()
    .then(
      () => true,
      () => false,
    );
}

it('a change that was reported is on the disk; one over a connection that does not wait is not', async () => {
  const { address, unsynced, cutPower } = await engine();
  const client = await connectClient(openPayloads(readConfig({})).dataConverter, { TEMPORAL_ADDRESS: address });
  onTestFinished(async () => await client.connection.close());
  const [reported, lost] = [task(), task()];
  await client.workflow.start('any', reported);
  await unsynced.workflow.start('any', lost);

  const after = await cutPower();

  expect([await has(after, reported), await has(after, lost)]).toEqual([true, false]);
});

it.each([
  ['an activity', 'act', async (act: () => Promise<void>) => await act()],
  ['the request of a task', 'dispatch', async (act: () => Promise<void>) => await new HeldWork().begin('any', act)],
])(
  'what %s acts on is on the disk before it does, and what its worker’s client started when that returns',
  async (_, name, run) => {
    const { address, unsynced, cutPower } = await engine();
    vi.stubEnv('TEMPORAL_ADDRESS', address);
    onTestFinished(() => void vi.unstubAllEnvs());
    installRuntime();
    const [id, taskQueue, started] = [randomUUID(), randomUUID(), task()];
    let whenRun = 0;
    const activities = { [name]: async () => await run(async () => void (whenRun = onDisk)) };
    const worker = await createWorker(readConfig({ ...process.env }), { taskQueue, activities, workflows: false });
    await worker.runUntil(async () => {
      await worker.client?.workflow.start('any', started);
      await unsynced.activity.start(name, { id, taskQueue, startToCloseTimeout: '10s' });
      await until(() => whenRun > 0);
    });

    const after = await cutPower(whenRun);

    expect(await has(after, started)).toBe(true);
    expect((await after.activity.getHandle(id).describe()).status).toBeDefined();
  },
);

it('those who wait at the same time share a sync; a failed one is reported to them, and the next is tried', async () => {
  const folder = await temporaryFolder();
  const database = join(folder, 'any.db');
  useLogOf(database);
  // Without a log the engine has synced the database itself.
  await committed();
  fs.writeFileSync(`${database}-wal`, 'x');
  syncs = 0;
  const first = committed();
  await until(() => syncs === 1);
  const [second, third] = [committed(), committed()];
  await Promise.all([first, second, third]);
  expect(syncs).toBe(2);

  failure = Object.assign(new Error('input/output error'), { code: 'EIO' });
  await expect(committed()).rejects.toThrow(failure);
  failure = undefined;
  await committed();
});

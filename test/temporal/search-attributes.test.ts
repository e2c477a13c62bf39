/** A release with new search attributes uses the database of an older release. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { Client, Connection } from '@temporalio/client';
import { expect, inject, it, onTestFinished } from 'vitest';
import { SEARCH_ATTRIBUTES } from '../../src/shared/names.ts';
import { engineArgs, prepareNamespace } from '../../src/stack/engine-settings.ts';
import { ensureSearchAttributes } from '../../src/temporal/client.ts';
import { freePort } from '../support/engine.ts';
import { temporaryFolder } from '../support/resources.ts';
import { until } from '../support/until.ts';

it('new search attributes can be used as soon as they are ensured', async () => {
  const [port, uiPort, metricsPort] = [await freePort(), await freePort(), await freePort()];
  const database = join(await temporaryFolder(), 'temporal.db');
  const args = engineArgs({ port, uiPort, metricsPort, database });
  const older = args.filter((arg, i) => arg !== '--search-attribute' && args[i - 1] !== '--search-attribute');
  const server = spawn(inject('temporalCli'), older, { stdio: 'ignore' });
  onTestFinished(async () => {
    server.kill('SIGKILL');
    await once(server, 'exit');
  });
  const address = `127.0.0.1:${port}`;
  await until(async () => await prepareNamespace(address));
  const connection = await Connection.connect({ address });
  onTestFinished(async () => await connection.close());

  await ensureSearchAttributes(connection, 'default');

  const keywords = Object.values(SEARCH_ATTRIBUTES).filter(({ type }) => type === 'KEYWORD');
  expect(keywords).not.toEqual([]);
  const handle = await new Client({ connection }).workflow.start('any', {
    workflowId: randomUUID(),
    taskQueue: 'no-worker',
    searchAttributes: Object.fromEntries(keywords.map(({ name }) => [name, ['value']])),
  });
  expect((await handle.describe()).status.name).toBe('RUNNING');
});

/** Every recorded history replays on today's workflows: a worker that takes over a task continues it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, Runtime, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { DIST, PACKAGE_ROOT } from '../../src/service/files.ts';

const HISTORIES = join(PACKAGE_ROOT, 'test', 'histories');
const files = readdirSync(HISTORIES).filter((file) => file.endsWith('.json'));

beforeAll(() => {
  // A replay that fails says so at length; here it has to.
  Runtime.install({
    logger: new DefaultLogger('ERROR'),
    telemetryOptions: { logging: { filter: { core: 'ERROR', other: 'ERROR' } } },
  });
});

/** The iterator does not throw: each result carries its error. */
async function replayError(workflowBundle: WorkflowBundleOption, file: string): Promise<Error | undefined> {
  const history = historyFromJSON(JSON.parse(readFileSync(join(HISTORIES, file), 'utf8')));
  const replays = Worker.runReplayHistories({ workflowBundle }, [{ workflowId: file, history }]);
  for await (const { error } of replays) return error;
  throw new Error('nothing was replayed');
}

describe('today’s workflow replays', () => {
  it('a history of each workflow', () => {
    for (const name of ['answered-in-time', 'relay-answered', 'limiter-grants-queues-refuses-and-pauses']) {
      expect(files).toContain(`${name}.json`);
    }
  });

  it.each(files)('%s', async (file) => {
    expect(await replayError({ codePath: join(DIST, 'workflows.cjs') }, file)).toBeUndefined();
  });
});

describe('a changed workflow', () => {
  let changed: WorkflowBundleOption;
  beforeAll(async () => {
    const workflowsPath = fileURLToPath(new URL('../support/changed-workflow.ts', import.meta.url));
    changed = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
  });

  it.each(files)('fails on %s', async (file) => {
    expect(await replayError(changed, file)).toMatchObject({ name: 'DeterminismViolationError' });
  });
});

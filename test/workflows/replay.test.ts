/** Every recorded history, of each version, replays on the current workflows: a worker that takes over a task continues it. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { historyFromJSON } from '@temporalio/common/lib/proto-utils.js';
import { bundleWorkflowCode, DefaultLogger, Worker, type WorkflowBundleOption } from '@temporalio/worker';
import { beforeAll, describe, expect, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { OwnThreadWorker } from '../../src/temporal/own-thread-worker.ts';
import { HISTORIES, RELEASED, recordingsOf } from '../support/releases.ts';
import { nativeConnection } from '../support/world.ts';

const versions = readdirSync(HISTORIES);
const recordings = versions.flatMap((version) =>
  readdirSync(join(HISTORIES, version)).map((name) => ({ version, file: join(version, name) })),
);
const files = recordings.map(({ file }) => file);

// A failed replay logs its error; here it is expected. The connection keeps the runtime for the next file of this process.
beforeAll(async () => void (await nativeConnection()));

/** Replays every history on one worker. @returns the error of each, by file; `undefined` for a replay that succeeds. */
async function replayAll(
  workflowBundle: WorkflowBundleOption,
  thread: typeof Worker = OwnThreadWorker,
): Promise<Map<string, Error | undefined>> {
  const histories = files.map((file) => ({
    workflowId: file,
    history: historyFromJSON(JSON.parse(readFileSync(join(HISTORIES, file), 'utf8'))),
  }));
  const errors = new Map<string, Error | undefined>();
  for await (const { workflowId, error } of thread.runReplayHistories({ workflowBundle }, histories)) {
    errors.set(workflowId, error);
  }
  return errors;
}

describe.each([
  ['in the worker’s own thread', OwnThreadWorker],
  ['in the SDK’s', Worker],
])('the current workflow, %s, replays', (_, thread) => {
  let errors: Map<string, Error | undefined>;
  beforeAll(async () => {
    errors = await replayAll({ codePath: join(DIST, 'workflows.cjs') }, thread);
  });

  it('a history of each workflow, of each version', () => {
    expect(versions).toEqual(expect.arrayContaining(RELEASED));
    for (const version of versions) {
      for (const name of ['answered-in-time', 'limiter-grants-queues-refuses-and-pauses', 'scheduled']) {
        expect(files).toContain(join(version, `${name}.json`));
      }
    }
    expect([...errors.keys()].toSorted()).toEqual(files.toSorted());
  });

  it.each(recordings)('$file', ({ version, file }) => {
    const advice = RELEASED.includes(version)
      ? `open tasks of ${version} would stand still: guard the changed command with patched() (docs/decisions/0015-deploys.md)`
      : 'if the change is intended: npm run record-history';
    expect(errors.get(file), advice).toBeUndefined();
  });
});

it('recordings of a released version stay', () => {
  expect(() => recordingsOf('1.0.0', ['1.0.0'])).toThrow('1.0.0 is released');
  expect(recordingsOf('1.1.0', ['1.0.0'])).toBe(join(HISTORIES, '1.1.0'));
});

describe('a changed workflow', () => {
  let errors: Map<string, Error | undefined>;
  beforeAll(async () => {
    const workflowsPath = fileURLToPath(new URL('../support/changed-workflow.ts', import.meta.url));
    errors = await replayAll(await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') }));
  });

  it.each(files)('fails on %s', (file) => {
    expect(errors.get(file)).toMatchObject({ name: 'DeterminismViolationError' });
  });
});

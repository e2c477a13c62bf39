/** Workflows in the worker's own thread behave as in the SDK's: each history of one replays in the other. */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WorkflowFailedError, type WorkflowHandle } from '@temporalio/client';
import { bundleWorkflowCode, DefaultLogger, Worker } from '@temporalio/worker';
import type { WorkflowBundle } from '@temporalio/worker';
import { beforeAll, describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { OwnThreadWorker } from '../../src/temporal/own-thread-worker.ts';
import { createWorkers } from '../../src/temporal/worker.ts';
import type * as workflows from '../support/sandbox-workflows.ts';
import { until } from '../support/until.ts';
import { engineClient, installRuntime, nativeConnection } from '../support/world.ts';

type Name = keyof typeof workflows;

const THREADS = { own: OwnThreadWorker, sdk: Worker };
const activities = { echo: async (text: string) => text };

let workflowBundle: WorkflowBundle;
beforeAll(async () => {
  installRuntime();
  const workflowsPath = fileURLToPath(new URL('../support/sandbox-workflows.ts', import.meta.url));
  workflowBundle = await bundleWorkflowCode({ workflowsPath, logger: new DefaultLogger('ERROR') });
});

/** Runs workflows on a worker of one thread until `check` has ended. */
async function run(
  thread: keyof typeof THREADS,
  names: Name[],
  check: (handles: WorkflowHandle[]) => Promise<void>,
): Promise<void> {
  const taskQueue = `sandbox-${randomUUID()}`;
  const worker = await THREADS[thread].create({
    connection: await nativeConnection(),
    taskQueue,
    activities,
    workflowBundle,
  });
  await worker.runUntil(async () => {
    const { workflow } = await engineClient();
    const start = async (name: Name): Promise<WorkflowHandle> =>
      await workflow.start(name, { taskQueue, workflowId: `${name}-${randomUUID()}` });
    const handles = await Promise.all(names.map(start));
    await check(handles);
    await Promise.all(handles.map(async (handle) => await handle.terminate().catch(() => {})));
  });
}

/** @returns the messages of a workflow's failed workflow tasks. */
async function failures(handle: WorkflowHandle): Promise<(string | null | undefined)[]> {
  const { events } = await handle.fetchHistory();
  return (events ?? []).flatMap(({ workflowTaskFailedEventAttributes: failed }) => failed?.failure?.message ?? []);
}

describe.each([
  ['own', 'sdk'],
  ['sdk', 'own'],
] as const)('workflows of the thread “%s”, interleaved,', (thread, other) => {
  it(`observe random numbers, time and globals that are the same in a replay, also by “${other}”`, async () => {
    await run(thread, Array<Name>(8).fill('observing'), async (handles) => {
      const observed = await Promise.all(handles.map(async (handle) => (await handle.result()) as string[]));
      // Each has random numbers of its own.
      expect(new Set(observed.flat()).size).toBe(8 * 3);
      const { globals } = JSON.parse(observed[0]?.[0] as string) as { globals: string[] };
      expect(globals).toEqual(expect.arrayContaining(['Date', 'Math', 'setTimeout', 'AsyncLocalStorage']));
      for (const name of [
        'process',
        'require',
        'module',
        'Buffer',
        'fetch',
        'performance',
        'setImmediate',
        'setInterval',
      ]) {
        expect(globals).not.toContain(name);
      }
      const histories = await Promise.all(
        handles.map(async (handle) => ({ workflowId: handle.workflowId, history: await handle.fetchHistory() })),
      );
      // A replay in debug mode would run in this thread, with the SDK's handler of rejections.
      const options = { workflowBundle, activities, debugMode: false };
      for (const replayer of [THREADS[thread], THREADS[other]]) {
        const errors: unknown[] = [];
        for await (const { error } of replayer.runReplayHistories(options, histories)) errors.push(error);
        expect(errors).toEqual(Array(8).fill(undefined));
      }
    });
  });

  it('an error shows its position in the source', async () => {
    await run(thread, ['throwing'], async ([handle]) => {
      const error = await handle?.result().catch((error: unknown) => error);
      expect(error).toBeInstanceOf(WorkflowFailedError);
      const line = readFileSync(join(PACKAGE_ROOT, 'test/support/sandbox-workflows.ts'), 'utf8')
        .split('\n')
        .findIndex((text) => text.includes("'thrown on purpose'"));
      expect((error as WorkflowFailedError).cause?.stack).toContain(`test/support/sandbox-workflows.ts:${line + 1}:`);
    });
  });

  it('a rejection without a handler fails the workflow task of its workflow alone', async () => {
    await run(thread, ['observing', 'rejecting', 'observing', 'observing'], async (handles) => {
      const rejecting = handles[1] as WorkflowHandle;
      await until(async () => (await failures(rejecting)).length > 0);
      expect(await failures(rejecting)).toEqual(['Unhandled Promise rejection: Error: without a handler']);
      for (const handle of [handles[0], handles[2], handles[3]] as WorkflowHandle[]) {
        await handle.result();
        expect(await failures(handle)).toEqual([]);
      }
    });
  });
});

it('a workflow cannot leave anything for others', async () => {
  await run('own', ['leaving'], async ([handle]) => {
    expect(await handle?.result()).toEqual(Array(5).fill('TypeError'));
  });
  // The main thread uses it too.
  expect(Object.isFrozen(URL.prototype) || Object.isFrozen(URL)).toBe(false);
});

it('a workflow whose code is missing holds up no other', async () => {
  await run('own', ['missing' as Name], async ([missing]) => {
    await until(async () => (await failures(missing as WorkflowHandle)).length > 0);
    await run('own', ['observing'], async ([handle]) => {
      expect(await handle?.result()).toHaveLength(3);
    });
  });
});

it('an endless loop is ended by the SDK’s thread, and holds up no other workflow', async () => {
  await run('sdk', ['looping', 'observing'], async ([looping, observing]) => {
    await until(async () => (await failures(looping as WorkflowHandle)).length > 0);
    expect((await failures(looping as WorkflowHandle))[0]).toMatch(/timed out/);
    expect(await observing?.result()).toHaveLength(3);
  });
});

it('a rejection of the process itself ends it, and is blamed on no workflow', async () => {
  const listener = process.listeners('unhandledRejection').find((each) => each.name === 'blame');
  const reason = new Error('of the process');
  expect(() => listener?.(reason, Promise.resolve())).toThrow(reason);
});

it.each([
  [undefined, OwnThreadWorker],
  ['own', OwnThreadWorker],
  ['sdk', Worker],
] as const)('KIMI_WORKFLOW_THREAD=%s', async (thread, expected) => {
  vi.stubEnv('TEMPORAL_ADDRESS', inject('engine'));
  onTestFinished(() => void vi.unstubAllEnvs());
  const config = readConfig({ ...process.env, ...(thread && { KIMI_WORKFLOW_THREAD: thread }) });
  const { first } = await createWorkers(config, [{ taskQueue: `sandbox-${randomUUID()}`, activities }]);
  expect(first.constructor).toBe(expected);
  await first.runUntil(Promise.resolve());
});

/**
 * Internal files of the SDK that own-thread-worker.ts and workflow-sandbox.ts use or replace. If one changes, read the difference,
 * adapt the two modules, and write its new hash here.
 */
const INNER_FILES = {
  'worker/lib/workflow/vm-shared.js': 'f526eb66f88dd444',
  'worker/lib/workflow/reusable-vm.js': '1f6ec7d347dee4b4',
  'worker/lib/worker.js': '22be0b343e997093',
  'workflow/lib/worker-interface.js': 'bcbe90232d1e73cf',
  'workflow/lib/global-attributes.js': '66bb9ac1b7bc58a5',
  'workflow/lib/global-overrides.js': 'd311acde3adc21d6',
};

it.each(Object.entries(INNER_FILES))('%s is the reviewed version', (file, hash) => {
  const text = readFileSync(join(PACKAGE_ROOT, 'node_modules/@temporalio', file));
  expect(createHash('sha256').update(text).digest('hex').slice(0, 16)).toBe(hash);
});

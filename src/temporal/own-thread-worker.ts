/**
 * A worker that runs workflows in its own thread, in place of the SDK's pool of threads (`KIMI_WORKFLOW_THREAD=own`).
 *
 * The SDK copies each activation to a thread and its result back, starts a watchdog thread for each call into a workflow, and records
 * every promise for the Web UI's *Call Stack*. Our workflows are short and their code is our own, so none of that is worth its price:
 * docs/decisions/0019-workflow-thread.md has the figures, and what is given up.
 *
 * This uses inner parts of the SDK, so its version is pinned in package.json, and test/temporal/own-thread-worker.test.ts fails when
 * those parts change.
 */
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { Logger } from '@temporalio/common';
import { UnhandledRejectionError, Worker } from '@temporalio/worker';
import type { CompiledWorkerOptions } from '@temporalio/worker/lib/worker-options.js';
import type { WorkflowCreateOptions, WorkflowCreator } from '@temporalio/worker/lib/workflow/interface.js';
import { BaseVMWorkflow } from '@temporalio/worker/lib/workflow/vm-shared.js';
import type { WorkflowBundleWithSourceMapAndFilename as Bundle } from '@temporalio/worker/lib/workflow/workflow-worker-thread/input.js';
import type { Activator } from '@temporalio/workflow/lib/internals.js';
import { Sandbox } from './workflow-sandbox.ts';

const SOURCE_MAP = '//# sourceMappingURL=data:application/json;charset=utf-8;base64,';

/** The SDK reads the source map for the *Call Stack* only, which is empty. */
const NO_SOURCE_MAP = { version: 3, sources: [], names: [], mappings: '', file: '' } as unknown as Bundle['sourceMap'];

export class OwnThreadWorker extends Worker {
  /** Reads the bundle without its source map, two thirds of the file. */
  protected static override async getOrCreateBundle(
    options: CompiledWorkerOptions,
    logger: Logger,
  ): Promise<Bundle | undefined> {
    const { workflowBundle } = options;
    if (!workflowBundle || !('codePath' in workflowBundle)) return await super.getOrCreateBundle(options, logger);
    const { codePath: filename } = workflowBundle;
    const file = await readFile(filename);
    return {
      filename,
      code: file.toString('utf8', 0, file.lastIndexOf(SOURCE_MAP)),
      get sourceMap() {
        const [, base64 = ''] = readFileSync(filename, 'utf8').split(SOURCE_MAP);
        return JSON.parse(Buffer.from(base64, 'base64').toString()) as Bundle['sourceMap'];
      },
    };
  }

  protected static override async createWorkflowCreator(
    bundle: Bundle,
    { activities }: CompiledWorkerOptions,
  ): Promise<WorkflowCreator> {
    let runner = RUNNERS.get(bundle.code);
    if (!runner) {
      if (RUNNERS.size === 0) process.on('unhandledRejection', blame);
      RUNNERS.set(bundle.code, (runner = new WorkflowRunner(new Sandbox(bundle))));
    }
    const registeredActivityNames = new Set(activities.keys());
    return {
      createWorkflow: async (options) => await runner.create(options, registeredActivityNames),
      // Other workers of the process may use the sandbox.
      destroy: async () => {},
    };
  }
}

/** Workers of a process share the sandbox of a bundle, by its code. */
const RUNNERS = new Map<string, WorkflowRunner>();

class OwnThreadWorkflow extends BaseVMWorkflow {
  constructor(
    private readonly runner: WorkflowRunner,
    ...rest: ConstructorParameters<typeof BaseVMWorkflow>
  ) {
    super(...rest);
  }

  override async activate(
    activation: Parameters<BaseVMWorkflow['activate']>[0],
  ): ReturnType<BaseVMWorkflow['activate']> {
    return await this.runner.turn(this, async () => await super.activate(activation));
  }

  override async dispose(): Promise<void> {
    await this.runner.turn(this, async () => {
      this.workflowModule.dispose();
    });
  }
}

/**
 * Runs the workflows of a sandbox. A turn has a macrotask of its own, at whose end Node reports the promises that were rejected without a
 * handler, so that each is attributed to the workflow that made it. Turns do not wait for each other: one round of the event loop has many.
 */
class WorkflowRunner {
  /** The workflow whose turn was last. */
  current: OwnThreadWorkflow | undefined;

  constructor(private readonly sandbox: Sandbox) {}

  /** @param work enters the sandbox before its first await only */
  async turn<T>(workflow: OwnThreadWorkflow | undefined, work: () => Promise<T>): Promise<T> {
    await setImmediate();
    this.current = workflow;
    return await work();
  }

  /** @returns a workflow that has started none of its code yet. */
  async create(options: WorkflowCreateOptions, registeredActivityNames: Set<string>): Promise<OwnThreadWorkflow> {
    return await this.turn(undefined, async () => {
      let activator: Activator | undefined;
      const functions = this.sandbox.functions(() => activator);
      functions.initRuntime({
        ...options,
        sourceMap: NO_SOURCE_MAP,
        getTimeOfDay: () => BigInt(Math.round((performance.timeOrigin + performance.now()) * 1e6)),
        registeredActivityNames,
        stackTracesEnabled: false,
      });
      activator = this.sandbox.running as Activator;
      return new OwnThreadWorkflow(this, options.info.runId, this.sandbox.context, activator, functions);
    });
  }

  owns(promise: Promise<unknown>): boolean {
    return promise instanceof this.sandbox.context.Promise;
  }
}

/** Fails the workflow that rejected a promise without a handler. A rejection of the process itself ends it, as without this listener. */
function blame(reason: unknown, promise: Promise<unknown>): void {
  const workflow = [...RUNNERS.values()].find((runner) => runner.owns(promise))?.current;
  if (!workflow) throw reason;
  workflow.setUnhandledRejection(new UnhandledRejectionError(`Unhandled Promise rejection: ${String(reason)}`, reason));
}

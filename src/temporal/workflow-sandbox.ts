/**
 * The V8 context in which all workflows of a process run, in the thread of their worker.
 *
 * It has what the SDK's reusable context has: Node's globals are absent, `Date`, `Math.random` and `setTimeout` are the workflow's, and
 * modules are loaded once. It differs in two ways. The SDK gives each workflow globals of its own and swaps all of them whenever
 * another workflow runs; here the globals are shared and frozen, so that a workflow that assigns one fails instead. And a call into a
 * workflow has no time limit, which costs the SDK a thread per call: an endless loop blocks the process, and the supervisor
 * restarts it with `KIMI_WORKFLOW_THREAD=sdk`.
 */
import { SourceMap, type SourceOrigin } from 'node:module';
import vm from 'node:vm';
import { injectGlobals, type WorkflowModule } from '@temporalio/worker/lib/workflow/vm-shared.js';
import type { WorkflowBundleWithSourceMapAndFilename } from '@temporalio/worker/lib/workflow/workflow-worker-thread/input.js';
import type { Activator } from '@temporalio/workflow/lib/internals.js';

/** State of one workflow in the SDK's code; `undefined` until `initRuntime` has made it. */
type Run = Activator | undefined;

/** A call of a function that the bundle exports to the SDK. */
interface Call {
  run: Run;
  name: string;
  args: unknown[];
}

/** The SDK's global for the state of the running workflow: the only global that changes. */
const RUNNING = '__TEMPORAL_ACTIVATOR__';

type Context = typeof globalThis & { [RUNNING]: Run };

const PREPARE = `(call) => {
  globalThis.${RUNNING} = undefined;
  globalThis.__webpack_module_cache__ = Object.create(null);
  globalThis.__KIMI_CALL__ = () => {
    globalThis.${RUNNING} = call.run;
    return __TEMPORAL__.api[call.name](...call.args);
  };
}`;

/** Loads the modules of the workflows; those that are given to the bundler as \`preloadModules\` first. */
const LOAD = '__TEMPORAL__.preloadModules?.(); __TEMPORAL__.importWorkflows(); __TEMPORAL__.importInterceptors();';

/**
 * Freezes the globals and what modules export, as deep as the SDK does: prototypes, and what a closure or a Map holds, stay as they are.
 * Objects of the main context, such as \`URL\`, are left alone: the main thread uses them too.
 */
const FREEZE = `(() => {
  const seen = new Set([globalThis, __webpack_module_cache__]);
  const freeze = (value) => {
    if (value === null || (typeof value !== 'object' && typeof value !== 'function') || seen.has(value)) return;
    seen.add(value);
    if (!(value instanceof Object) && Object.getPrototypeOf(value) !== null) return;
    if (typeof value === 'object') for (const key of Reflect.ownKeys(value)) freeze(value[key]);
    if (!ArrayBuffer.isView(value)) Object.freeze(value);
  };
  for (const module of Object.values(__webpack_module_cache__)) freeze(module);
  for (const [key, descriptor] of Object.entries(Object.getOwnPropertyDescriptors(globalThis))) {
    if (key === '${RUNNING}') continue;
    freeze(descriptor.value);
    if (!descriptor.configurable) continue;
    Object.defineProperty(globalThis, key, { configurable: false, ...('value' in descriptor && { writable: false }) });
  }
  Object.preventExtensions(globalThis);
})()`;

/** Microtasks of the workflows run at the end of a script, so a call is a script. */
const CALL = new vm.Script('__KIMI_CALL__()');

export class Sandbox {
  readonly context: Context;
  private readonly call: Call = { run: undefined, name: '', args: [] };

  constructor(bundle: WorkflowBundleWithSourceMapAndFilename) {
    const context = vm.createContext(vm.constants.DONT_CONTEXTIFY, { microtaskMode: 'afterEvaluate' });
    this.context = context as Context;
    const prepare = vm.runInContext(PREPARE, context) as (call: Call) => void;
    prepare(this.call);
    injectGlobals(context);
    this.context.Error.prepareStackTrace = originalPositions(bundle);
    vm.runInContext(bundle.code, context, { filename: bundle.filename });
    vm.runInContext(LOAD, context);
    vm.runInContext(FREEZE, context);
  }

  /** State of the workflow that ran last. */
  get running(): Run {
    return this.context[RUNNING];
  }

  /** @returns the functions that the bundle exports to the SDK. Each runs as `run()`, and its microtasks with it. */
  functions(run: () => Run): WorkflowModule {
    const enter = (name: string, args: unknown[]): unknown => {
      Object.assign(this.call, { run: run(), name, args });
      return CALL.runInContext(this.context);
    };
    return new Proxy({} as WorkflowModule, {
      get:
        (_, name: string) =>
        (...args: unknown[]) =>
          enter(name, args),
    });
  }
}

/** Shows positions in the sources in stack traces. The source map, some 5 MB in memory, is read for the first one. */
function originalPositions(
  bundle: WorkflowBundleWithSourceMapAndFilename,
): NonNullable<typeof Error.prepareStackTrace> {
  let map: SourceMap | undefined;
  return (error, callSites) => {
    const lines = callSites.map((callSite) => {
      const file = callSite.getFileName();
      const [line, column] = [callSite.getLineNumber() ?? 0, callSite.getColumnNumber() ?? 0];
      const origin: Partial<SourceOrigin> =
        file === bundle.filename ? (map ??= new SourceMap(bundle.sourceMap as never)).findOrigin(line, column) : {};
      const { name, fileName = file, lineNumber = line, columnNumber = column } = origin;
      return `    at ${name ?? callSite.getFunctionName() ?? '<anonymous>'} (${fileName}:${lineNumber}:${columnNumber})`;
    });
    return [String(error), ...lines].join('\n');
  };
}

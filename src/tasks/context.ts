import type { Client } from '@temporalio/client';
import { limitsOf, usesRelay, type Config } from '../config/index.ts';
import { VARIABLES } from '../config/variables.ts';
import { isLimited, limiterIdOf } from '../limiter/client.ts';
import { ResultStore } from '../results/store.ts';
import type { StackState } from '../stack/state.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { openPayloads } from '../temporal/payloads/converter.ts';

/** What operations on tasks work with. */
export interface TaskContext {
  config: Config;
  /** The embedded stack of `KIMI_HOME`; absent if none runs. */
  stack: StackState | undefined;
  results: ResultStore;
  /** Contents of files. */
  contents: ContentStore;
  taskQueue: string;
  /** Workflow id of the limiter; `undefined` without limits. */
  limiter: string | undefined;
  /** Whether tasks go through the relay. */
  relay: boolean;
  /** Whether the simulated Kimi is used. */
  simulated: boolean;
  /** Address that the worker sends tasks to; `undefined` if the worker runs elsewhere. */
  apiUrl: string | undefined;
  /**
   * Runs `work` with a connection to the engine.
   *
   * @throws {EngineUnreachable}
   */
  withClient<T>(work: (client: Client) => Promise<T>): Promise<T>;
}

const MOONSHOT_URL = VARIABLES.KIMI_API_URL.schema.parse(undefined);

/** @param elsewhere whether the environment names a Temporal server other than the embedded one */
export function taskContext(
  config: Config,
  stack: StackState | undefined,
  elsewhere: boolean,
  withClient: TaskContext['withClient'],
): TaskContext {
  const isUnknown = !stack && elsewhere && !config.isSet('KIMI_API_URL');
  // Behind the relay the simulated Kimi is Moonshot's API, with its models.
  const isMoonshot = stack?.relay_url !== undefined && stack.api_url === undefined;
  const apiUrl = isMoonshot ? MOONSHOT_URL : (stack?.api_url ?? config.KIMI_API_URL);
  return {
    config,
    stack,
    results: new ResultStore(
      stack && !config.isSet('KIMI_RESULTS_DIR') ? stack.results_dir : config.KIMI_RESULTS_DIR,
      config.KIMI_PAYLOAD_KEYS,
    ),
    contents: openPayloads(config).contents,
    taskQueue: stack?.task_queue ?? config.KIMI_TASK_QUEUE,
    limiter: stack ? stack.limiter : isLimited(limitsOf(config)) ? limiterIdOf(config) : undefined,
    relay: stack ? stack.relay_url !== undefined : usesRelay(config),
    simulated: stack?.simulated ?? false,
    apiUrl: isUnknown ? undefined : apiUrl,
    withClient,
  };
}

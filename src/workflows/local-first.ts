import type { Duration } from '@temporalio/common';
import { scheduleActivity, scheduleLocalActivity, sleep, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { readRetry } from './failures.ts';

/** Timeout of the local activity: less than the 80 % of `WORKFLOW_TASK_TIMEOUT` after which the SDK extends a workflow task. */
const LOCAL_TIMEOUT = '2s';

type LocalFirst<Name extends keyof Activities> = Activities[Name] extends (...args: infer Args) => Promise<infer Result>
  ? (args: Args, summary?: string) => Promise<Result>
  : never;

/**
 * @param options of the regular activity
 * @param localTimeout of the local activity, where a second attempt must not start while the first may still run
 */
type ProxyLocalFirst = <Name extends keyof Activities>(
  name: Name,
  options: ActivityOptions,
  localTimeout?: Duration,
) => LocalFirst<Name>;

/**
 * Short, idempotent activities of one workflow. Each runs once as a local activity, within the workflow task, which saves a
 * round trip to Temporal; if that fails, it is scheduled as a regular activity, which Temporal retries.
 *
 * The local activity is not retried: retries keep the workflow task open, at three events every few seconds, and if such a
 * workflow task times out while a signal arrives, the history cannot be replayed (docs/decisions/0016-local-first.md).
 */
export function localFirstActivities(): ProxyLocalFirst {
  /** The last local activity. They run one at a time: with two in an extended workflow task, its history cannot be replayed. */
  let last: Promise<unknown> = Promise.resolve();

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = last.then(work);
    last = turn.catch(() => {});
    return await turn;
  }

  return <Name extends keyof Activities>(
    name: Name,
    options: ActivityOptions,
    localTimeout: Duration = LOCAL_TIMEOUT,
  ) => {
    const run = async (args: unknown[], text?: string): Promise<unknown> => {
      const summary = text === undefined ? {} : { summary: text };
      const { cancellationType } = options;
      const local = {
        startToCloseTimeout: localTimeout,
        retry: { maximumAttempts: 1 },
        ...(cancellationType && { cancellationType }),
        ...summary,
      };
      try {
        return await inTurn(async () => await scheduleLocalActivity(name, args, local));
      } catch (error) {
        const retryAfterMs = readRetry(error);
        if (retryAfterMs === undefined) throw error;
        if (retryAfterMs > 0) await sleep(retryAfterMs);
        return await scheduleActivity(name, args, { ...options, ...summary });
      }
    };
    return run as LocalFirst<Name>;
  };
}

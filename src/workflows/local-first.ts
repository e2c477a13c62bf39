import type { Duration } from '@temporalio/common';
import { scheduleActivity, scheduleLocalActivity, sleep, type ActivityOptions } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import { readRetry } from './failures.ts';

/** How long work may take unless it is said: less than the 80 % of `WORKFLOW_TASK_TIMEOUT` after which the SDK prolongs a workflow task. */
const AT_ONCE = '2s';

export type AtOnce<Name extends keyof Activities> = Activities[Name] extends (
  ...args: infer Args
) => Promise<infer Result>
  ? (args: Args, summary?: string) => Promise<Result>
  : never;

/**
 * @param options of the activity.
 * @param within how long it may take at once, where what was begun should not be begun anew.
 */
type ProxyAtOnce = <Name extends keyof Activities>(
  name: Name,
  options: ActivityOptions,
  within?: Duration,
) => AtOnce<Name>;

/**
 * Short, idempotent work of one workflow. It is tried once as a local activity, within the workflow task, which spares a round
 * trip through the engine; where that fails, it is an activity that the engine repeats.
 *
 * It is not repeated as a local activity: that keeps the workflow task open, at three events every few seconds, and where
 * such a workflow task times out while a signal comes, the history cannot be replayed (docs/decisions/0016-at-once.md).
 */
export function oneAtATime(): ProxyAtOnce {
  /** Ends with the local activities so far: while there are two at a time, the history of a prolonged workflow task cannot be replayed. */
  let before: Promise<unknown> = Promise.resolve();

  return <Name extends keyof Activities>(name: Name, options: ActivityOptions, within: Duration = AT_ONCE) => {
    const work = async (args: unknown[], summary?: string): Promise<unknown> => {
      const told = summary === undefined ? {} : { summary };
      const local = { startToCloseTimeout: within, retry: { maximumAttempts: 1 }, ...told };
      try {
        return await inTurn(async () => await scheduleLocalActivity(name, args, local));
      } catch (error) {
        const again = readRetry(error);
        if (again === undefined) throw error;
        if (again > 0) await sleep(again);
        return await scheduleActivity(name, args, { ...options, ...told });
      }
    };
    return work as AtOnce<Name>;
  };

  async function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = before.then(work);
    before = turn.catch(() => {});
    return await turn;
  }
}

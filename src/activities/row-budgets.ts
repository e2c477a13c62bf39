import { Context } from '@temporalio/activity';
import type { Config } from '../config/index.ts';
import { roundedMoney, type Estimate } from '../shared/budget.ts';
import { rowTaskId } from '../shared/task-id.ts';
import { allow } from '../tasks/allow.ts';
import { Problem } from '../tasks/problem.ts';
import { readOrder, tasksOfRows } from '../tasks/rows.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { beating } from './heartbeat.ts';
import { mostCostOrFailure } from './limiter.ts';

export interface RowBudgetDependencies {
  /** Rows and orders of maps. */
  contents: ContentStore;
  /** Base address of Kimi's API, whose prices apply. */
  apiUrl: string;
  config: Pick<Config, 'KIMI_FALLBACK'>;
}

/** What the rows of a map may cost. */
export function rowBudgetActivities({ contents, apiUrl, config }: RowBudgetDependencies) {
  return {
    /** Lets rows be sent that exceed a budget. One that is sent by now is left alone. */
    async allowRows(map: string, numbers: number[]): Promise<void> {
      const { client } = Context.current();
      await Promise.all(
        numbers.map(async (number) => {
          await allow(client, rowTaskId(map, number)).catch((error: unknown) => {
            if (!(error instanceof Problem && error.code === 'not_paused')) throw error;
          });
        }),
      );
    },

    /** @returns what rows may cost at most: together, and the dearest of them. @throws {ApplicationFailure} if no price is known */
    async mostCostOfRows(map: string, order: string, numbers: number[]): Promise<Estimate> {
      return await beating(async () => {
        const rows = tasksOfRows(contents, map, await readOrder(contents, order), numbers);
        const sum = { amount: 0, each: 0, currency: 'CNY' as Estimate['currency'] };
        for await (const task of rows) {
          const { amount, currency } = mostCostOrFailure(task, apiUrl, config.KIMI_FALLBACK);
          Object.assign(sum, { amount: sum.amount + amount, each: Math.max(sum.each, amount), currency });
        }
        return { ...sum, amount: roundedMoney(sum.amount) };
      });
    },
  };
}

/** What is left of the budgets, on the command line and in the Web UI. */
import type { BudgetView } from '../shared/budget.ts';
import { money } from '../shared/format.ts';
import type { Text } from './index.ts';

/** @returns the rows that say what is left of the budgets; none without a budget. */
export function budgetRows(budget: BudgetView | undefined, { limiter: words }: Text): [label: string, value: string][] {
  if (!budget) return [];
  const { day, currency, spent, reserved, per_day, per_chat, paused } = budget;
  // Before the first task of a limiter it is not known of which currency a budget is.
  const say = (amount: number): string => (currency ? money({ amount, currency }) : String(amount));
  return [
    [words.budgetOfDay(day), words.spent(say(spent), say(reserved), per_day === undefined ? undefined : say(per_day))],
    ...(per_chat === undefined ? [] : [[words.budgetOfChats, say(per_chat)] as [string, string]]),
    ...(paused.length === 0 ? [] : [[words.overBudget, String(paused.length)] as [string, string]]),
  ];
}

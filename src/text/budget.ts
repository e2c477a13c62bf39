/** What is left of the budgets, on the command line and in the Web UI. */
import type { BudgetView, Money } from '../shared/budget.ts';
import { money } from '../shared/format.ts';
import type { Text } from './index.ts';

/**
 * @param host the currency of the account's host: before its first task a limiter does not know it
 * @returns the rows that say what is left of the budgets; none without a budget.
 */
export function budgetRows(
  budget: BudgetView | undefined,
  { limiter: words }: Text,
  host?: Money['currency'],
): [label: string, value: string][] {
  if (!budget) return [];
  const { day, currency = host, spent, reserved, per_day, per_chat, paused } = budget;
  const say = (amount: number): string => (currency ? money({ amount, currency }) : String(amount));
  return [
    [words.budgetOfDay(day), words.spent(say(spent), say(reserved), per_day === undefined ? undefined : say(per_day))],
    ...(per_chat === undefined ? [] : [[words.budgetOfChats, say(per_chat)] as [string, string]]),
    ...(paused.length === 0 ? [] : [[words.overBudget, String(paused.length)] as [string, string]]),
  ];
}

import type { Cost } from './contract.ts';

/** @returns an amount as it is read, e.g. `¥0.0364`. A task costs less than a cent: six decimals, and two at the least. */
export function money({ amount, currency }: Pick<Cost, 'amount' | 'currency'>): string {
  return new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 2,
    maximumFractionDigits: 6,
  }).format(amount);
}

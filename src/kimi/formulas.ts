/** Tools that Moonshot runs for a model: its Formula API (Moonshot's documentation, "Official tools"). */
import type { Cost } from '../shared/result.ts';
import type { Tool, ToolUse } from '../shared/task.ts';

/** Address of each tool below `/formulas/`. */
export const FORMULAS: Record<Tool, string> = {
  search: 'moonshot/web-search:latest',
  fetch: 'moonshot/fetch:latest',
  code: 'moonshot/code-runner:latest',
  excel: 'moonshot/excel:latest',
};

/** Price of a successful call of `search` (Moonshot's documentation, read 2026-11-29; its help centre says 0.004). No price in CNY was found. */
const SEARCH_USD = 0.005;

/** @returns the cost of an answer with its searches, as far as their price is known. */
export function withSearches(cost: Cost, uses: readonly ToolUse[]): Cost {
  const searches = uses.filter(({ tool, failed }) => tool === 'search' && !failed).length;
  return cost.currency === 'USD' ? { ...cost, amount: cost.amount + searches * SEARCH_USD } : cost;
}

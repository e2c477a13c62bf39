/** Budgets: what tasks may cost. Amounts are in the currency of the account's host. */
import type { Cost, TaskResult } from './result.ts';
import type { TaskRequest } from './task.ts';

export type Money = Pick<Cost, 'amount' | 'currency'>;

/** Smallest budget: a hundredth of a cent, which is still shown. */
const LEAST_BUDGET = 0.0001;

/** Parses the amount of a budget, without a currency. @returns `undefined` if it is not one, or is too small */
export function readBudget(words: string): number | undefined {
  const amount = /^\d{1,9}(?:\.\d+)?$/.test(words) ? Number(words) : 0;
  return amount >= LEAST_BUDGET ? amount : undefined;
}

/** What a task may cost at most; of a map, all of its rows together, and the dearest of them. */
export type Estimate = Money & { each?: number };

/** Budgets of a day, which the limiter keeps. A task counts in the day in which it is sent. */
export interface Budget {
  /** Of all tasks of the limiter; absent if unlimited. */
  per_day?: number;
  /** Of the tasks of each chat; absent if unlimited. */
  per_chat?: number;
  /** IANA name: where the day begins. */
  timezone: string;
}

/** What a task may cost at most, as its request for a lease says it. */
export interface Reservation extends Money {
  /** The chat that asked for the task (`chatKey`). */
  chat?: string;
  /** Its user lets it be sent, whatever it costs. */
  allowed?: true;
}

/** Why a task is not sent: what it may cost exceeds what is left of a budget. */
export interface BudgetPause {
  /** Whose budget: of the day, of the chat's day, or of the task itself. */
  of: 'day' | 'chat' | 'task';
  currency: Cost['currency'];
  budget: number;
  /** What the task may cost at most. */
  needs: number;
  /** What was paid, or may have been. */
  spent: number;
  /** What running tasks may cost at most; absent if none is running. */
  reserved?: number;
  /** When it is sent by itself: in the next day, ISO 8601, UTC, whole seconds; absent if it would exceed the budget of that day too. */
  until?: string;
  /** IANA name of the budget's time zone; absent for that of a task. */
  timezone?: string;
  /** Running tasks will cost less than they may: it is sent by itself if that is enough. Otherwise its user is asked. */
  waits?: true;
}

/** A task that is not sent. */
export type PausedTask = { task_id: string } & BudgetPause;

/** The limiter's account of a day. */
export interface BudgetView extends Budget {
  /** `2026-11-30`. */
  day: string;
  /** Absent before the first task. */
  currency?: Cost['currency'];
  spent: number;
  /** What running tasks may cost at most. */
  reserved: number;
  /** Tasks that are not sent, in the order of their requests. */
  paused: PausedTask[];
}

/** What the cost of an answer depends on. */
export interface Paid extends Pick<TaskResult, 'model' | 'tokens' | 'tool_uses'> {
  batch?: true;
  /** Kimi may have charged more than is known. */
  unknown?: true;
}

/** Errors of requests that Kimi had, or may have had, and whose answer is not known. */
const MAY_BE_PAID = ['interrupted', 'outcome_unknown', 'no_api_id', 'stalled'];

/** @returns what the cost of a result depends on. @param asked the task, or its saved result: a result has no `request` before it is saved */
export function paidIn(
  { model, tokens, tool_uses, error }: TaskResult,
  { request }: { request?: Pick<TaskRequest, 'batch'> },
): Paid {
  const unknown = !tokens && error !== undefined && MAY_BE_PAID.includes(error.type);
  return {
    model,
    ...(tokens && { tokens }),
    ...(tool_uses && { tool_uses }),
    ...(request?.batch && { batch: true }),
    ...(unknown && { unknown }),
  };
}

/** Rounds to 8 decimals, as many as a token's price has, to remove floating-point errors. */
export function roundedMoney(amount: number): number {
  return Math.round(amount * 1e8) / 1e8;
}

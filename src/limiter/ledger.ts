import {
  roundedMoney,
  type Budget,
  type BudgetPause,
  type BudgetView,
  type PausedTask,
  type Reservation,
} from '../shared/budget.ts';
import { isoSeconds } from '../shared/format.ts';
import type { LeaseRequest } from '../shared/limits.ts';
import { dateIn } from '../shared/schedule.ts';

/** A task whose cost is not known yet, and what it may cost at most. */
type Reserved = { task_id: string } & Pick<Reservation, 'amount' | 'chat'>;

/** The account of a day. Tasks whose cost is known are in the sums only. */
export interface LedgerState {
  /** `2026-11-30`, in the time zone of the budget. */
  day: string;
  /** Absent before the first task. Another one is that of another account, which starts at 0. */
  currency?: Reservation['currency'];
  spent: number;
  /** Of each chat. */
  chats: Record<string, number>;
  reserved: Reserved[];
}

type Costed = Pick<LeaseRequest, 'task_id' | 'cost'>;

const SECOND_MS = 1_000;

/** Longer than any day, in milliseconds: clocks are set by an hour, and zones have moved across the date line. */
const LONGEST_DAY_MS = 49 * 3_600_000;

/**
 * What is left of the budgets of a day. A task's reservation is made when it is admitted, and replaced by its cost once. A task that
 * still runs when the next day begins belongs to the day before.
 *
 * Pure: the time is an argument.
 */
export class Ledger {
  /** The day of the last time given as an argument. */
  private known: { timezone: string; day: string; from: number; end: number } | undefined;

  /** @param state its `ledger` is replaced every day; `limits` may change */
  constructor(private readonly state: { ledger?: LedgerState; limits: { budget?: Budget } }) {}

  /** Whether there is a budget to keep. */
  get isActive(): boolean {
    const { per_day, per_chat } = this.state.limits.budget ?? {};
    return per_day !== undefined || per_chat !== undefined;
  }

  /**
   * @param isRunning whether a task has a slot: what is reserved for another one may have been paid
   * @param promised to tasks that are about to be sent
   * @returns why a task cannot be sent now; `undefined` if it can
   */
  shortage(
    { task_id, cost }: Costed,
    now: number,
    isRunning: (task_id: string) => boolean,
    promised: readonly Reserved[] = [],
  ): BudgetPause | undefined {
    const { budget } = this.state.limits;
    if (!budget || !cost || cost.allowed || cost.amount === 0) return undefined;
    const { spent, chats, reserved } = this.account(now, cost.currency);
    const others = reserved.filter((other) => other.task_id !== task_id);
    const { chat = '' } = cost;
    const accounts = [
      { of: 'day' as const, limit: budget.per_day, paid: spent, isOfIt: () => true },
      {
        of: 'chat' as const,
        limit: cost.chat === undefined ? undefined : budget.per_chat,
        paid: chats[chat] ?? 0,
        isOfIt: (other: Reserved) => other.chat === chat,
      },
    ];
    for (const { of, limit, paid, isOfIt } of accounts) {
      if (limit === undefined) continue;
      const [running, ended] = [true, false].map((runs) =>
        sumOf(others.filter((other) => isOfIt(other) && isRunning(other.task_id) === runs)),
      ) as [number, number];
      const gone = roundedMoney(paid + ended);
      const { amount: needs, currency } = cost;
      if (roundedMoney(gone + running + sumOf(promised.filter(isOfIt)) + needs) <= limit) continue;
      return {
        of,
        currency,
        budget: limit,
        needs,
        spent: gone,
        ...(running > 0 && { reserved: running }),
        ...(needs <= limit && { until: isoSeconds(this.dayAt(now).end) }),
        timezone: budget.timezone,
        ...(roundedMoney(gone + needs) <= limit && { waits: true }),
      };
    }
    return undefined;
  }

  /** Reserves what a task may cost. A task that is sent again has its reservation. */
  reserve({ task_id, cost }: Costed, now: number): void {
    if (!this.isActive || !cost || cost.amount === 0) return;
    const account = this.account(now, cost.currency);
    if (account.reserved.some((other) => other.task_id === task_id)) return;
    this.state.ledger = { ...account, reserved: [...account.reserved, reservedFor({ task_id, cost })] };
  }

  hasReserved(task_id: string): boolean {
    return this.state.ledger?.reserved.some((other) => other.task_id === task_id) ?? false;
  }

  /** Replaces a task's reservation by what it cost; the second time nothing happens. @param spent `reserved` if its cost is not known */
  settle(task_id: string, spent: number | 'reserved'): void {
    const { ledger } = this.state;
    const own = ledger?.reserved.find((other) => other.task_id === task_id);
    if (!ledger || !own) return;
    const { chat, amount } = own;
    const paid = spent === 'reserved' ? amount : spent;
    ledger.reserved = ledger.reserved.filter((other) => other !== own);
    ledger.spent = roundedMoney(ledger.spent + paid);
    if (chat !== undefined) ledger.chats[chat] = roundedMoney((ledger.chats[chat] ?? 0) + paid);
  }

  /** @returns in how many milliseconds the next day begins. */
  untilNextDay(now: number): number {
    return this.dayAt(now).end - now;
  }

  /** @returns `undefined` without a budget */
  view(now: number, paused: PausedTask[]): BudgetView | undefined {
    const { budget } = this.state.limits;
    if (!budget || !this.isActive) return undefined;
    const { day, currency, spent, reserved } = this.account(now);
    return { ...budget, day, ...(currency && { currency }), spent, reserved: sumOf(reserved), paused };
  }

  /** A clock that was set back does not open the day before again. */
  private account(now: number, currency = this.state.ledger?.currency): LedgerState {
    const { day } = this.dayAt(now);
    const before = this.state.ledger;
    if (before && day <= before.day && before.currency === currency) return before;
    const latest = before && before.day > day ? before.day : day;
    return { day: latest, ...(currency && { currency }), spent: 0, chats: {}, reserved: [] };
  }

  private dayAt(now: number): { day: string; end: number } {
    const { timezone = 'UTC' } = this.state.limits.budget ?? {};
    const { known } = this;
    if (known && known.timezone === timezone && now >= known.from && now < known.end) return known;
    const day = dateIn(isoSeconds(now), timezone);
    let [within, end] = [now, now + LONGEST_DAY_MS];
    while (end - within > SECOND_MS) {
      const middle = Math.floor((within + end) / 2);
      if (dateIn(isoSeconds(middle), timezone) > day) end = middle;
      else within = middle;
    }
    this.known = { timezone, day, from: now, end: Math.floor(end / SECOND_MS) * SECOND_MS };
    return this.known;
  }
}

/** @returns what is reserved for a task that is admitted. */
export function reservedFor({ task_id, cost }: Costed): Reserved {
  const { amount = 0, chat } = cost ?? {};
  return { task_id, amount, ...(chat !== undefined && { chat }) };
}

function sumOf(reserved: readonly Reserved[]): number {
  return roundedMoney(reserved.reduce((sum, { amount }) => sum + amount, 0));
}

import type { BudgetPause, PausedTask } from '../shared/budget.ts';
import type { LeaseRequest } from '../shared/limits.ts';
import { reservedFor, type Ledger } from './ledger.ts';
import type { PausedRequest } from './state.ts';

/** Requests of tasks that would exceed a budget, in order. */
export class PausedTasks {
  /** @param running ids of the tasks that have a slot */
  constructor(
    private readonly state: { paused?: PausedRequest[] },
    private readonly ledger: Ledger,
    private readonly running: () => ReadonlySet<string>,
  ) {}

  get(task_id: string): LeaseRequest | undefined {
    return this.all.find(({ request }) => request.task_id === task_id)?.request;
  }

  get isEmpty(): boolean {
    return this.all.length === 0;
  }

  countOf(agent: string | undefined): number {
    return this.all.filter(({ request }) => request.agent === agent).length;
  }

  add(request: LeaseRequest): void {
    this.state.paused = [...this.all, { request }];
  }

  remove(task_id: string): void {
    if (!this.get(task_id)) return;
    this.state.paused = this.all.filter(({ request }) => request.task_id !== task_id);
  }

  /** Removes those that the budgets allow by now. @returns their requests, no more than all of which can be paid. */
  takeAffordable(now: number): LeaseRequest[] {
    const running = this.running();
    const promised: ReturnType<typeof reservedFor>[] = [];
    const taken = this.all.filter(({ request }) => {
      if (this.ledger.shortage(request, now, (id) => running.has(id), promised)) return false;
      promised.push(reservedFor(request));
      return true;
    });
    if (taken.length > 0) this.state.paused = this.all.filter((one) => !taken.includes(one));
    return taken.map(({ request }) => request);
  }

  /** @returns what those have to know that have not been told, or who have to be asked now. */
  takeNews(now: number): { request: LeaseRequest; pause: BudgetPause }[] {
    return this.pauses(now).flatMap(({ one, pause }) => {
      const told = pause.waits ? 'waits' : 'asks';
      if (one.told === told) return [];
      one.told = told;
      return [{ request: one.request, pause }];
    });
  }

  /** @returns whether any of them is sent as soon as running tasks turn out to cost less than they may. */
  areWaiting(now: number): boolean {
    return this.pauses(now).some(({ pause }) => pause.waits);
  }

  pauseOf(task_id: string, now: number): BudgetPause | undefined {
    return this.pauses(now).find(({ one }) => one.request.task_id === task_id)?.pause;
  }

  view(now: number): PausedTask[] {
    return this.pauses(now).map(({ one, pause }) => ({ task_id: one.request.task_id, ...pause }));
  }

  private pauses(now: number): { one: PausedRequest; pause: BudgetPause }[] {
    if (this.isEmpty) return [];
    const running = this.running();
    return this.all.flatMap((one) => {
      const pause = this.ledger.shortage(one.request, now, (id) => running.has(id));
      return pause ? [{ one, pause }] : [];
    });
  }

  private get all(): PausedRequest[] {
    return this.state.paused ?? [];
  }
}

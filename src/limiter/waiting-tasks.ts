import type { LeaseRequest } from '../shared/limits.ts';
import { FairQueue } from './fair-queue.ts';

/** Waiting requests in order: by rank, and within a rank by {@link FairQueue}. */
export class WaitingTasks {
  private readonly ranks: FairQueue[] = [];
  private readonly byTask = new Map<string, { request: LeaseRequest; rank: number }>();

  get(task_id: string): LeaseRequest | undefined {
    return this.byTask.get(task_id)?.request;
  }

  /** @param rank 0 for a task that holds a slot, otherwise its priority */
  add(request: LeaseRequest, rank: number): void {
    while (this.ranks.length <= rank) this.ranks.push(new FairQueue());
    this.ranks[rank]?.add(request);
    this.byTask.set(request.task_id, { request, rank });
  }

  /** Removes a request that is granted: its agent has had its turn. */
  take(request: LeaseRequest): void {
    this.ranks[this.byTask.get(request.task_id)?.rank ?? 0]?.take(request);
    this.byTask.delete(request.task_id);
  }

  remove(task_id: string): void {
    const waiting = this.byTask.get(task_id);
    if (!waiting) return;
    this.ranks[waiting.rank]?.remove(waiting.request);
    this.byTask.delete(task_id);
  }

  /** @returns the first request of an agent that is eligible. */
  first(isEligible: (agent: string | undefined) => boolean): LeaseRequest | undefined {
    for (const rank of this.ranks) {
      const first = rank.first(isEligible);
      if (first) return first;
    }
    return undefined;
  }

  /** @returns how many requests are ahead of a task's; `undefined` if it does not wait. */
  aheadOf(task_id: string): number | undefined {
    const waiting = this.byTask.get(task_id);
    if (!waiting) return undefined;
    const { request, rank } = waiting;
    const higherRanks = this.ranks.slice(0, rank).reduce((sum, { length }) => sum + length, 0);
    return higherRanks + (this.ranks[rank]?.aheadOf(request) ?? 0);
  }

  countOf(agent: string | undefined): number {
    return this.ranks.reduce((sum, rank) => sum + rank.of(agent).length, 0);
  }

  /** @returns an agent's requests, by rank. */
  of(agent: string | undefined): LeaseRequest[] {
    return this.ranks.flatMap((rank) => rank.of(agent));
  }

  all(): LeaseRequest[] {
    return this.ranks.flatMap((rank) => rank.all());
  }
}

import type { LeaseRequest } from '../shared/limits.ts';

/**
 * Requests of one rank: agents take turns, and the requests of one agent are first come, first served. So an agent with 10,000
 * waiting tasks does not hold up the others. An agent is what Temporal calls a fairness key; requests without one belong to
 * one agent.
 *
 * A queue may be long and agents are few: no operation on one agent scans the requests of all.
 */
export class FairQueue {
  /** In the order of their turns, none empty: an agent that is added, or added again, has the last turn of the round. */
  private readonly agents = new Map<string | undefined, LeaseRequest[]>();

  /** @returns the first request of an agent that is eligible; by default all are. */
  first(isEligible: (agent: string | undefined) => boolean = () => true): LeaseRequest | undefined {
    for (const [agent, [first]] of this.agents) if (isEligible(agent)) return first;
    return undefined;
  }

  get length(): number {
    let sum = 0;
    for (const { length } of this.agents.values()) sum += length;
    return sum;
  }

  add(request: LeaseRequest): void {
    const own = this.agents.get(request.agent);
    if (own) own.push(request);
    else this.agents.set(request.agent, [request]);
  }

  /** Removes a request that is granted: its agent has had its turn. */
  take(request: LeaseRequest): void {
    const own = this.of(request.agent);
    this.remove(request);
    if (own.length > 0) {
      this.agents.delete(request.agent);
      this.agents.set(request.agent, own);
    }
  }

  remove(request: LeaseRequest): void {
    const own = this.of(request.agent);
    own.splice(indexIn(own, request), 1);
    if (own.length === 0) this.agents.delete(request.agent);
  }

  /** @returns how many requests are ahead of a queued one. */
  aheadOf(request: LeaseRequest): number {
    const index = indexIn(this.of(request.agent), request);
    let sum = index;
    /** Requests of each other agent that are served first: one more for an agent whose turn comes before this one's. */
    let ahead = index + 1;
    for (const [agent, { length }] of this.agents) {
      if (agent === request.agent) ahead = index;
      else sum += Math.min(length, ahead);
    }
    return sum;
  }

  /** @returns an agent's requests, in order. */
  of(agent: string | undefined): LeaseRequest[] {
    return this.agents.get(agent) ?? [];
  }

  /** @returns all requests in the order of their turns. Adding them to an empty queue in this order restores the queue. */
  all(): LeaseRequest[] {
    const lists = [...this.agents.values()];
    const { length } = this;
    const all: LeaseRequest[] = [];
    for (let round = 0; all.length < length; round += 1) {
      for (const list of lists) {
        const request = list[round];
        if (request) all.push(request);
      }
    }
    return all;
  }
}

/** The position of the next request and of the newest ones is asked for most, so both ends are searched first. */
function indexIn(requests: LeaseRequest[], request: LeaseRequest): number {
  return requests[0] === request ? 0 : requests.lastIndexOf(request);
}

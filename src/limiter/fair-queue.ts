import type { LeaseRequest } from '../shared/limits.ts';

/**
 * Requests of one rank: agents take turns, and each agent's own go first come first served. So one with 10,000 waiting lets the
 * others in between. An agent is what Temporal calls a fairness key; where none is named, all are one agent's.
 *
 * A queue may be long, and agents are few: nothing goes through the requests of all for one of them.
 */
export class FairQueue {
  /** In the order of their turns. None is empty: an agent that comes, or comes back, is the last of the round. */
  private readonly agents = new Map<string | undefined, LeaseRequest[]>();

  /** @returns the next of those agents that can go; all can where nothing is said. */
  first(canGo: (agent: string | undefined) => boolean = () => true): LeaseRequest | undefined {
    for (const [agent, [first]] of this.agents) if (canGo(agent)) return first;
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

  /** Takes one out since it goes: its agent has had its turn. */
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

  /** @returns how many go before one that is there. */
  before(request: LeaseRequest): number {
    const index = indexIn(this.of(request.agent), request);
    let sum = index;
    /** How many of each other agent: those whose turn comes earlier in the round are one ahead. */
    let ahead = index + 1;
    for (const [agent, { length }] of this.agents) {
      if (agent === request.agent) ahead = index;
      else sum += Math.min(length, ahead);
    }
    return sum;
  }

  /** @returns an agent's own, in their order. */
  of(agent: string | undefined): LeaseRequest[] {
    return this.agents.get(agent) ?? [];
  }

  /** @returns all, in the order in which they would go. Added anew in this order, they would go in it again. */
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

/** The first is looked at first, then the newest: it is the next who goes, and newcomers who ask for their place. */
function indexIn(requests: LeaseRequest[], request: LeaseRequest): number {
  return requests[0] === request ? 0 : requests.lastIndexOf(request);
}

import {
  isoSeconds,
  type LeaseRequest,
  type Limits,
  type LimiterView,
  type Place,
  type TurnedAway,
} from './contract.ts';

/** The window of {@link Limits.per_minute}, in milliseconds. */
const WINDOW_MS = 60_000;

/** How long everybody waits when Kimi was too busy and did not say for how long: doubled each time in a row. */
const PAUSE_MS = { first: 1_000, longest: 60_000 };

/** How much the newest task counts in the average time that tasks hold a place. */
const NEWEST_WEIGHT = 0.2;

/** A place that a task holds from its admission to its outcome. */
interface Lease {
  task_id: string;
  granted_at: number;
  /** The round it was granted for. */
  round: number;
  /** `granted`: its request may be on the way at any moment. `waiting`: Kimi turned it away, it is in the queue again. */
  phase: 'granted' | 'sent' | 'waiting';
}

/** All the limiter knows; it is carried over when its workflow continues as new. Times are milliseconds since 1970. */
export interface AdmissionState {
  limits: Limits;
  /** What the environment said last: when it says something else, that is the newer wish. */
  configured: Limits;
  queue: LeaseRequest[];
  leases: Lease[];
  /** When requests were sent, as far as they still count. */
  sent: number[];
  paused_until: number;
  /** How often in a row Kimi turned requests away. */
  turned_away: number;
  /** Average time a task holds a place; absent before the first has given it back. */
  average_hold_ms?: number;
}

export function emptyState(limits: Limits): AdmissionState {
  return { limits, configured: limits, queue: [], leases: [], sent: [], paused_until: 0, turned_away: 0 };
}

/**
 * Who may send to Kimi, and when: at most `per_minute` requests in any 60 s and `concurrent` tasks between dispatch and
 * outcome, first come first served within a priority.
 *
 * A request counts from its admission until 60 s after it is known to have been sent. So the limit holds by Kimi's clock
 * too, however long a request was on its way: all requests that arrive within 60 s of each other count at once.
 *
 * Pure: it takes the time as an argument and decides nothing by itself.
 */
export class AdmissionQueue {
  /**
   * Who waits, by rank: those who hold a place, then by priority; within a rank who came first. A queue may be long, so
   * nothing goes through the whole of it for one task.
   */
  private readonly ranks: LeaseRequest[][] = [];
  private readonly rankOf = new Map<string, number>();
  private readonly state: Omit<AdmissionState, 'queue'>;

  constructor({ queue, ...state }: AdmissionState) {
    this.state = state;
    let rank = 0;
    for (const request of queue) {
      rank = Math.max(rank, this.lease(request.task_id) ? 0 : request.priority);
      this.insert(request, rank);
    }
  }

  get limits(): Limits {
    return this.state.limits;
  }

  /** @returns all it knows. */
  snapshot(): AdmissionState {
    return { ...this.state, queue: this.queue() };
  }

  /** What the environment says now: each limit wins over what was set by hand only when it is a new one. */
  configure(configured: Limits): void {
    const { state } = this;
    const before = state.configured;
    const said = (Object.keys(configured) as (keyof Limits)[]).filter((key) => configured[key] !== before[key]);
    state.limits = { ...state.limits, ...Object.fromEntries(said.map((key) => [key, configured[key]])) };
    state.configured = configured;
  }

  setLimits(limits: Partial<Limits>): void {
    this.state.limits = { ...this.state.limits, ...limits };
  }

  /**
   * Puts a task into the queue. One that waits, or has been granted this round, stays where it is; one that holds a place
   * and asks for another round keeps it.
   *
   * @returns whether it came to the queue's end: it is refused where there is no room (see {@link refuse}).
   */
  request(request: LeaseRequest, now: number): boolean {
    const waiting = this.waiting(request.task_id);
    if (waiting) {
      waiting.round = Math.max(waiting.round, request.round);
      return false;
    }
    const lease = this.lease(request.task_id);
    if (lease && lease.round >= request.round) return false;
    if (request.turned_away) this.turnedAway(request.turned_away, now);
    if (lease) {
      this.noteSent(lease, now);
      lease.phase = 'waiting';
    }
    this.insert(request, lease ? 0 : request.priority);
    return !lease;
  }

  /** @returns whether this round of a task has been granted. */
  isGranted({ task_id, round }: Pick<LeaseRequest, 'task_id' | 'round'>): boolean {
    const lease = this.lease(task_id);
    return lease?.round === round && lease.phase !== 'waiting';
  }

  /** The request that a round was granted for is no longer on its way: Kimi took it, or nobody knows. */
  sent(task_id: string, round: number, accepted: boolean, now: number): void {
    if (accepted) this.state.turned_away = 0;
    const lease = this.lease(task_id);
    if (lease?.round === round) this.noteSent(lease, now);
  }

  /** A task no longer needs its place, in the queue or beyond it. */
  release(task_id: string, sent: boolean, now: number): void {
    const { state } = this;
    const lease = this.lease(task_id);
    if (lease) {
      if (lease.phase === 'granted' && sent) state.sent.push(now);
      const held = now - lease.granted_at;
      state.average_hold_ms = (state.average_hold_ms ?? held) * (1 - NEWEST_WEIGHT) + held * NEWEST_WEIGHT;
      state.leases = state.leases.filter((other) => other !== lease);
    }
    this.remove(task_id);
  }

  /** Kimi was too busy: everybody waits. */
  turnedAway({ retry_after_ms }: TurnedAway, now: number): void {
    const { state } = this;
    const pause = retry_after_ms ?? Math.min(PAUSE_MS.first * 2 ** state.turned_away, PAUSE_MS.longest);
    state.turned_away += 1;
    state.paused_until = Math.max(state.paused_until, now + pause);
  }

  /** Tasks that Kimi works on already hold a place, whoever let them in. */
  adopt(task_ids: string[], now: number): void {
    for (const task_id of task_ids) {
      if (!this.lease(task_id)) this.state.leases.push({ task_id, granted_at: now, round: 0, phase: 'sent' });
    }
  }

  /** Admits all who may go now. @returns their requests, in order. */
  grant(now: number): LeaseRequest[] {
    const { state } = this;
    state.sent = state.sent.filter((at) => at > now - WINDOW_MS);
    const granted: LeaseRequest[] = [];
    for (let next = this.next(); next && this.mayGo(next, now); next = this.next()) {
      const { task_id, round } = next;
      this.remove(task_id);
      const lease = this.lease(task_id);
      if (lease) Object.assign(lease, { round, phase: 'granted' });
      else state.leases.push({ task_id, round, granted_at: now, phase: 'granted' });
      granted.push(next);
    }
    return granted;
  }

  /** Takes newcomers out of the queue for whom there is no room, the last first. @returns their requests. */
  refuse(newcomers: string[]): LeaseRequest[] {
    const { limits } = this.state;
    const excess = limits.queued === 0 ? 0 : this.rankOf.size - limits.queued;
    if (excess <= 0) return [];
    const refused = this.queue()
      .filter(({ task_id }) => newcomers.includes(task_id))
      .slice(-excess);
    for (const { task_id } of refused) this.remove(task_id);
    return refused;
  }

  /** @returns in how many milliseconds somebody may go without any further word; `undefined` where that takes a word. */
  nextChange(now: number): number | undefined {
    const { state } = this;
    const next = this.next();
    if (!next) return undefined;
    if (state.paused_until > now) return state.paused_until - now;
    if (!this.hasPlace(next)) return undefined;
    const [oldest] = state.sent;
    return oldest === undefined ? undefined : Math.max(oldest + WINDOW_MS - now, 1);
  }

  /** @returns tasks that have kept others waiting for a while: it is worth a look whether they still need their place. */
  suspects(now: number, after_ms: number): string[] {
    const next = this.next();
    if (!next) return [];
    const noPlace = !this.hasPlace(next);
    return this.state.leases
      .filter(({ granted_at, phase }) => granted_at <= now - after_ms && (noPlace || phase === 'granted'))
      .map(({ task_id }) => task_id);
  }

  /** @returns where a task stands in the queue, or `undefined`. */
  placeOf(task_id: string, now: number): Place | undefined {
    const rank = this.rankOf.get(task_id);
    if (rank === undefined) return undefined;
    const before = this.ranks.slice(0, rank).reduce((sum, { length }) => sum + length, 0);
    return this.place(before + this.indexIn(rank, task_id), now, this.used(now));
  }

  view(now: number): LimiterView {
    const { limits, leases, paused_until } = this.state;
    const used = this.used(now);
    return {
      limits,
      used_per_minute: used,
      in_flight: leases.map(({ task_id }) => task_id),
      queue: this.queue().map(({ task_id, priority }, index) => ({
        task_id,
        priority,
        ...this.place(index, now, used),
      })),
      ...(paused_until > now && { paused_until: isoSeconds(paused_until) }),
    };
  }

  private noteSent(lease: Lease, now: number): void {
    if (lease.phase !== 'granted') return;
    lease.phase = 'sent';
    this.state.sent.push(now);
  }

  private place(index: number, now: number, used: number): Place {
    const expected_wait_ms = this.expectedWait(index + 1, now, used);
    return { place: index + 1, ...(expected_wait_ms !== undefined && { expected_wait_ms }) };
  }

  /** A guess from the limits and from how long tasks have taken so far. */
  private expectedWait(place: number, now: number, used: number): number | undefined {
    const { limits, leases, sent, paused_until, average_hold_ms } = this.state;
    let wait = Math.max(paused_until - now, 0);
    const spare = limits.per_minute - used;
    if (limits.per_minute > 0 && place > spare) {
      const turn = place - Math.max(spare, 0);
      const freed = sent[turn - 1];
      wait = Math.max(wait, freed ? freed + WINDOW_MS - now : Math.ceil(turn / limits.per_minute) * WINDOW_MS);
    }
    const free = limits.concurrent - leases.length;
    if (limits.concurrent > 0 && place > free) {
      if (average_hold_ms === undefined) return undefined;
      wait = Math.max(wait, Math.ceil((place - Math.max(free, 0)) / limits.concurrent) * average_hold_ms);
    }
    return Math.round(wait);
  }

  private mayGo(request: LeaseRequest, now: number): boolean {
    const { limits, paused_until } = this.state;
    return (
      paused_until <= now && this.hasPlace(request) && (limits.per_minute === 0 || this.used(now) < limits.per_minute)
    );
  }

  private hasPlace({ task_id }: LeaseRequest): boolean {
    const { limits, leases } = this.state;
    return limits.concurrent === 0 || leases.length < limits.concurrent || this.lease(task_id) !== undefined;
  }

  /** Requests that count against the last 60 s: those sent, and those that may be on their way. */
  private used(now: number): number {
    const { sent, leases } = this.state;
    return sent.filter((at) => at > now - WINDOW_MS).length + leases.filter(({ phase }) => phase === 'granted').length;
  }

  private lease(task_id: string): Lease | undefined {
    return this.state.leases.find((lease) => lease.task_id === task_id);
  }

  private queue(): LeaseRequest[] {
    return this.ranks.flat();
  }

  private next(): LeaseRequest | undefined {
    return this.ranks.find(({ length }) => length > 0)?.[0];
  }

  private waiting(task_id: string): LeaseRequest | undefined {
    const rank = this.rankOf.get(task_id);
    return rank === undefined ? undefined : this.ranks[rank]?.[this.indexIn(rank, task_id)];
  }

  private insert(request: LeaseRequest, rank: number): void {
    while (this.ranks.length <= rank) this.ranks.push([]);
    this.ranks[rank]?.push(request);
    this.rankOf.set(request.task_id, rank);
  }

  private remove(task_id: string): void {
    const rank = this.rankOf.get(task_id);
    if (rank === undefined) return;
    this.ranks[rank]?.splice(this.indexIn(rank, task_id), 1);
    this.rankOf.delete(task_id);
  }

  /** The first is looked at first, then the newest: it is the next who goes, and newcomers who ask for their place. */
  private indexIn(rank: number, task_id: string): number {
    const requests = this.ranks[rank] ?? [];
    return requests[0]?.task_id === task_id ? 0 : requests.findLastIndex((request) => request.task_id === task_id);
  }
}

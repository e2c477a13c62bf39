import { isoSeconds } from '../shared/format.ts';
import type { LeaseRequest, LimiterView, Limits, QueuePosition, Throttled } from '../shared/limits.ts';
import { FairQueue } from './fair-queue.ts';

/** The window of {@link Limits.per_minute}, in milliseconds. */
const WINDOW_MS = 60_000;

/** How long everybody waits when Kimi was too busy and did not say for how long: doubled each time in a row. */
const PAUSE_MS = { first: 1_000, longest: 60_000 };

/**
 * How long no worker of an agent may be seen before the agent counts as away, in milliseconds: an engine that was restarted has
 * forgotten who asked for work, and workers ask it anew within seconds.
 */
const AWAY_MS = 60_000;

/** How much the newest task counts in the average time that tasks hold a place. */
const NEWEST_WEIGHT = 0.2;

/** A place that a task holds from its admission to its outcome. */
interface Lease {
  task_id: string;
  /** {@link LeaseRequest.agent} */
  agent?: string;
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
  /** When that was decided; absent where it never was. */
  paused_at?: number;
  /** How often in a row Kimi turned requests away. */
  turned_away: number;
  /** Average time a task holds a place; absent before the first has given it back. */
  average_hold_ms?: number;
  /** Task queues of the agents that share it, as far as it has heard of them; absent where it is one agent's own. */
  agents?: string[];
  /** Those among them of whom no worker was seen at the last look, and since when; after a while they are away. */
  missing?: { agent: string; since: number; away: boolean }[];
}

export function emptyState(limits: Limits): AdmissionState {
  return { limits, configured: limits, queue: [], leases: [], sent: [], paused_until: 0, turned_away: 0 };
}

/**
 * Who may send to Kimi, and when: at most `per_minute` requests in any 60 s and `concurrent` tasks between dispatch and
 * outcome. Within a priority agents that share it take turns; among one agent's tasks it is first come first served.
 *
 * A request counts from its admission until 60 s after it is known to have been sent. So the limit holds by Kimi's clock
 * too, however long a request was on its way: all requests that arrive within 60 s of each other count at once.
 *
 * Pure: it takes the time as an argument and decides nothing by itself.
 */
export class AdmissionQueue {
  /** Who waits, by rank: those who hold a place, then by priority. */
  private readonly ranks: FairQueue[] = [];
  private readonly waiting = new Map<string, { request: LeaseRequest; rank: number }>();
  private readonly state: Omit<AdmissionState, 'queue'>;
  /** The time it was given last; nothing it has noted is later. */
  private latest: number;

  constructor({ queue, ...state }: AdmissionState) {
    this.state = state;
    const { sent, leases, missing = [], paused_at = 0 } = state;
    const noted = [...leases.map(({ granted_at }) => granted_at), ...missing.map(({ since }) => since)];
    this.latest = sent.concat(noted).reduce((latest, at) => Math.max(latest, at), paused_at);
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
    this.clampTo(now);
    const waiting = this.waiting.get(request.task_id)?.request;
    if (waiting) {
      waiting.round = Math.max(waiting.round, request.round);
      return false;
    }
    const lease = this.lease(request.task_id);
    if (lease && lease.round >= request.round) return false;
    if (request.turned_away) this.throttled(request.turned_away, now);
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
    this.clampTo(now);
    if (accepted) this.state.turned_away = 0;
    const lease = this.lease(task_id);
    if (lease?.round === round) this.noteSent(lease, now);
  }

  /** A task no longer needs its place, in the queue or beyond it. */
  release(task_id: string, sent: boolean, now: number): void {
    this.clampTo(now);
    const { state } = this;
    const lease = this.lease(task_id);
    if (lease) {
      if (lease.phase === 'granted' && sent) state.sent.push(now);
      const held = Math.max(0, now - lease.granted_at);
      state.average_hold_ms = (state.average_hold_ms ?? held) * (1 - NEWEST_WEIGHT) + held * NEWEST_WEIGHT;
      state.leases = state.leases.filter((other) => other !== lease);
    }
    this.remove(task_id);
  }

  /** Kimi was too busy: everybody waits. */
  throttled({ retry_after_ms }: Throttled, now: number): void {
    const { state } = this;
    const pause = retry_after_ms ?? Math.min(PAUSE_MS.first * 2 ** state.turned_away, PAUSE_MS.longest);
    state.turned_away += 1;
    this.clampTo(now);
    if (now + pause <= state.paused_until) return;
    state.paused_until = now + pause;
    state.paused_at = now;
  }

  /** What lies in the future was noted before the clock was set back: it happened now at the latest, and lasts no longer for it. */
  private clampTo(now: number): void {
    const isSetBack = now < this.latest;
    this.latest = now;
    if (!isSetBack) return;
    const { state } = this;
    state.sent = state.sent.map((at) => Math.min(at, now));
    for (const lease of state.leases) lease.granted_at = Math.min(lease.granted_at, now);
    for (const missing of state.missing ?? []) missing.since = Math.min(missing.since, now);
    if (state.paused_at !== undefined && state.paused_at > now) {
      state.paused_until -= state.paused_at - now;
      state.paused_at = now;
    }
  }

  get agents(): string[] {
    return this.state.agents ?? [];
  }

  /**
   * Somebody of an agent has said something: it is there.
   *
   * @returns whether it is heard of for the first time; false where the limiter is one agent's own.
   */
  hear(agent: string): boolean {
    const { agents, missing } = this.state;
    if (!agents) return false;
    if (missing) this.state.missing = missing.filter((other) => other.agent !== agent);
    if (agents.includes(agent)) return false;
    this.state.agents = [...agents, agent];
    return true;
  }

  /**
   * A look has seen no worker of these agents. Where that goes on, they are away: nothing of theirs can be sent, so nothing of theirs
   * is admitted, and the places that they hold keep nobody else waiting until they are heard of again.
   */
  miss(agents: string[], now: number): void {
    this.clampTo(now);
    const before = new Map(this.state.missing?.map(({ agent, since }) => [agent, since]));
    this.state.missing = agents.map((agent) => {
      const since = before.get(agent) ?? now;
      return { agent, since, away: now - since >= AWAY_MS };
    });
  }

  /** Tasks that Kimi works on already hold a place, whoever let them in. */
  adopt(task_ids: string[], now: number, agent?: string): void {
    this.clampTo(now);
    for (const task_id of task_ids) {
      if (!this.lease(task_id)) {
        this.state.leases.push({ task_id, ...named(agent), granted_at: now, round: 0, phase: 'sent' });
      }
    }
  }

  /** Admits all who may go now. @returns their requests, in order. */
  grant(now: number): LeaseRequest[] {
    const { state } = this;
    this.clampTo(now);
    state.sent = state.sent.filter((at) => at > now - WINDOW_MS);
    const granted: LeaseRequest[] = [];
    for (let next = this.next(); next && this.mayGo(next, now); next = this.next()) {
      const { task_id, agent, round } = next;
      this.ranks[this.waiting.get(task_id)?.rank ?? 0]?.take(next);
      this.waiting.delete(task_id);
      const lease = this.lease(task_id);
      if (lease) Object.assign(lease, { round, phase: 'granted' });
      else state.leases.push({ task_id, ...named(agent), round, granted_at: now, phase: 'granted' });
      granted.push(next);
    }
    return granted;
  }

  /**
   * Takes newcomers out of the queue for whom there is no room, the last first. Each agent has all of it: one that fills its own
   * keeps nobody else out.
   *
   * @returns their requests.
   */
  refuse(newcomers: string[]): LeaseRequest[] {
    const { queued } = this.state.limits;
    if (queued === 0) return [];
    const agents = new Set(newcomers.map((task_id) => this.waiting.get(task_id)?.request.agent));
    return [...agents].flatMap((agent) => {
      const excess = this.countOf(agent) - queued;
      if (excess <= 0) return [];
      const refused = this.ranks
        .flatMap((rank) => rank.of(agent))
        .filter(({ task_id }) => newcomers.includes(task_id))
        .slice(-excess);
      for (const { task_id } of refused) this.remove(task_id);
      return refused;
    });
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
    return this.leases
      .filter(({ granted_at, phase }) => granted_at <= now - after_ms && (noPlace || phase === 'granted'))
      .map(({ task_id }) => task_id);
  }

  /** @returns where a task stands in the queue, or `undefined`. */
  positionOf(task_id: string, now: number): QueuePosition | undefined {
    const waiting = this.waiting.get(task_id);
    if (!waiting) return undefined;
    const { request, rank } = waiting;
    const before = this.ranks.slice(0, rank).reduce((sum, { length }) => sum + length, 0);
    return this.place(before + (this.ranks[rank]?.before(request) ?? 0), now, this.used(now));
  }

  view(now: number): LimiterView {
    const { limits, leases, paused_until, agents } = this.state;
    const used = this.used(now);
    return {
      limits,
      used_per_minute: used,
      in_flight: leases.map(({ task_id }) => task_id),
      queue: this.queue().map(({ task_id, agent, priority }, index) => ({
        task_id,
        ...named(agent),
        priority,
        ...this.place(index, now, used),
      })),
      ...(paused_until > now && { paused_until: isoSeconds(paused_until) }),
      ...(agents && {
        agents: agents.map((agent) => ({
          agent,
          in_flight: leases.filter((lease) => lease.agent === agent).length,
          queued: this.countOf(agent),
          ...(this.isAway(agent) && { away: true as const }),
        })),
      }),
    };
  }

  private noteSent(lease: Lease, now: number): void {
    if (lease.phase !== 'granted') return;
    lease.phase = 'sent';
    this.state.sent.push(now);
  }

  private place(index: number, now: number, used: number): QueuePosition {
    const expected_wait_ms = this.expectedWait(index + 1, now, used);
    return { place: index + 1, ...(expected_wait_ms !== undefined && { expected_wait_ms }) };
  }

  /** A guess from the limits and from how long tasks have taken so far. */
  private expectedWait(place: number, now: number, used: number): number | undefined {
    const { limits, sent, paused_until, average_hold_ms } = this.state;
    let wait = Math.max(paused_until - now, 0);
    const spare = limits.per_minute - used;
    if (limits.per_minute > 0 && place > spare) {
      const turn = place - Math.max(spare, 0);
      const freed = sent[turn - 1];
      wait = Math.max(wait, freed ? freed + WINDOW_MS - now : Math.ceil(turn / limits.per_minute) * WINDOW_MS);
    }
    const free = limits.concurrent - this.leases.length;
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
    const { limits } = this.state;
    return limits.concurrent === 0 || this.leases.length < limits.concurrent || this.lease(task_id) !== undefined;
  }

  /** Requests that count against the last 60 s: those sent, and those that may be on their way. */
  private used(now: number): number {
    const { sent } = this.state;
    const onTheirWay = this.leases.filter(({ phase }) => phase === 'granted');
    return sent.filter((at) => at > now - WINDOW_MS).length + onTheirWay.length;
  }

  /** Places that count: those of agents that are there. */
  private get leases(): Lease[] {
    const { leases, missing = [] } = this.state;
    return missing.length === 0 ? leases : leases.filter(({ agent }) => !this.isAway(agent));
  }

  private isAway(agent: string | undefined): boolean {
    return this.state.missing?.some((other) => other.agent === agent && other.away) ?? false;
  }

  private lease(task_id: string): Lease | undefined {
    return this.state.leases.find((lease) => lease.task_id === task_id);
  }

  private queue(): LeaseRequest[] {
    return this.ranks.flatMap((rank) => rank.all());
  }

  private next(): LeaseRequest | undefined {
    for (const rank of this.ranks) {
      const first = rank.first((agent) => !this.isAway(agent));
      if (first) return first;
    }
    return undefined;
  }

  /** How many of an agent's tasks wait. */
  private countOf(agent: string | undefined): number {
    return this.ranks.reduce((sum, rank) => sum + rank.of(agent).length, 0);
  }

  private insert(request: LeaseRequest, rank: number): void {
    while (this.ranks.length <= rank) this.ranks.push(new FairQueue());
    this.ranks[rank]?.add(request);
    this.waiting.set(request.task_id, { request, rank });
  }

  private remove(task_id: string): void {
    const waiting = this.waiting.get(task_id);
    if (!waiting) return;
    this.ranks[waiting.rank]?.remove(waiting.request);
    this.waiting.delete(task_id);
  }
}

/** Nothing is said of an agent where there is one alone. */
function named(agent: string | undefined): { agent?: string } {
  return agent === undefined ? {} : { agent };
}

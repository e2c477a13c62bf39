import { backoffMs } from '../shared/backoff.ts';
import type { BudgetPause } from '../shared/budget.ts';
import { isoSeconds } from '../shared/format.ts';
import type { LeaseRequest, LimiterView, Limits, QueuePosition, ReleaseReport, Throttled } from '../shared/limits.ts';
import { Agents } from './agents.ts';
import { Ledger } from './ledger.ts';
import { PausedTasks } from './paused-tasks.ts';
import type { AdmissionState, Lease } from './state.ts';
import { WaitingTasks } from './waiting-tasks.ts';

/** The window of {@link Limits.per_minute}, in milliseconds. */
const WINDOW_MS = 60_000;

/** Pause of all agents after a 429 without `Retry-After`, in milliseconds: doubled each time in a row. */
const PAUSE_MS = { first: 1_000, longest: 60_000 };

/** Weight of the newest task in the average time that tasks hold a slot. */
const NEWEST_WEIGHT = 0.2;

/**
 * Admission to Kimi: at most `per_minute` requests in any 60 s, and `concurrent` tasks between dispatch and outcome. Within a
 * priority, agents that share the limiter take turns; the tasks of one agent are first come, first served.
 *
 * A request counts from its admission until 60 s after it is known to have been sent. So the limit holds by Kimi's clock
 * too, however long a request was on its way: all requests that arrive within 60 s of each other count together.
 *
 * A task that would exceed a budget is paused: it is not in the queue, and holds up no other one.
 *
 * Pure: the time is an argument.
 */
export class AdmissionQueue {
  private readonly waiting = new WaitingTasks();
  private readonly state: Omit<AdmissionState, 'queue'>;
  readonly agents: Agents;
  readonly paused: PausedTasks;
  private readonly ledger: Ledger;
  /** Requests that are queued again, as the budgets allow them, and whose tasks do not know. */
  private resumed: LeaseRequest[] = [];
  /** The last time given as an argument; no recorded time is later. */
  private latest: number;

  constructor({ queue, ...state }: AdmissionState) {
    this.state = state;
    this.agents = new Agents(state);
    this.ledger = new Ledger(state);
    this.paused = new PausedTasks(state, this.ledger, () => new Set(state.leases.map(({ task_id }) => task_id)));
    const { sent, leases, missing = [], paused_at = 0 } = state;
    const recorded = [...leases.map(({ granted_at }) => granted_at), ...missing.map(({ since }) => since)];
    this.latest = sent.concat(recorded).reduce((latest, at) => Math.max(latest, at), paused_at);
    let rank = 0;
    for (const request of queue) {
      rank = Math.max(rank, this.lease(request.task_id) ? 0 : request.priority);
      this.waiting.add(request, rank);
    }
  }

  get limits(): Limits {
    return this.state.limits;
  }

  snapshot(): AdmissionState {
    return { ...this.state, queue: this.waiting.all() };
  }

  /** Applies the environment's limits: one that has changed replaces a limit that was set by hand. */
  configure(configured: Limits): void {
    const { state } = this;
    const before = state.configured;
    const { budget, ...numbers } = configured;
    const changed = (Object.keys(numbers) as (keyof typeof numbers)[]).filter((key) => numbers[key] !== before[key]);
    const { budget: _, ...kept } = state.limits;
    const replaced = Object.fromEntries(changed.map((key) => [key, numbers[key]]));
    state.limits = { ...kept, ...replaced, ...(budget && { budget }) };
    state.configured = configured;
  }

  setLimits(limits: Partial<Limits>): void {
    this.state.limits = { ...this.state.limits, ...limits };
  }

  /**
   * Queues a task's request for a lease. A repeated request (same `round`) changes nothing. A task that was throttled requests
   * its next round; it keeps its slot among the concurrent tasks.
   *
   * @returns whether the task is new in the queue: {@link refuse} removes it if the queue is full.
   */
  request(request: LeaseRequest, now: number): boolean {
    this.clampTo(now);
    const known = this.waiting.get(request.task_id) ?? this.paused.get(request.task_id);
    if (known) {
      known.round = Math.max(known.round, request.round);
      if (request.cost) known.cost = request.cost;
      return false;
    }
    const lease = this.lease(request.task_id);
    if (lease && lease.round >= request.round) return false;
    if (request.slotless) {
      if (!this.ledger.hasReserved(request.task_id)) this.paused.add(request);
      return false;
    }
    if (request.turned_away) this.throttled(request.turned_away, now);
    if (lease) {
      this.markSent(lease, now);
      lease.phase = 'waiting';
    }
    this.waiting.add(request, lease ? 0 : request.priority);
    return !lease;
  }

  /** @returns whether a request has to say what its task may cost. */
  needsCost({ cost }: LeaseRequest): boolean {
    return cost === undefined && this.ledger.isActive;
  }

  /** @returns whether this round of a task is granted. */
  isGranted({ task_id, round, slotless }: Pick<LeaseRequest, 'task_id' | 'round' | 'slotless'>): boolean {
    if (slotless) return this.ledger.hasReserved(task_id);
    const lease = this.lease(task_id);
    return lease?.round === round && lease.phase !== 'waiting';
  }

  /** The request of a round is no longer on its way: Kimi accepted it, or its outcome is unknown. */
  reportSent(task_id: string, round: number, accepted: boolean, now: number): void {
    this.clampTo(now);
    if (accepted) this.state.turned_away = 0;
    const lease = this.lease(task_id);
    if (lease?.round === round) this.markSent(lease, now);
  }

  /**
   * Removes a task from the queue and releases its slot.
   *
   * @param wasSent whether a granted request may have reached Kimi
   * @param spent {@link ReleaseReport.spent}
   */
  release(task_id: string, wasSent: boolean, now: number, spent?: ReleaseReport['spent']): void {
    this.clampTo(now);
    if (spent !== undefined) this.ledger.settle(task_id, spent);
    this.paused.remove(task_id);
    const { state } = this;
    const lease = this.lease(task_id);
    if (lease) {
      if (lease.phase === 'granted' && wasSent) state.sent.push(now);
      const held = Math.max(0, now - lease.granted_at);
      state.average_hold_ms = (state.average_hold_ms ?? held) * (1 - NEWEST_WEIGHT) + held * NEWEST_WEIGHT;
      state.leases = state.leases.filter((other) => other !== lease);
    }
    this.waiting.remove(task_id);
  }

  /** Kimi answered 429: nothing is admitted for a while. */
  throttled({ retry_after_ms }: Throttled, now: number): void {
    const { state } = this;
    const pause = retry_after_ms ?? backoffMs(PAUSE_MS, state.turned_away);
    state.turned_away += 1;
    this.clampTo(now);
    if (now + pause <= state.paused_until) return;
    state.paused_until = now + pause;
    state.paused_at = now;
  }

  /**
   * Records that these agents have no worker. After a while they count as away: they cannot send, so none of their tasks is
   * admitted, and their slots do not count until they are seen again.
   */
  agentsMissing(agents: string[], now: number): void {
    this.clampTo(now);
    this.agents.recordMissing(agents, now);
  }

  /** Gives a slot to tasks that Kimi works on already. */
  adopt(task_ids: string[], now: number, agent?: string): void {
    this.clampTo(now);
    for (const task_id of task_ids) {
      if (!this.lease(task_id)) {
        this.state.leases.push({ task_id, ...agentOf({ agent }), granted_at: now, round: 0, phase: 'sent' });
      }
    }
  }

  /** Grants every request that the limits admit now, and pauses those that exceed a budget. @returns what is granted, in order. */
  grant(now: number): LeaseRequest[] {
    const { state } = this;
    this.clampTo(now);
    state.sent = state.sent.filter((at) => at > now - WINDOW_MS);
    const granted: LeaseRequest[] = [];
    for (const request of this.paused.takeAffordable(now)) {
      if (request.slotless) {
        this.ledger.reserve(request, now);
        granted.push(request);
        continue;
      }
      this.waiting.add(request, this.lease(request.task_id) ? 0 : request.priority);
      this.resumed.push(request);
    }
    for (let next = this.next(); next && this.isAdmitted(next, now); next = this.next()) {
      const { task_id, round } = next;
      this.waiting.take(next);
      if (this.ledger.shortage(next, now, (id) => this.lease(id) !== undefined)) {
        this.paused.add(next);
        continue;
      }
      this.ledger.reserve(next, now);
      const lease = this.lease(task_id);
      if (lease) Object.assign(lease, { round, phase: 'granted' });
      else state.leases.push({ task_id, ...agentOf(next), round, granted_at: now, phase: 'granted' });
      granted.push(next);
    }
    return granted;
  }

  /** @returns requests that were paused and are in the queue again, once. */
  takeResumed(): LeaseRequest[] {
    return this.resumed.splice(0).filter(({ task_id }) => this.waiting.get(task_id));
  }

  /** @returns why a task is paused; `undefined` if it is not. */
  pauseOf(task_id: string, now: number): BudgetPause | undefined {
    return this.paused.pauseOf(task_id, now);
  }

  /**
   * Removes new tasks that exceed `queued`, the last first. The limit holds for each agent: one that fills its own queue keeps no
   * other agent out.
   *
   * @returns their requests.
   */
  refuse(newTasks: string[]): LeaseRequest[] {
    const { queued } = this.state.limits;
    if (queued === 0) return [];
    const agents = new Set(newTasks.map((task_id) => this.waiting.get(task_id)?.agent));
    return [...agents].flatMap((agent) => {
      const excess = this.waiting.countOf(agent) + this.paused.countOf(agent) - queued;
      if (excess <= 0) return [];
      const refused = this.waiting
        .of(agent)
        .filter(({ task_id }) => newTasks.includes(task_id))
        .slice(-excess);
      for (const { task_id } of refused) this.waiting.remove(task_id);
      return refused;
    });
  }

  /** @returns in how many milliseconds time alone admits a task; `undefined` if that takes a signal. */
  nextChange(now: number): number | undefined {
    const day = this.paused.isEmpty ? undefined : this.ledger.untilNextDay(now);
    const admission = this.nextAdmission(now);
    return day === undefined || admission === undefined ? (day ?? admission) : Math.min(day, admission);
  }

  private nextAdmission(now: number): number | undefined {
    const { sent, paused_until } = this.state;
    const next = this.next();
    if (!next) return undefined;
    if (paused_until > now) return paused_until - now;
    if (!this.isBelowConcurrentLimit(next)) return undefined;
    const [oldest] = sent;
    return oldest === undefined ? undefined : Math.max(oldest + WINDOW_MS - now, 1);
  }

  /** @returns tasks that have kept others waiting for `after_ms`: to be checked whether they have ended. */
  blockers(now: number, after_ms: number): string[] {
    const next = this.next();
    const areWaiting = this.paused.areWaiting(now);
    if (!next && !areWaiting) return [];
    const areAllHeld = areWaiting || (next !== undefined && !this.isBelowConcurrentLimit(next));
    return this.countedLeases
      .filter(({ granted_at, phase }) => granted_at <= now - after_ms && (areAllHeld || phase === 'granted'))
      .map(({ task_id }) => task_id);
  }

  /** @returns a task's position in the queue; `undefined` if it does not wait. */
  positionOf(task_id: string, now: number): QueuePosition | undefined {
    const ahead = this.waiting.aheadOf(task_id);
    return ahead === undefined ? undefined : this.position(ahead, now, this.requestsInLastMinute(now));
  }

  view(now: number): LimiterView {
    const { limits, leases, paused_until, agents } = this.state;
    const used = this.requestsInLastMinute(now);
    const budget = this.ledger.view(now, this.paused.view(now));
    return {
      limits,
      used_per_minute: used,
      in_flight: leases.map(({ task_id }) => task_id),
      queue: this.waiting.all().map((request, index) => ({
        task_id: request.task_id,
        ...agentOf(request),
        priority: request.priority,
        ...this.position(index, now, used),
      })),
      ...(paused_until > now && { paused_until: isoSeconds(paused_until) }),
      ...(budget && { budget }),
      ...(agents && {
        agents: agents.map((agent) => ({
          agent,
          in_flight: leases.filter((lease) => lease.agent === agent).length,
          queued: this.waiting.countOf(agent),
          ...(this.agents.isAway(agent) && { away: true as const }),
        })),
      }),
    };
  }

  private isAdmitted(request: LeaseRequest, now: number): boolean {
    const isPaused = this.state.paused_until > now;
    return !isPaused && this.isBelowConcurrentLimit(request) && this.isBelowPerMinuteLimit(now);
  }

  private isBelowPerMinuteLimit(now: number): boolean {
    const { per_minute } = this.state.limits;
    return per_minute === 0 || this.requestsInLastMinute(now) < per_minute;
  }

  /** A task that holds a slot does not need another one. */
  private isBelowConcurrentLimit({ task_id }: LeaseRequest): boolean {
    const { concurrent } = this.state.limits;
    return concurrent === 0 || this.countedLeases.length < concurrent || this.lease(task_id) !== undefined;
  }

  /** Requests that count against the last 60 s: those sent, and those that may be on their way. */
  private requestsInLastMinute(now: number): number {
    const onTheirWay = this.countedLeases.filter(({ phase }) => phase === 'granted');
    return this.state.sent.filter((at) => at > now - WINDOW_MS).length + onTheirWay.length;
  }

  private markSent(lease: Lease, now: number): void {
    if (lease.phase !== 'granted') return;
    lease.phase = 'sent';
    this.state.sent.push(now);
  }

  private position(ahead: number, now: number, used: number): QueuePosition {
    const expected_wait_ms = this.expectedWait(ahead + 1, now, used);
    return { place: ahead + 1, ...(expected_wait_ms !== undefined && { expected_wait_ms }) };
  }

  /** Estimated from the limits and the average time that tasks hold a slot. */
  private expectedWait(position: number, now: number, used: number): number | undefined {
    const { limits, sent, paused_until, average_hold_ms } = this.state;
    let wait = Math.max(paused_until - now, 0);
    const spare = limits.per_minute - used;
    if (limits.per_minute > 0 && position > spare) {
      const turn = position - Math.max(spare, 0);
      const freed = sent[turn - 1];
      wait = Math.max(wait, freed ? freed + WINDOW_MS - now : Math.ceil(turn / limits.per_minute) * WINDOW_MS);
    }
    const free = limits.concurrent - this.countedLeases.length;
    if (limits.concurrent > 0 && position > free) {
      if (average_hold_ms === undefined) return undefined;
      wait = Math.max(wait, Math.ceil((position - Math.max(free, 0)) / limits.concurrent) * average_hold_ms);
    }
    return Math.round(wait);
  }

  /** Corrects times in the future after the clock was set back. */
  private clampTo(now: number): void {
    const isSetBack = now < this.latest;
    this.latest = now;
    if (!isSetBack) return;
    const { state } = this;
    state.sent = state.sent.map((at) => Math.min(at, now));
    for (const lease of state.leases) lease.granted_at = Math.min(lease.granted_at, now);
    this.agents.clampTo(now);
    if (state.paused_at !== undefined && state.paused_at > now) {
      state.paused_until -= state.paused_at - now;
      state.paused_at = now;
    }
  }

  /** Slots that count: those of agents that are not away. */
  private get countedLeases(): Lease[] {
    const { leases, missing = [] } = this.state;
    return missing.length === 0 ? leases : leases.filter(({ agent }) => !this.agents.isAway(agent));
  }

  private lease(task_id: string): Lease | undefined {
    return this.state.leases.find((lease) => lease.task_id === task_id);
  }

  private next(): LeaseRequest | undefined {
    return this.waiting.first((agent) => !this.agents.isAway(agent));
  }
}

/** Absent if the limiter belongs to one agent. */
function agentOf({ agent }: { agent?: string | undefined }): { agent?: string } {
  return agent === undefined ? {} : { agent };
}

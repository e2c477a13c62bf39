import type { AdmissionState } from './state.ts';

/**
 * How long an agent may be without a worker before it counts as away, in milliseconds: a Temporal server that was restarted has
 * no record of its pollers, and workers poll again within seconds.
 */
const AWAY_MS = 60_000;

/** The agents that share a limiter, and which of them have no worker. */
export class Agents {
  constructor(private readonly state: Pick<AdmissionState, 'agents' | 'missing'>) {}

  /** Task queues of the known agents. */
  get all(): string[] {
    return this.state.agents ?? [];
  }

  /** An agent has sent a signal. @returns whether it is new; false if the limiter belongs to one agent. */
  recordSeen(agent: string): boolean {
    const { agents, missing } = this.state;
    if (!agents) return false;
    if (missing) this.state.missing = missing.filter((other) => other.agent !== agent);
    if (agents.includes(agent)) return false;
    this.state.agents = [...agents, agent];
    return true;
  }

  /** A check found no worker of these agents. */
  recordMissing(agents: string[], now: number): void {
    const before = new Map(this.state.missing?.map(({ agent, since }) => [agent, since]));
    this.state.missing = agents.map((agent) => {
      const since = before.get(agent) ?? now;
      return { agent, since, away: now - since >= AWAY_MS };
    });
  }

  isAway(agent: string | undefined): boolean {
    return this.state.missing?.some((other) => other.agent === agent && other.away) ?? false;
  }

  /** Corrects times in the future after the clock was set back. */
  clampTo(now: number): void {
    for (const missing of this.state.missing ?? []) missing.since = Math.min(missing.since, now);
  }
}

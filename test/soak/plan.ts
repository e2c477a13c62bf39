/** The plan of a soak, made of chaos plans: cycles of the same load, each with faults and then without. Pure. */
import {
  isJob,
  PACE_MS,
  planFor,
  RELAYED_PACE_MS,
  type Fault,
  type Plan,
  type PlannedTask,
  type Target,
} from '../chaos/plan.ts';

/** Mean time between two starts, in milliseconds: sustainable on two cores that are also used otherwise. */
const SOAK_PACE_MS = 1_000;

/** Length of a cycle in milliseconds, and the share of it with faults. */
const CYCLE_MS = 100_000;
const FAULTY = 2 / 3;

/** A soak has three parts of at least one cycle each. */
const PARTS = 3;

/** Faults relative to a chaos run with the same tasks: leaves time to recover from most faults. */
const FAULTS_SHARE = 1 / 3;

/** Never reached: only the machine bounds a soak. Every task still passes the limiter. */
const LIMITS: Plan['limits'] = { per_minute: 1_000, concurrent: 500, queued: 0 };

/** Grace of tasks, in milliseconds: closes unanswered tasks, so that the number of open ones stays level. */
const GRACE_MS = 60_000;

/** How long the relay is down or paused, in milliseconds. */
const RELAY_MS = 2_000;

/** Mean time between two tasks of the chaos plan whose maps, schedules and budgets the relayed agent has, in milliseconds. */
const JOBS_PACE_MS = 3_000;

/** Longest pause of a process in place of a kill, in milliseconds. */
const PAUSED_MS = 3_500;

export interface SoakPlan extends Plan {
  /** How long tasks are started, in milliseconds. */
  span_ms: number;
  /** Maps, schedules, and tasks over their budget, of the relayed agent. */
  jobs: PlannedTask[];
}

/**
 * In the first third every process is killed in turn, in the second only the engine, in the last none: kills are replaced by
 * pauses. So each of our processes has a life of two thirds of the soak, with restarts of the engine, and the engine one of a
 * third: long enough to detect a leak.
 *
 * @param seed an integer
 */
export function soakPlan(seed: number, minutes: number): SoakPlan {
  const span_ms = minutes * 60_000;
  const cycles = Math.max(PARTS, Math.round(span_ms / CYCLE_MS));
  const cycle_ms = span_ms / cycles;
  const count = Math.max(1, Math.round(cycle_ms / SOAK_PACE_MS));
  const tasks: PlannedTask[] = [];
  const faults: Fault[] = [];
  for (let cycle = 0; cycle < cycles; cycle += 1) {
    const from = cycle * cycle_ms;
    const part = Math.floor((cycle / cycles) * PARTS);
    const stretch = cycle_ms / (count * PACE_MS);
    for (const task of planFor(seed + cycle, count, 'cluster').tasks) {
      tasks.push(named(task, cycle, Math.round(from + task.at * stretch)));
    }
    const faulty = Math.max(1, Math.round(count * FAULTS_SHARE));
    for (const fault of [...planFor(seed + cycle, faulty, 'cluster').faults, relayFault(faulty)]) {
      const at = Math.round(from + (fault.at / (faulty * PACE_MS)) * cycle_ms * FAULTY);
      faults.push({ ...(isSpared(fault.target, part) ? paused(fault) : fault), at });
    }
  }
  return {
    seed,
    limits: LIMITS,
    tasks,
    faults: faults.toSorted((a, b) => a.at - b.at),
    span_ms,
    jobs: jobsFor(seed, span_ms),
  };
}

function jobsFor(seed: number, span_ms: number): PlannedTask[] {
  const { tasks } = planFor(seed, Math.round(span_ms / JOBS_PACE_MS), 'relay');
  const stretch = JOBS_PACE_MS / RELAYED_PACE_MS;
  return tasks.filter(isJob).map((task) => ({ ...task, at: Math.round(task.at * stretch) }));
}

/** Makes task names unique over all cycles, and so the answers, which repeat the prompt. */
function named({ name, request, ...task }: PlannedTask, cycle: number, at: number): PlannedTask {
  const own = `c${String(cycle + 1).padStart(2, '0')}-${name}`;
  return {
    ...task,
    at,
    name: own,
    request: {
      ...request,
      prompt: request.prompt.replaceAll(name, own),
      grace_ms: Math.min(request.grace_ms, GRACE_MS),
    },
  };
}

/** The fault of the relay, in the middle of the faults of a cycle. */
function relayFault(count: number): Fault {
  return { at: (count * PACE_MS) / 2, for_ms: RELAY_MS, target: 'relay', how: 'SIGKILL' };
}

function isSpared(target: Target, part: number): boolean {
  return target === 'engine' ? part > 1 : part > 0;
}

function paused({ how, for_ms, ...fault }: Fault): Fault {
  const isKilled = how === 'SIGKILL' || how === 'SIGTERM';
  return { ...fault, for_ms: isKilled ? Math.min(for_ms, PAUSED_MS) : for_ms, how: isKilled ? 'SIGSTOP' : how };
}

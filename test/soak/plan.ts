/** What a soak does, from chaos's plans: cycle after cycle the same load, each with faults first and then none. Pure. */
import { PACE_MS, planFor, type Fault, type Plan, type PlannedTask, type Target } from '../chaos/plan.ts';

/** Average time between two starts, in milliseconds: what two cores keep up with while they are used for other things. */
const SOAK_PACE_MS = 1_000;

/** How long a cycle is, in milliseconds, and how much of it has faults. */
const CYCLE_MS = 100_000;
const FAULTY = 2 / 3;

/** A soak has three parts, of a cycle each at the least. */
const PARTS = 3;

/** As many faults as a chaos run has of a third of the tasks: time to recover from most of them before the next comes. */
const FAULTS_SHARE = 1 / 3;

/** Never reached: the machine alone bounds a soak. There is a limiter all the same, which every task asks. */
const LIMITS: Plan['limits'] = { per_minute: 1_000, concurrent: 500, queued: 0 };

/** Tasks that no answer comes for are closed after this time, so that those that are open do not become more. Milliseconds. */
const GRACE_MS = 60_000;

/** How long the relay is away, or stands still. Milliseconds. */
const RELAY_MS = 2_000;

/** How long a process stands still that is not to be killed: chaos's own bound. Milliseconds. */
const FROZEN_MS = 3_500;

export interface SoakPlan extends Plan {
  /** How long tasks are started for, in milliseconds. */
  span_ms: number;
}

/**
 * In the first third everything is killed in its turn, in the second the engine alone, in the last nothing: what would be
 * killed stands still for a while instead. So each process of ours has a life of two thirds of the soak, which sees the
 * engine go and come back, and the engine one of a third: long enough for a leak to show.
 *
 * @param seed a whole number.
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
    for (const task of planFor(seed + cycle, count).tasks) {
      tasks.push(named(task, cycle, Math.round(from + task.at * stretch)));
    }
    const faulty = Math.max(1, Math.round(count * FAULTS_SHARE));
    for (const fault of [...planFor(seed + cycle, faulty).faults, relayFault(faulty)]) {
      const at = Math.round(from + (fault.at / (faulty * PACE_MS)) * cycle_ms * FAULTY);
      faults.push({ ...(isSpared(fault.target, part) ? frozen(fault) : fault), at });
    }
  }
  return { seed, limits: LIMITS, tasks, faults: faults.toSorted((a, b) => a.at - b.at), span_ms };
}

/** Task names are told apart over all cycles; so are the answers, which repeat the prompt. */
function named({ name, request, ...task }: PlannedTask, cycle: number, at: number): PlannedTask {
  const own = `c${String(cycle + 1).padStart(2, '0')}-${name}`;
  return {
    ...task,
    at,
    name: own,
    request: {
      ...request,
      prompt: request.prompt.replace(name, own),
      grace_ms: Math.min(request.grace_ms, GRACE_MS),
    },
  };
}

/** The relay has its turn in the middle of each cycle's faults. */
function relayFault(count: number): Fault {
  return { at: (count * PACE_MS) / 2, for_ms: RELAY_MS, target: 'relay', how: 'SIGKILL' };
}

function isSpared(target: Target, part: number): boolean {
  return target === 'engine' ? part > 1 : part > 0;
}

function frozen({ how, for_ms, ...fault }: Fault): Fault {
  const isKilled = how === 'SIGKILL' || how === 'SIGTERM';
  return { ...fault, for_ms: isKilled ? Math.min(for_ms, FROZEN_MS) : for_ms, how: isKilled ? 'SIGSTOP' : how };
}

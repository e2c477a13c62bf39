/**
 * What goes through the SDK's meter: of the workflows, the worker and the relay. Loaded by workflows too: it imports nothing
 * from Node.
 *
 * A label has a few values that are known beforehand: never a task, a name, or a word of somebody else's. The exporter adds
 * `_total` to counters. They count whole numbers, so what a task cost is a histogram, whose sum is not whole.
 */
import type { MetricMeter, MetricTags } from '@temporalio/common';
import type { Cost } from './result.ts';
import { OUTCOMES, type Outcome } from './task.ts';

/** What follows one another in a task's life. */
export type Stage =
  /** From its start until Kimi has taken it. */
  | 'queue'
  /** Until Kimi's answer is there, where it came in time. */
  | 'kimi'
  /** From the answer, as the webhook received it, or the end of the wait, to the result file. */
  | 'save'
  /** Until the gateway has taken the news. */
  | 'tell';

/** Upper bounds of histograms, in seconds and in money. 0.1 and 0.5 are what the contract promises (section 7). */
export const BUCKETS = {
  kimi_stage_seconds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600],
  kimi_relay_first_byte_seconds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 960],
  kimi_cost: [0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50],
};

/** What a workflow says of its task. */
export function taskMetrics(meter: MetricMeter) {
  const tasks = meter.createCounter('kimi_tasks', '', 'Tasks that ended, by their first outcome');
  const late = meter.createCounter('kimi_late_answers', '', 'Answers that came after the deadline or the cancellation');
  const stages = meter.createHistogram('kimi_stage_seconds', 'float', '', 'How long each stage of a task took');
  return {
    ended: (outcome: Outcome) => tasks.add(1, { outcome }),
    answeredLate: () => late.add(1),
    /** What is not known is not counted. */
    took: (stage: Stage, ms: number | undefined) => {
      if (ms !== undefined) stages.record(ms / 1_000, { stage });
    },
    /** A counter that was never there cannot be seen to rise. */
    atZero: (tags: MetricTags) => {
      for (const outcome of OUTCOMES) tasks.add(0, { ...tags, outcome });
      late.add(0, tags);
    },
  };
}

/** How an attempt to wake the agent may end. */
const WAKES = ['woken', 'acknowledged', 'failed', 'refused'] as const;

/** What the worker's activities say. */
export function workerMetrics(meter: MetricMeter) {
  const tokens = meter.createCounter('kimi_tokens', '', 'Tokens of answers, as Kimi counts them');
  const cost = meter.createHistogram('kimi_cost', 'float', '', 'What each answer cost, by the price table');
  const wakes = meter.createCounter('kimi_wakes', '', 'Attempts to wake the agent, by what became of them');
  const forged = meter.createCounter('kimi_forged_callbacks', '', 'Callbacks without valid proof, which were dropped');
  for (const outcome of WAKES) wakes.add(0, { outcome });
  forged.add(0);
  return {
    answered: (model: string, used: { prompt: number; completion: number }, price: Cost | undefined) => {
      tokens.add(used.prompt, { model, kind: 'prompt' });
      tokens.add(used.completion, { model, kind: 'completion' });
      if (price) cost.record(price.amount, { model, currency: price.currency });
    },
    wake: (outcome: (typeof WAKES)[number]) => wakes.add(1, { outcome }),
    forged: () => forged.add(1),
  };
}

/** What the limiter's query says. */
export function limiterMetrics(meter: MetricMeter) {
  return {
    queued: meter.createGauge('kimi_limiter_queued', 'int', '', 'Tasks that wait for their turn'),
    inFlight: meter.createGauge('kimi_limiter_in_flight', 'int', '', 'Tasks between dispatch and outcome'),
    used: meter.createGauge('kimi_limiter_used_per_minute', 'int', '', 'Requests that count against the last 60 s'),
    limit: meter.createGauge('kimi_limiter_limit', 'int', '', 'Limits by what they limit; 0 is none'),
    paused: meter.createGauge('kimi_limiter_paused', 'int', '', '1 while nothing is sent, since Kimi was too busy'),
  };
}

/** How a request of the relay may end. */
const REQUESTS = [
  'answered',
  'cancelled',
  'refused',
  'interrupted',
  'outcome_unknown',
  'turned_away',
  'not_sent',
] as const;

export type RelayRequestOutcome = (typeof REQUESTS)[number];

/** What became of an attempt to deliver a callback. */
const DELIVERIES = ['delivered', 'failed', 'refused'] as const;

/** What the relay's activities say of streams. */
export function streamMetrics(meter: MetricMeter) {
  const streams = meter.createGauge('kimi_relay_streams', 'int', '', 'Streams under way');
  const requests = meter.createCounter('kimi_relay_requests', '', 'Requests to Kimi, by how they ended');
  const tokens = meter.createCounter('kimi_relay_tokens', '', 'Tokens that streamed in, estimated');
  const firstByte = meter.createHistogram(
    'kimi_relay_first_byte_seconds',
    'float',
    '',
    'From a request until its answer began',
  );
  let underWay = 0;
  streams.set(underWay);
  for (const outcome of REQUESTS) requests.add(0, { outcome });
  tokens.add(0);
  return {
    began: () => streams.set((underWay += 1)),
    firstByte: (ms: number) => firstByte.record(ms / 1_000),
    ended: (outcome: RelayRequestOutcome, tokensCame: number) => {
      streams.set((underWay -= 1));
      requests.add(1, { outcome });
      tokens.add(Math.round(tokensCame));
    },
  };
}

/** What the relay's activities say of callbacks. */
export function deliveryMetrics(meter: MetricMeter) {
  const deliveries = meter.createCounter('kimi_relay_deliveries', '', 'Callbacks of the relay, by what became of them');
  for (const outcome of DELIVERIES) deliveries.add(0, { outcome });
  return { delivery: (outcome: (typeof DELIVERIES)[number]) => deliveries.add(1, { outcome }) };
}

/** What the relay's workflow says: it also knows of streams whose relay was lost. */
export function interruptionMetrics(meter: MetricMeter) {
  const interruptions = meter.createCounter('kimi_relay_interruptions', '', 'Answers that broke off');
  return {
    interrupted: () => interruptions.add(1),
    atZero: (tags: MetricTags) => interruptions.add(0, tags),
  };
}

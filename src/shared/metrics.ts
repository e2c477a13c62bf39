/**
 * Metrics of the workflows, the worker and the relay, recorded through the SDK's meter.
 *
 * Labels have few values, all known beforehand: never a task, a name, or an external text. The exporter adds `_total` to
 * counters. Counters hold integers, so cost is a histogram.
 */
import type { MetricMeter, MetricTags } from '@temporalio/common';
import type { Cost } from './result.ts';
import { OUTCOMES, type Outcome } from './task.ts';

/** Stages of a task. */
export type Stage =
  /** From the start until Kimi has accepted the task. */
  | 'queue'
  /** Until Kimi's answer, if it came in time. */
  | 'kimi'
  /** From the answer's arrival at the webhook, or the end of the wait, to the result file. */
  | 'save'
  /** Until the gateway has accepted the notification. */
  | 'tell';

/** Upper bounds of histograms, in seconds or in money. 0.1 and 0.5 are targets of docs/benchmarks.md. */
export const BUCKETS = {
  kimi_stage_seconds: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600],
  kimi_relay_first_byte_seconds: [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 960],
  kimi_cost: [0.0001, 0.001, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 50],
};

export function taskMetrics(meter: MetricMeter) {
  const tasks = meter.createCounter('kimi_tasks', '', 'Tasks that ended, by their first outcome');
  const late = meter.createCounter('kimi_late_answers', '', 'Answers that came after the deadline or the cancellation');
  const stages = meter.createHistogram('kimi_stage_seconds', 'float', '', 'How long each stage of a task took');
  return {
    ended: (outcome: Outcome) => tasks.add(1, { outcome }),
    answeredLate: () => late.add(1),
    took: (stage: Stage, ms: number | undefined) => {
      if (ms !== undefined) stages.record(ms / 1_000, { stage });
    },
    /** An increase is visible only of a counter that exists. */
    atZero: (tags: MetricTags) => {
      for (const outcome of OUTCOMES) tasks.add(0, { ...tags, outcome });
      late.add(0, tags);
    },
  };
}

const WAKES = ['woken', 'acknowledged', 'failed', 'refused'] as const;

export function workerMetrics(meter: MetricMeter) {
  const tokens = meter.createCounter('kimi_tokens', '', 'Tokens of answers, as Kimi counts them');
  const cost = meter.createHistogram('kimi_cost', 'float', '', 'What each answer cost, by the price table');
  const wakes = meter.createCounter('kimi_wakes', '', 'Attempts to wake the agent, by outcome');
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

export function limiterMetrics(meter: MetricMeter) {
  return {
    queued: meter.createGauge('kimi_limiter_queued', 'int', '', 'Tasks waiting in the queue'),
    inFlight: meter.createGauge('kimi_limiter_in_flight', 'int', '', 'Tasks between dispatch and outcome'),
    used: meter.createGauge('kimi_limiter_used_per_minute', 'int', '', 'Requests that count against the last 60 s'),
    limit: meter.createGauge('kimi_limiter_limit', 'int', '', 'Limits by what they limit; 0 is none'),
    money: meter.createGauge('kimi_limiter_money', 'float', '', 'Of the day: spent, reserved, and the budget per_day'),
    overBudget: meter.createGauge('kimi_limiter_over_budget', 'int', '', 'Tasks that a budget of the day holds back'),
    paused: meter.createGauge('kimi_limiter_paused', 'int', '', '1 while nothing is sent, since Kimi was too busy'),
  };
}

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

const DELIVERIES = ['delivered', 'failed', 'refused'] as const;

export function streamMetrics(meter: MetricMeter) {
  const streams = meter.createGauge('kimi_relay_streams', 'int', '', 'Streams under way');
  const requests = meter.createCounter('kimi_relay_requests', '', 'Requests to Kimi, by how they ended');
  const interruptions = meter.createCounter('kimi_relay_interruptions', '', 'Interruptions of streamed answers');
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
  interruptions.add(0);
  tokens.add(0);
  return {
    began: () => streams.set((underWay += 1)),
    firstByte: (ms: number) => firstByte.record(ms / 1_000),
    interrupted: () => interruptions.add(1),
    ended: (outcome: RelayRequestOutcome, tokensCame: number) => {
      streams.set((underWay -= 1));
      requests.add(1, { outcome });
      tokens.add(Math.round(tokensCame));
    },
  };
}

export function deliveryMetrics(meter: MetricMeter) {
  const deliveries = meter.createCounter('kimi_relay_deliveries', '', 'Callbacks of the relay, by outcome');
  for (const outcome of DELIVERIES) deliveries.add(0, { outcome });
  return { delivery: (outcome: (typeof DELIVERIES)[number]) => deliveries.add(1, { outcome }) };
}

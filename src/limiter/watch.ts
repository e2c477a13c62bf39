import { setTimeout as pause } from 'node:timers/promises';
import type { Client } from '@temporalio/client';
import type { MetricMeter } from '@temporalio/common';
import type { Logger } from 'pino';
import type { Limits } from '../shared/limits.ts';
import { limiterView } from './client.ts';
import { limiterMetrics } from '../shared/metrics.ts';

/** How often the limiter is asked, in milliseconds: as often as Prometheus comes by where nothing else is said. */
const ASK_MS = 15_000;

/**
 * Asks the limiter, for as long as the process lives, how many tasks wait and what is used. Where there is no limiter nothing
 * is said of one. Every worker says the same: dashboards take the greatest.
 *
 * @param id workflow id of the limiter
 */
export async function watchLimiter(client: Client, id: string, meter: MetricMeter, log: Logger): Promise<never> {
  let gauges: ReturnType<typeof limiterMetrics> | undefined;
  for (;;) {
    try {
      const view = await limiterView(client, id);
      if (view) {
        gauges ??= limiterMetrics(meter);
        const { limits, queue, in_flight, used_per_minute, paused_until } = view;
        gauges.queued.set(queue.length);
        gauges.inFlight.set(in_flight.length);
        gauges.used.set(used_per_minute);
        gauges.paused.set(paused_until === undefined ? 0 : 1);
        for (const of of ['per_minute', 'concurrent', 'queued'] satisfies (keyof Limits)[]) {
          gauges.limit.set(limits[of], { of });
        }
      }
    } catch (error) {
      log.debug({ err: error }, 'the limiter could not be asked how it stands');
    }
    await pause(ASK_MS, undefined, { ref: false });
  }
}

import { proxyActivities } from '@temporalio/workflow';
import type { Activities } from '../activities/index.ts';
import type { Delivered, Delivery } from '../shared/delivery.ts';

/** Sixteen attempts: after seconds, minutes, hours, then every six hours, or later where the receiver says so (`Retry-After`). */
const { deliverEvent } = proxyActivities<Pick<Activities, 'deliverEvent'>>({
  // More than the time that a receiver has (notify/delivery.ts).
  startToCloseTimeout: '20s',
  heartbeatTimeout: '3s',
  scheduleToCloseTimeout: '3d',
  retry: { initialInterval: '1s', backoffCoefficient: 4, maximumInterval: '6h' },
});

/**
 * Delivers the event of a task's end, for three days. One that fails is a dead letter: the engine keeps it for its retention, and
 * `kimi-dispatch webhook` lists it and sends it again.
 */
export async function kimiNotify(delivery: Delivery): Promise<Delivered> {
  return await deliverEvent(delivery);
}

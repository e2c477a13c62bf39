import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/**
 * For activities that send what is paid for. Tried again while nothing was sent; an attempt whose heartbeats ran out is not
 * repeated by the engine, since the request may have been sent: see `unlessLost`.
 */
export const SENDING = {
  // A cancelled one tells what was sent, or has come, before anything is made of it.
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: {
    initialInterval: '1s',
    backoffCoefficient: 2,
    maximumInterval: '1m',
    // The server names timeouts so in this list.
    nonRetryableErrorTypes: ['TemporalTimeout:StartToClose', 'TemporalTimeout:Heartbeat'],
  },
} satisfies ActivityOptions;

import { ActivityCancellationType, type ActivityOptions } from '@temporalio/workflow';

/**
 * For activities that send what is paid for. Tried again while nothing was sent; an attempt whose worker was lost is not
 * repeated: the request may have been sent.
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

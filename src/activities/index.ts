import { ApplicationFailure, Context, heartbeat } from '@temporalio/activity';
import { FAILURE, type TaskActivities } from '../contract.ts';
import type { Gateway } from '../gateway.ts';
import { GatewayError } from '../gateway.ts';
import type { KimiClient } from '../kimi/client.ts';
import { KimiError, type KimiErrorKind } from '../kimi/errors.ts';
import type { ResultStore } from '../results.ts';

/** What the activities reach the world with. */
export interface ActivityDependencies {
  kimi: Pick<KimiClient, 'dispatch'>;
  results: Pick<ResultStore, 'recordPending' | 'persist' | 'acknowledge'>;
  gateway: Pick<Gateway, 'wake'>;
}

/** Every input and output of a task. A second run of any of them changes nothing. */
export function createActivities({ kimi, results, gateway }: ActivityDependencies): TaskActivities {
  return {
    async dispatch(task) {
      return await beating(async () => {
        try {
          return await kimi.dispatch(task, Context.current().cancellationSignal);
        } catch (error) {
          throw error instanceof KimiError ? dispatchFailure(error) : error;
        }
      });
    },

    async recordPending(task_id, created_at) {
      await results.recordPending(task_id, created_at);
    },

    async persist(result) {
      return await results.persist(result);
    },

    async wake(task_id, text) {
      await beating(async () => {
        try {
          await gateway.wake(task_id, text, Context.current().cancellationSignal);
        } catch (error) {
          throw error instanceof GatewayError ? wakeFailure(error) : error;
        }
      });
    },

    async acknowledge(task_id) {
      await results.acknowledge(task_id);
    },
  };
}

const DISPATCH_FAILURE: Record<KimiErrorKind, string> = {
  refused: FAILURE.refused,
  outcome_unknown: FAILURE.outcomeUnknown,
  not_sent: FAILURE.notSent,
};

/** The word for what happened (`no_api_key`, Kimi's own error type) travels in `details`. */
function dispatchFailure(error: KimiError): ApplicationFailure {
  const { retryAfterMs } = error.options;
  return ApplicationFailure.create({
    message: error.message,
    type: DISPATCH_FAILURE[error.kind],
    nonRetryable: error.kind !== 'not_sent',
    details: [error.type],
    ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
  });
}

function wakeFailure(error: GatewayError): ApplicationFailure {
  return ApplicationFailure.create({
    message: error.message,
    type: error.retryable ? FAILURE.wakeFailed : FAILURE.wakeRefused,
    nonRetryable: !error.retryable,
    details: [error.type],
    ...(error.retryAfterMs !== undefined && { nextRetryDelay: error.retryAfterMs }),
  });
}

/** Heartbeats while work is under way, so that a killed worker is noticed within seconds (see the activity options). */
async function beating<T>(work: () => Promise<T>): Promise<T> {
  const timer = setInterval(() => heartbeat(), 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

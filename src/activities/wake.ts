import { ApplicationFailure, Context } from '@temporalio/activity';
import type { Logger } from 'pino';
import { GatewayError, type Gateway } from '../notify/gateway.ts';
import { pluginWake, type Recipient } from '../notify/message.ts';
import type { PluginWake } from '../notify/protocol.ts';
import type { ResultStore } from '../results/store.ts';
import type { Money } from '../shared/budget.ts';
import { money } from '../shared/format.ts';
import type { workerMetrics } from '../shared/metrics.ts';
import { failureDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import type { ResultFile } from '../shared/result.ts';
import { textFor } from '../text/index.ts';
import { beating } from './heartbeat.ts';
import { sequence } from './sequence.ts';

export interface WakeDependencies {
  gateway: Pick<Gateway, 'wake'>;
  results: Pick<ResultStore, 'readNow' | 'sizeOf' | 'noteWoken' | 'wasWoken' | 'pathToShow'>;
  /** How the gateway's plugin notifies the user; absent if the gateway itself is woken. */
  reply?: PluginWake['reply'] | undefined;
  /** @returns what is left on the account; `undefined` if that is not known. */
  balance?: (() => Promise<Money | undefined>) | undefined;
  /** Makes the link to the page of an answer; absent if readers elsewhere have no address of it. */
  linkTo?: ((task_id: string) => string) | undefined;
  metrics: ReturnType<typeof workerMetrics>;
  log: Logger;
}

/** A result with a file of at least this size is large, in bytes. */
const LARGE_RESULT_BYTES = 1024 * 1024;

export function wakeActivities(dependencies: WakeDependencies) {
  const { results } = dependencies;
  /** A wake needs several times its answer in memory, here and in the gateway: large ones are sent one at a time. */
  const inTurn = sequence();

  return {
    /**
     * Wakes the agent's gateway, unless the result is acknowledged by then.
     *
     * @param text the notification in one line
     * @param notification id of the notification, sent as `Idempotency-Key`: a gateway that has seen it need not show it again
     * @param recipient the chat that is notified, and its language
     */
    async wake(
      task_id: string,
      text: string,
      notification: string,
      recipient: Recipient,
    ): Promise<'woken' | 'acknowledged'> {
      return await beating(async () => {
        const isLarge = results.sizeOf(task_id) > LARGE_RESULT_BYTES;
        const work = async () => await wakeOnce(dependencies, task_id, text, notification, recipient);
        return isLarge ? await inTurn(work) : await work();
      });
    },
  };
}

async function wakeOnce(
  { gateway, results, reply, linkTo, balance, metrics, log }: WakeDependencies,
  task_id: string,
  line: string,
  notification: string,
  recipient: Recipient,
): Promise<'woken' | 'acknowledged'> {
  const { cancellationSignal } = Context.current();
  cancellationSignal.throwIfAborted();
  const result = resultOf(results, task_id);
  // The task does not know of it if the result was acknowledged while the engine or all workers were away.
  if (result?.acknowledged) {
    metrics.wake('acknowledged');
    return 'acknowledged';
  }
  // The gateway accepted it, and the process ended before the engine knew.
  if (results.wasWoken(task_id, notification)) return 'woken';
  const left = recipient.paused && (await balance?.());
  const text = left ? `${line}\n${textFor(recipient.lang).budget.balance(money(left))}` : line;
  const wake = reply
    ? pluginWake(reply, text, task_id, recipient, result, results.pathToShow(task_id), linkTo?.(task_id))
    : { text, mode: 'now' as const };
  try {
    await gateway.wake(wake, notification, cancellationSignal);
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error;
    // A wake that the task itself cancelled is not the gateway's failure.
    if (!cancellationSignal.aborted) {
      metrics.wake(error.retryable ? 'failed' : 'refused');
      log.warn({ task_id, type: error.type }, error.message);
    }
    throw wakeFailure(error);
  }
  try {
    results.noteWoken(task_id, notification);
  } catch (error) {
    // A full disk does not make an accepted wake fail.
    log.warn({ task_id, err: error }, 'the wake could not be recorded in the results folder');
  }
  metrics.wake('woken');
  log.info({ task_id }, 'agent woken');
  return 'woken';
}

function resultOf(results: WakeDependencies['results'], task_id: string): ResultFile | undefined {
  try {
    return results.readNow(task_id);
  } catch {
    return undefined;
  }
}

/** `details`: the error's type, and the gateway's Retry-After in milliseconds. */
function wakeFailure(error: GatewayError): ApplicationFailure {
  const { message, retryable, retryAfterMs } = error;
  return ApplicationFailure.create({
    message,
    type: retryable ? FAILURE.wakeFailed : FAILURE.wakeRefused,
    nonRetryable: !retryable,
    details: failureDetails(error, retryAfterMs),
    ...(retryAfterMs !== undefined && { nextRetryDelay: retryAfterMs }),
  });
}

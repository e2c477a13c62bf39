import { createHash } from 'node:crypto';
import type { Logger } from 'pino';
import type { Callback } from '../shared/callback.ts';
import { isoSeconds } from '../shared/format.ts';
import type { workerMetrics } from '../shared/metrics.ts';
import { MAX_UNPROVEN, writeUnproven } from '../webhook/dead-letters.ts';
import { isProven } from '../webhook/proof.ts';
import { sequence } from './sequence.ts';

export interface CallbackDependencies {
  /** Secrets that proofs of callbacks are made with, and the folder for callbacks without a valid proof. */
  callbacks: { secrets: readonly string[]; deadLetters: string };
  metrics: ReturnType<typeof workerMetrics>;
  log: Logger;
}

export function callbackActivities({ callbacks, metrics, log }: CallbackDependencies) {
  const inTurn = sequence();

  /** It may be a paid answer after all, if webhook and worker have different secrets. */
  async function keepUnproven(task_id: string, callback: Callback): Promise<void> {
    const { deadLetters } = callbacks;
    const message = `a callback of task ${task_id} was dropped because its proof is missing or wrong: either another client of the engine sent it, or webhook and worker have different WEBHOOK_SECRETs`;
    metrics.forged();
    const name = createHash('sha256')
      .update(JSON.stringify(callback ?? null))
      .digest('hex')
      .slice(0, 16);
    const letter = { task_id, reason: 'unproven' as const, message, received_at: isoSeconds(Date.now()), callback };
    try {
      const isKept = await inTurn(async () => await writeUnproven(deadLetters, name, letter));
      const where = isKept
        ? `it was written to ${deadLetters}`
        : `it was not kept: ${deadLetters} has ${MAX_UNPROVEN} of this task`;
      log.error({ task_id }, `${message}; ${where}`);
    } catch (error) {
      log.error({ task_id, err: error }, `${message}; it could not be written to ${deadLetters}`);
    }
  }

  return {
    /** @returns whether the webhook verified this callback: its proof is valid for this task. One without becomes a dead letter. */
    async verifyCallback(task_id: string, callback: Callback): Promise<boolean> {
      if (isProven(task_id, callback, callbacks.secrets)) return true;
      await keepUnproven(task_id, callback);
      return false;
    },
  };
}

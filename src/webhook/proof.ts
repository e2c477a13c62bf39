import { createHmac } from 'node:crypto';
import { secretCheck } from '../service/http.ts';
import type { Callback } from '../shared/callback.ts';

/** Domain separation: a proof is not a body's signature, nor the reverse. */
const DOMAIN = 'kimi-dispatch/callback-proof/v1';

/**
 * Adds the proof that the webhook has verified a callback's signature. Every client of the engine can send the signal; only an owner
 * of the secret can make a proof.
 */
export function withProof(callback: Callback, secret: string): Callback {
  const { proof: _proof, ...proven } = callback;
  return { ...proven, proof: proofOf(proven, secret) };
}

/**
 * @param callback the signal's argument, of any shape
 * @returns whether it is a callback of this task with a proof made with one of the secrets.
 */
export function isProven(task_id: string, callback: unknown, secrets: readonly string[]): boolean {
  const { proof, ...rest } = (callback ?? {}) as Partial<Callback>;
  if (typeof proof !== 'string' || rest.metadata?.task_id !== task_id) return false;
  const matches = secrets.map((secret) => secretCheck(proofOf(rest, secret))(proof));
  return matches.includes(true);
}

/** The HMAC of the callback's JSON. Webhook and worker serialise the same text, since parsed JSON keeps the order of its members. */
function proofOf(callback: object, secret: string): string {
  const key = createHmac('sha256', secret).update(DOMAIN).digest();
  return createHmac('sha256', key).update(JSON.stringify(callback)).digest('hex');
}

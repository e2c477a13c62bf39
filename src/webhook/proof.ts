import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Callback } from '../shared/callback.ts';

/** Keeps the key apart from the one that signs bodies: neither can stand for the other. */
const DOMAIN = 'kimi-dispatch/callback-proof/v1';

/**
 * Adds the proof that the webhook has checked a callback's signature. Whoever reaches the engine can raise the signal; only who
 * has the secret can make a proof.
 */
export function withProof(callback: Callback, secret: string): Callback {
  const { proof: _proof, ...proven } = callback;
  return { ...proven, proof: proofOf(proven, secret) };
}

/**
 * @param callback whatever the signal brought
 * @returns whether it is a callback of this task whose proof was made with one of the secrets.
 */
export function isProven(task_id: string, callback: unknown, secrets: readonly string[]): boolean {
  const { proof, ...rest } = (callback ?? {}) as Partial<Callback>;
  if (typeof proof !== 'string' || rest.metadata?.task_id !== task_id) return false;
  const matches = secrets.map((secret) => isEqual(proof, proofOf(rest, secret)));
  return matches.includes(true);
}

/** What was read from JSON keeps the order of its members wherever it is JSON again. */
function proofOf(callback: object, secret: string): string {
  const key = createHmac('sha256', secret).update(DOMAIN).digest();
  return createHmac('sha256', key).update(JSON.stringify(callback)).digest('hex');
}

function isEqual(a: string, b: string): boolean {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
}

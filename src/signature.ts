import { createHmac, timingSafeEqual } from 'node:crypto';

/** The header that carries a callback's signature. */
export const SIGNATURE_HEADER = 'x-kimi-signature';

/** @returns lower-case hex HMAC-SHA256 of the bytes under the secret (contract section 3). */
export function sign(body: Uint8Array | string, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

/**
 * Checks a signature over the bytes as received, in constant time.
 *
 * @param signature the header's value; `undefined` where there was none.
 */
export function verify(body: Uint8Array, signature: string | undefined, secret: string): boolean {
  if (signature === undefined || !/^[0-9a-f]{64}$/.test(signature)) return false;
  return timingSafeEqual(Buffer.from(signature), Buffer.from(sign(body, secret)));
}

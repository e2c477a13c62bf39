import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** The header with the hexadecimal signature (docs/http-api.md). */
export const SIGNATURE_HEADER = 'x-kimi-signature';

/** The headers of Standard Webhooks (standardwebhooks.com). */
const STANDARD_HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;
type StandardHeaders = Record<(typeof STANDARD_HEADERS)[number], string>;

/** @returns lower-case hex HMAC-SHA256 of the bytes under the secret (docs/http-api.md). */
export function sign(body: Uint8Array | string, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

/**
 * Signs by the rules of Standard Webhooks.
 *
 * @param secret `whsec_<base64>` for encoded bytes; anything else is used as it is.
 * @param id of the message: the same for each attempt to deliver it.
 */
export function standardHeaders(body: Buffer | string, secret: string, id: string, at = new Date()): StandardHeaders {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new StandardWebhook(secret).sign(id, at, body),
  };
}

/** Headers without a signature, or with one that does not match the body. The message says which, in one sentence. */
export class BadSignature extends Error {
  override readonly name = 'BadSignature';
}

/** Checks a body; throws {@link BadSignature}. */
export type CheckBody = (body: Buffer) => void;

/**
 * Verifies callbacks. A body signed with any one of the secrets is valid; each is compared, in constant time.
 *
 * The returned function reads the headers, before the body has arrived, and returns the check of the bytes as received. If any
 * header of Standard Webhooks is present, only that scheme counts: an attacker cannot fall back to the one without a timestamp.
 *
 * @throws {BadSignature} (the returned function) if the headers cannot be a signature.
 */
export function createVerifier(secrets: readonly string[]): (headers: IncomingHttpHeaders) => CheckBody {
  const webhooks = secrets.map((secret) => new StandardWebhook(secret));
  return (headers) =>
    STANDARD_HEADERS.some((name) => headers[name] !== undefined)
      ? standardCheck(readStandardHeaders(headers), webhooks)
      : hexCheck(headers[SIGNATURE_HEADER], secrets);
}

function hexCheck(signature: string | string[] | undefined, secrets: readonly string[]): CheckBody {
  const wrong = `${SIGNATURE_HEADER} is missing or does not match the body`;
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) throw new BadSignature(wrong);
  return (body) => {
    const matches = secrets.map((secret) => timingSafeEqual(Buffer.from(signature), Buffer.from(sign(body, secret))));
    if (!matches.includes(true)) throw new BadSignature(wrong);
  };
}

/** Valid forms of the headers; `webhook-signature` may hold several signatures, also of unknown versions. */
const STANDARD_FORMS: Record<keyof StandardHeaders, RegExp> = {
  'webhook-id': /^[\x21-\x7E]+$/,
  'webhook-timestamp': /^\d{1,15}$/,
  'webhook-signature': /(?:^| )v1,[A-Za-z0-9+/]{43}=(?: |$)/,
};

function readStandardHeaders(headers: IncomingHttpHeaders): StandardHeaders {
  const entries = STANDARD_HEADERS.map((name) => {
    const value = headers[name];
    if (typeof value === 'string' && STANDARD_FORMS[name].test(value)) return [name, value] as const;
    throw new BadSignature(`${name} is missing or malformed; Standard Webhooks needs ${STANDARD_HEADERS.join(', ')}`);
  });
  return Object.fromEntries(entries) as StandardHeaders;
}

const CLOCKS = 'sign every attempt with the current time, and compare the clocks of both machines';

/** Messages for the package's errors that are not about the signature. */
const STANDARD_ERRORS: Record<string, string> = {
  'Message timestamp too old': `webhook-timestamp is more than 5 minutes ago; ${CLOCKS}`,
  'Message timestamp too new': `webhook-timestamp is more than 5 minutes ahead; ${CLOCKS}`,
};

function standardCheck(headers: StandardHeaders, webhooks: readonly StandardWebhook[]): CheckBody {
  return (body) => {
    const failures = webhooks.map((webhook) => webhook.failureOf(body, headers));
    if (failures.includes(undefined)) return;
    throw new BadSignature(STANDARD_ERRORS[failures[0] ?? ''] ?? 'webhook-signature does not match the body');
  };
}

/**
 * The package's {@link Webhook} with Node's HMAC over the bytes. The package decodes them as text, in which all invalid bytes are
 * equal, and hashes in JavaScript: 16 MB block all other requests for 145 ms, here for 9.
 */
class StandardWebhook extends Webhook {
  private readonly bytes: Uint8Array;

  constructor(secret: string) {
    const bytes = secret.startsWith('whsec_') ? Buffer.from(secret.slice(6), 'base64') : Buffer.from(secret);
    super(bytes, { format: 'raw' });
    this.bytes = bytes;
  }

  override sign(id: string, timestamp: Date, body: Buffer | string): string {
    const seconds = Math.floor(timestamp.getTime() / 1000);
    return `v1,${createHmac('sha256', this.bytes).update(`${id}.${seconds}.`).update(body).digest('base64')}`;
  }

  /** @returns the package's error message; `undefined` if the signature is valid. */
  failureOf(body: Buffer, headers: StandardHeaders): string | undefined {
    try {
      this.verify(body, headers, { jsonParse: false });
      return undefined;
    } catch (error) {
      if (error instanceof WebhookVerificationError) return error.message;
      throw error;
    }
  }
}

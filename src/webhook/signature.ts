import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { Webhook, WebhookVerificationError } from 'standardwebhooks';

/** The header that carries the contract's signature. */
export const SIGNATURE_HEADER = 'x-kimi-signature';

/** The headers of Standard Webhooks (standardwebhooks.com). */
const STANDARD_HEADERS = ['webhook-id', 'webhook-timestamp', 'webhook-signature'] as const;
type StandardHeaders = Record<(typeof STANDARD_HEADERS)[number], string>;

/** @returns lower-case hex HMAC-SHA256 of the bytes under the secret (contract section 3). */
export function sign(body: Uint8Array | string, secret: string): string {
  return createHmac('sha256', secret).update(body).digest('hex');
}

/**
 * Signs as Standard Webhooks does.
 *
 * @param secret `whsec_<base64>` stands for the bytes it encodes, anything else for its own.
 * @param id names the message: the same for each attempt to deliver it.
 */
export function standardHeaders(body: Buffer | string, secret: string, id: string, at = new Date()): StandardHeaders {
  return {
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new StandardWebhook(secret).sign(id, at, body),
  };
}

/** Headers that carry no signature, or one that does not fit the body. Its message says which, in one sentence. */
export class BadSignature extends Error {
  override readonly name = 'BadSignature';
}

/** Checks a body; throws {@link BadSignature}. */
export type CheckBody = (body: Buffer) => void;

/**
 * Makes what verifies callbacks. A body signed under any one of the secrets is right; each is compared, in constant time.
 *
 * What it returns reads the headers before the body has come, and gives the check of the bytes as received. Where any
 * header of Standard Webhooks is there, that scheme decides: nobody can fall back to the one without a clock.
 *
 * @throws {BadSignature} (what it returns) where the headers cannot be a signature at all.
 */
export function createVerifier(secrets: readonly string[]): (headers: IncomingHttpHeaders) => CheckBody {
  const webhooks = secrets.map((secret) => new StandardWebhook(secret));
  return (headers) =>
    STANDARD_HEADERS.some((name) => headers[name] !== undefined)
      ? standardCheck(readStandardHeaders(headers), webhooks)
      : contractCheck(headers[SIGNATURE_HEADER], secrets);
}

function contractCheck(signature: string | string[] | undefined, secrets: readonly string[]): CheckBody {
  const wrong = `${SIGNATURE_HEADER} is missing or does not match the body`;
  if (typeof signature !== 'string' || !/^[0-9a-f]{64}$/.test(signature)) throw new BadSignature(wrong);
  return (body) => {
    const matches = secrets.map((secret) => timingSafeEqual(Buffer.from(signature), Buffer.from(sign(body, secret))));
    if (!matches.includes(true)) throw new BadSignature(wrong);
  };
}

/** What the header of each must look like; `webhook-signature` may hold several, and versions we do not know. */
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

const CLOCKS = 'sign every attempt anew, and compare the clocks of both machines';

/** The package's reasons that are not the signature's, in our words. */
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
 * The package's {@link Webhook} with a hash of the bytes. Its own takes them for text, to which bytes that are none all
 * look alike, and is written in JavaScript: 16 MB keep every other sender waiting for 145 ms, here for 9.
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

  /** @returns why it does not hold, in the package's words; `undefined` where it does. */
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

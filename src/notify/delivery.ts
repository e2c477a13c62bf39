/** Sends an event to a receiver, in the form of Standard Webhooks. */
import type { LookupFunction } from 'node:net';
import { request } from 'undici';
import { retryAfter } from '../service/http.ts';
import { causeOf, lookup, outboundAgent, reachProblem, tellingSent } from '../service/outbound.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { messageOf } from '../text/error-details.ts';
import { standardHeaders } from '../webhook/signature.ts';
import { isPublic, refusalOf, type AllowedHosts } from './receiver.ts';

/** How long a receiver may take, in milliseconds: the lower end of what Standard Webhooks recommends. */
const TIMEOUT_MS = 15_000;

/** How much of an answer is read, and dropped, in bytes. */
const ANSWER_BYTES = 16 * 1024;

export interface EventToSend {
  url: string;
  /** `webhook-id` */
  id: string;
  body: string;
}

export interface SendingOptions {
  /** The event is signed with each. */
  secrets: readonly string[];
  allowed: AllowedHosts;
}

/** Why a receiver has not accepted an event. Its message has the receiver's origin only: the rest of an address may be secret. */
export class NotAccepted extends Error {
  override readonly name = 'NotAccepted';

  constructor(
    readonly type: string,
    readonly detail: ErrorDetail,
    /** False if the receiver wants no more (410), or the address cannot be used. */
    readonly retryable: boolean,
    readonly retryAfterMs?: number,
  ) {
    super(messageOf(detail));
  }
}

/**
 * Sends an event once. Redirects are not followed: one could lead to an address that is not allowed.
 *
 * @returns the receiver's 2xx. The body of its answer is not kept.
 * @throws {NotAccepted}
 */
export async function sendEvent({ url, id, body }: EventToSend, options: SendingOptions): Promise<number> {
  const why = refusalOf(url, options.allowed);
  if (why) throw new NotAccepted('receiver_refused', { code: 'receiver_refused', why }, false);
  const address = new URL(url).origin;
  // One for each event: a connection that is kept would not be checked again.
  const dispatcher = outboundAgent(url, {
    connect: { lookup: checkedLookup(options.allowed), timeout: TIMEOUT_MS },
  });
  let isSent = false;
  try {
    const answer = await request(url, {
      method: 'POST',
      dispatcher: tellingSent(dispatcher, () => (isSent = true)),
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { 'content-type': 'application/json', 'user-agent': 'kimi-dispatch', ...signed(id, body, options) },
      body,
    });
    await answer.body.dump({ limit: ANSWER_BYTES });
    const { statusCode: status, headers } = answer;
    if (status >= 200 && status < 300) return status;
    const isGone = status === 410;
    throw new NotAccepted(`http_${status}`, { code: 'receiver', address, status }, !isGone, retryAfter(headers));
  } catch (error) {
    if (error instanceof NotAccepted) throw error;
    if (privateAddressIn(error)) {
      throw new NotAccepted('private_address', { code: 'receiver_private', address }, true);
    }
    const cause = isTimeout(error) ? { cause: 'ETIMEDOUT' } : causeOf(error);
    if (isSent) throw new NotAccepted('no_response', { code: 'no_response', address, ...cause }, true);
    throw new NotAccepted(reachProblem(error), { code: 'reach', address, ...cause }, true);
  } finally {
    await dispatcher.destroy();
  }
}

/** A name resolves to an address that is neither public nor allowed. */
class PrivateAddress extends Error {
  override readonly name = 'PrivateAddress';
}

/** Resolves the name of a receiver for one connection, so that what is checked is what is called (DNS rebinding). */
function checkedLookup(allowed: AllowedHosts): LookupFunction {
  return (host, options, callback) => {
    lookup(host, { ...options, all: true }, (error, found) => {
      const addresses = Array.isArray(found) ? found : [];
      const [first] = addresses;
      const isAllowed =
        allowed.has(host) || addresses.every(({ address }) => isPublic(address) || allowed.has(address));
      if (error || !first) callback(error ?? new Error('no address'), []);
      else if (!isAllowed) callback(new PrivateAddress('not a public address'), []);
      else if (options.all) callback(null, addresses);
      else callback(null, first.address, first.family);
    });
  };
}

/** The time is that of the attempt: receivers refuse old ones. */
function signed(id: string, body: string, { secrets }: SendingOptions): Record<string, string> {
  const now = new Date();
  const each = secrets.map((secret) => standardHeaders(body, secret, id, now));
  return { ...each[0], 'webhook-signature': each.map((headers) => headers['webhook-signature']).join(' ') };
}

function isTimeout(error: unknown): boolean {
  return error instanceof Error && error.name === 'TimeoutError';
}

function privateAddressIn(error: unknown): boolean {
  for (let each = error; each instanceof Error; each = each.cause) {
    if (each instanceof PrivateAddress) return true;
    if (each instanceof AggregateError && each.errors.some(privateAddressIn)) return true;
  }
  return false;
}

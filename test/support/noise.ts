/** Malformed requests for property-based tests. */
import {
  type Arbitrary,
  array,
  constant,
  constantFrom,
  dictionary,
  integer,
  json,
  nat,
  object,
  oneof,
  record,
  string,
  stringMatching,
  tuple,
  uint8Array,
} from 'fast-check';
import { MAX_CALLBACK_BYTES } from '../../src/shared/callback.ts';
import { SIGNATURE_HEADER, standardHeaders } from '../../src/webhook/signature.ts';
import { PATH, PLAUSIBLE, RIGHT } from './edge.ts';
import { requestBytes } from './wire.ts';
import { SECRET } from './resources.ts';

/** One malformed request. */
export interface Noise {
  bytes: Buffer;
  /**
   * Whether a response is required. The server may close on invalid HTTP, or on `Expect` without waiting; of a sender that is still
   * sending more than the webhook takes, a reset may overtake the answer.
   */
  needsAnswer: boolean;
}

/** Bytes with random ranges changed, removed, doubled or inserted. */
function mutated(bytes: Buffer): Arbitrary<Buffer> {
  const mutation = record({
    at: nat(bytes.length - 1),
    length: nat(20),
    kind: constantFrom('change', 'cut', 'double', 'insert'),
    noise: uint8Array({ minLength: 1, maxLength: 20 }),
  });
  return array(mutation, { minLength: 1, maxLength: 6 }).map((mutations) => {
    let result = bytes;
    for (const { at, length, kind, noise } of mutations) {
      const [before, middle, after] = [
        result.subarray(0, at),
        result.subarray(at, at + length),
        result.subarray(at + length),
      ];
      const parts = {
        change: [before, noise, after],
        cut: [before, after],
        double: [before, middle, middle, after],
        insert: [before, noise, middle, after],
      }[kind];
      result = Buffer.concat(parts);
    }
    return result;
  });
}

/** Bodies: random bytes, JSON of any shape, and callbacks with something wrong. */
export const bodies: Arbitrary<Buffer> = oneof(
  uint8Array({ maxLength: 3000 }).map((bytes) => Buffer.from(bytes)),
  json().map((json) => Buffer.from(json)),
  string({ unit: 'binary' }).map((text) => Buffer.from(text)),
  { arbitrary: mutated(Buffer.from(RIGHT)), weight: 4 },
  object({ key: constantFrom('id', 'choices', 'usage', 'metadata', 'error', '__proto__', 'message') }).map((value) =>
    Buffer.from(JSON.stringify({ ...(JSON.parse(RIGHT) as object), ...value })),
  ),
);

/** Bodies as above, and now and then a large one. */
const anyBodies = oneof(
  { arbitrary: bodies, weight: 200 },
  { arbitrary: nat(2 * MAX_CALLBACK_BYTES).map((size) => Buffer.alloc(size, '{"a":')), weight: 1 },
);

/** Allowed characters of a header value. */
const headerText = string({ unit: integer({ min: 0x20, max: 0xff }).map((code) => String.fromCharCode(code)) });
const headerValue = oneof(
  headerText.filter((text) => !text.includes('\x7f')),
  constant(''),
);
const token = string({
  unit: constantFrom('a', 'b', 'x', 'y', 'z', '0', '9', '-', '_', '!'),
  minLength: 1,
  maxLength: 30,
});

const signatures = oneof(
  constant({}),
  constant(PLAUSIBLE),
  stringMatching(/^[0-9a-f]{64}$/).map((hex) => ({
    ...PLAUSIBLE,
    [SIGNATURE_HEADER]: hex,
  })),
  // Valid for another body.
  constant({ ...PLAUSIBLE, ...standardHeaders('another', SECRET, 'msg_1') }),
  record(
    {
      [SIGNATURE_HEADER]: headerValue,
      'webhook-id': headerValue,
      'webhook-timestamp': oneof(headerValue, integer().map(String)),
      'webhook-signature': oneof(
        headerValue,
        headerValue.map((text) => `v1,${text}`),
      ),
    },
    { requiredKeys: [] },
  ),
);

const headers = tuple(
  record(
    {
      'content-type': oneof(constantFrom('application/json', 'application/json; charset=utf-16'), headerValue),
      'content-encoding': oneof(constantFrom('gzip', 'br', 'identity', 'deflate, gzip'), headerValue),
      expect: oneof(constant('100-continue'), headerValue),
      cookie: string({ unit: constant('x'), maxLength: 9000, size: 'max' }),
      'x-http-method-override': constant('GET'),
      'x-forwarded-for': headerValue,
      host: headerValue,
    },
    { requiredKeys: [] },
  ),
  dictionary(
    token.map((name) => `x${name}`),
    headerValue,
    { maxKeys: 5 },
  ),
  signatures,
).map(([ours, others, signature]) => ({ ...others, ...ours, ...signature }));

const pathText = string({
  unit: oneof(
    constantFrom('/', '//', '.', '..', '%2e', '%2f', '%00', '%', '%ff', '%e4', '\\', ';', '?', '#', '@', ':', '*', '('),
    constantFrom('kimi', 'webhook', 'kimi-1-1', 'healthz', 'readyz', '__proto__', 'http://', '[', ']'),
    integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  ),
  maxLength: 40,
});
const targets = oneof(
  constant(PATH),
  pathText.map((text) => `/${text}`),
  pathText.map((text) => `/kimi/webhook/${text}`),
  pathText.map((text) => `http://example.com/${text}`),
  string({ unit: constant('x'), maxLength: 12_000, size: 'max' }).map((text) => `/kimi/webhook/${text}`),
);
const methods = oneof(
  { arbitrary: constant('POST'), weight: 10 },
  {
    arbitrary: constantFrom('GET', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND', 'M-SEARCH'),
    weight: 2,
  },
);

const requests = record({ method: methods, target: targets, headers, body: anyBodies }).map((request): Noise => {
  const bytes = requestBytes(request);
  return { bytes, needsAnswer: request.headers.expect !== '100-continue' && bytes.length <= MAX_CALLBACK_BYTES };
});
const almostRight = mutated(requestBytes({ target: PATH, headers: PLAUSIBLE, body: RIGHT }));

/** Unsigned requests of unknown senders. */
export const noise: Arbitrary<Noise> = oneof(
  { arbitrary: requests, weight: 3 },
  { arbitrary: almostRight.map((bytes) => ({ bytes, needsAnswer: false })), weight: 1 },
);

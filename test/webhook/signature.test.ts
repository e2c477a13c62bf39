/** The signatures of a callback. The vectors were computed with `openssl dgst -sha256 -hmac KEY`. */
import { Webhook } from 'standardwebhooks';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { BadSignature, createVerifier, sign, SIGNATURE_HEADER, standardHeaders } from '../../src/webhook/signature.ts';
import { NEXT_SECRET, SECRET } from '../support/resources.ts';

const BODY = Buffer.from('{"id":"cmpl-1","output":"你好"}');
const SIGNATURE = '9d8d12671170de8c13c93528fc5b332467c20f298cce0f8371ec801660ff49cc';

/** @returns what is wrong with a body under these headers; `undefined` if it is valid */
function problemOf(body: Buffer, headers: Record<string, string>, secrets = [SECRET]): string | undefined {
  try {
    createVerifier(secrets)(headers)(body);
    return undefined;
  } catch (error) {
    if (error instanceof BadSignature) return error.message;
    throw error;
  }
}

function verify(body: Uint8Array, signature: string | undefined, secret: string): boolean {
  return (
    problemOf(Buffer.from(body), signature === undefined ? {} : { [SIGNATURE_HEADER]: signature }, [secret]) ===
    undefined
  );
}

it.each([
  ['Jefe', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
  [SECRET, BODY.toString(), SIGNATURE],
])('under %j %s is signed as openssl signs it', (secret, body, signature) => {
  expect(sign(body, secret)).toBe(signature);
  expect(sign(Buffer.from(body), secret)).toBe(signature);
});

it('the header is x-kimi-signature', () => {
  expect(SIGNATURE_HEADER).toBe('x-kimi-signature');
});

describe('a signature', () => {
  it('that is valid is accepted', () => {
    expect(verify(BODY, SIGNATURE, SECRET)).toBe(true);
  });

  it.each([
    ['missing', undefined],
    ['empty', ''],
    ['of another body', sign('{}', SECRET)],
    ['under another secret', sign(BODY, `${SECRET}!`)],
    ['in upper case', SIGNATURE.toUpperCase()],
    ['short by one character', SIGNATURE.slice(0, -1)],
    ['short by half', SIGNATURE.slice(0, 32)],
    ['long by one character', `${SIGNATURE}0`],
    ['with a line end', `${SIGNATURE}\n`],
    ['with a space before it', ` ${SIGNATURE}`],
    ['with an algorithm before it', `sha256=${SIGNATURE}`],
    ['sent twice', `${SIGNATURE}, ${SIGNATURE}`],
    ['wrong in its first digit', `0${SIGNATURE.slice(1)}`],
    ['wrong in its last digit', `${SIGNATURE.slice(0, -1)}0`],
    ['of 64 characters that are not hex', 'z'.repeat(64)],
    ['of 64 characters of several bytes', '字'.repeat(64)],
    ['in base64', Buffer.from(SIGNATURE, 'hex').toString('base64')],
  ])('%s is refused', (_what, signature) => {
    expect(verify(BODY, signature, SECRET)).toBe(false);
  });

  it.each([
    ['with spaces', '{ "id": "cmpl-1", "output": "你好" }'],
    ['with escapes', '{"id":"cmpl-1","output":"\\u4f60\\u597d"}'],
    ['in another order', '{"output":"你好","id":"cmpl-1"}'],
    ['with a line end', `${BODY.toString()}\n`],
  ])('of the same JSON value %s is refused: the bytes count', (_how, text) => {
    expect(JSON.parse(text)).toEqual(JSON.parse(BODY.toString()));
    expect(verify(Buffer.from(text), SIGNATURE, SECRET)).toBe(false);
  });

  it('holds for bytes that are not text', () => {
    const bytes = Uint8Array.of(0xff, 0x00, 0xfe);
    const signature = '767ddb4c5fa037ebd9d8e8026bde3f0e6dad09d4ca085e05f0abac57eceb35b1';
    expect(verify(bytes, signature, SECRET)).toBe(true);
    expect(verify(Buffer.from(Buffer.from(bytes).toString()), signature, SECRET)).toBe(false);
  });
});

/** @returns what is wrong with a body signed so many seconds from now */
function problemAt(seconds: number): string | undefined {
  return problemOf(BODY, standardHeaders(BODY, SECRET, 'msg_1', new Date(Date.now() + seconds * 1000)));
}

describe('Standard Webhooks', () => {
  const ID = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
  const now = standardHeaders(BODY, SECRET, ID);
  const hexadecimal = { [SIGNATURE_HEADER]: SIGNATURE };
  const mismatch = 'webhook-signature does not match the body';

  it('accepts the example of its specification', () => {
    // From the tests of the package, the same in every language.
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';
    const headers = standardHeaders('{"test": 2432232314}', secret, ID, new Date(1_614_265_330_000));
    expect(headers).toEqual({
      'webhook-id': ID,
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    });
  });

  it.each([SECRET, `whsec_${Buffer.alloc(24, 7).toString('base64')}`])('under %j agrees with the package', (secret) => {
    const theirs = new Webhook(secret, secret === SECRET ? { format: 'raw' } : {});
    const headers = standardHeaders(BODY, secret, ID);
    expect(theirs.verify(BODY, headers)).toEqual(JSON.parse(BODY.toString()));
    expect(theirs.sign(ID, new Date(Number(headers['webhook-timestamp']) * 1000), BODY)).toBe(
      headers['webhook-signature'],
    );
    expect(problemOf(BODY, headers, [secret])).toBeUndefined();
    // The hexadecimal signature uses the secret as it is written.
    expect(problemOf(BODY, { [SIGNATURE_HEADER]: sign(BODY, secret) }, [secret])).toBeUndefined();
  });

  it('is verified over the bytes: others that decode to the same text are refused', () => {
    const bytes = Buffer.from([0x22, 0xff, 0x22]);
    const asText = Buffer.from(bytes.toString());
    expect(problemOf(bytes, standardHeaders(bytes, SECRET, ID))).toBeUndefined();
    expect(problemOf(bytes, standardHeaders(asText, SECRET, ID))).toBe(mismatch);
    expect(problemOf(asText, standardHeaders(bytes, SECRET, ID))).toBe(mismatch);
  });

  it('may hold several signatures and unknown versions', () => {
    const [right, wrong] = [now['webhook-signature'], standardHeaders('{}', SECRET, ID)['webhook-signature']];
    for (const signatures of [`${wrong} ${right}`, `${right} ${wrong}`, `v1a,xyz ${right}`, `v2 ${right} v1,`]) {
      expect(problemOf(BODY, { ...now, 'webhook-signature': signatures })).toBeUndefined();
    }
    expect(problemOf(BODY, { ...now, 'webhook-signature': `${wrong} ${wrong}` })).toBe(mismatch);
  });

  it.each([
    ['of another body', { ...standardHeaders('{}', SECRET, ID) }],
    ['of another message', { ...now, 'webhook-id': 'msg_other' }],
    ['of another moment', { ...now, 'webhook-timestamp': String(Number(now['webhook-timestamp']) - 1) }],
    ['under another secret', standardHeaders(BODY, `${SECRET}!`, ID)],
    ['beside a valid hexadecimal one', { ...standardHeaders('{}', SECRET, ID), ...hexadecimal }],
  ])('%s does not match', (_what, headers) => {
    expect(problemOf(BODY, headers)).toBe(mismatch);
  });

  it.each([
    ['webhook-id', ''],
    ['webhook-id', 'two words'],
    ['webhook-timestamp', ''],
    ['webhook-timestamp', 'yesterday'],
    ['webhook-timestamp', `${now['webhook-timestamp']}.5`],
    ['webhook-timestamp', `-${now['webhook-timestamp']}`],
    ['webhook-timestamp', `${now['webhook-timestamp']}, ${now['webhook-timestamp']}`],
    ['webhook-timestamp', '9'.repeat(400)],
    ['webhook-signature', ''],
    ['webhook-signature', 'v1'],
    ['webhook-signature', 'v1,'],
    ['webhook-signature', now['webhook-signature'].slice(3)],
    ['webhook-signature', now['webhook-signature'].replace('v1', 'v1a')],
    ['webhook-signature', now['webhook-signature'].slice(0, -1)],
  ])(
    'with an invalid %s (%j) is refused before the body is read, even beside the hexadecimal signature',
    (name, value) => {
      const read = (): unknown => createVerifier([SECRET])({ ...now, ...hexadecimal, [name]: value });
      expect(read).toThrow(BadSignature);
      expect(read).toThrow(`${name} is missing or malformed`);
    },
  );

  it.each(Object.keys(now))('without %s is refused: the hexadecimal signature is not used instead', (name) => {
    const headers = Object.fromEntries(Object.entries(now).filter(([key]) => key !== name));
    expect(problemOf(BODY, { ...headers, ...hexadecimal })).toContain(`${name} is missing`);
  });

  it('is valid for five minutes in either direction, and the error names the clock', () => {
    vi.useFakeTimers({ toFake: ['Date'], now: 1_800_000_000_000 });
    onTestFinished(() => void vi.useRealTimers());
    expect(problemAt(-300)).toBeUndefined();
    expect(problemAt(300)).toBeUndefined();
    expect(problemAt(-301)).toMatch(/more than 5 minutes ago.*clocks/);
    expect(problemAt(301)).toMatch(/more than 5 minutes ahead.*clocks/);
  });
});

describe('with several secrets', () => {
  const both = [SECRET, NEXT_SECRET];

  it.each(both)('a body signed with %s is accepted, in either scheme', (secret) => {
    expect(problemOf(BODY, { [SIGNATURE_HEADER]: sign(BODY, secret) }, both)).toBeUndefined();
    expect(problemOf(BODY, standardHeaders(BODY, secret, 'msg_1'), both)).toBeUndefined();
  });

  it('a body signed with none of them, or without any secret configured, is refused', () => {
    expect(problemOf(BODY, { [SIGNATURE_HEADER]: sign(BODY, `${SECRET}!`) }, both)).toContain(SIGNATURE_HEADER);
    expect(problemOf(BODY, standardHeaders(BODY, `${SECRET}!`, 'msg_1'), both)).toContain('does not match');
    expect(problemOf(BODY, { [SIGNATURE_HEADER]: SIGNATURE }, [])).toContain(SIGNATURE_HEADER);
    expect(problemOf(BODY, standardHeaders(BODY, SECRET, 'msg_1'), [])).toContain('does not match');
  });

  it('no response to a sender contains a secret', () => {
    const wrong: Record<string, string>[] = [
      {},
      { [SIGNATURE_HEADER]: '0'.repeat(64) },
      standardHeaders('{}', SECRET, 'msg_1'),
    ];
    for (const headers of wrong) {
      const problem = problemOf(BODY, headers, both);
      for (const secret of both) expect(problem).not.toContain(secret);
    }
  });
});

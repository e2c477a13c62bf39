/** The signature of a callback. The vectors were computed with `openssl dgst -sha256 -hmac KEY`. */
import { describe, expect, it } from 'vitest';
import { sign, SIGNATURE_HEADER, verify } from '../src/signature.ts';
import { SECRET } from './support/world.ts';

const BODY = Buffer.from('{"id":"cmpl-1","output":"你好"}');
const SIGNATURE = '9d8d12671170de8c13c93528fc5b332467c20f298cce0f8371ec801660ff49cc';

it.each([
  ['Jefe', 'what do ya want for nothing?', '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'],
  [SECRET, BODY.toString(), SIGNATURE],
])('under %j %s is signed as openssl signs it', (secret, body, signature) => {
  expect(sign(body, secret)).toBe(signature);
  expect(sign(Buffer.from(body), secret)).toBe(signature);
});

it('the header has the name the contract gives it', () => {
  expect(SIGNATURE_HEADER).toBe('x-kimi-signature');
});

describe('a signature', () => {
  it('that is right is accepted', () => {
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
  ])('of JSON that says the same %s is refused: the bytes count', (_how, text) => {
    expect(JSON.parse(text)).toEqual(JSON.parse(BODY.toString()));
    expect(verify(Buffer.from(text), SIGNATURE, SECRET)).toBe(false);
  });

  it('holds for bytes that are no text', () => {
    const bytes = Uint8Array.of(0xff, 0x00, 0xfe);
    const signature = '767ddb4c5fa037ebd9d8e8026bde3f0e6dad09d4ca085e05f0abac57eceb35b1';
    expect(verify(bytes, signature, SECRET)).toBe(true);
    expect(verify(Buffer.from(Buffer.from(bytes).toString()), signature, SECRET)).toBe(false);
  });
});

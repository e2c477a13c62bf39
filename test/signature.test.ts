import { createHmac } from 'node:crypto';
import { expect, it } from 'vitest';
import { sign, verify } from '../src/signature.ts';

// RFC 4231, test case 2.
const VECTOR = {
  secret: 'Jefe',
  body: 'what do ya want for nothing?',
  signature: '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
};

it('is lower-case hex HMAC-SHA256', () => {
  expect(sign(VECTOR.body, VECTOR.secret)).toBe(VECTOR.signature);
  expect(verify(Buffer.from(VECTOR.body), VECTOR.signature, VECTOR.secret)).toBe(true);
});

it.each([
  ['missing', undefined],
  ['empty', ''],
  ['cut short', VECTOR.signature.slice(0, 63)],
  ['upper case', VECTOR.signature.toUpperCase()],
  ['of another secret', sign(VECTOR.body, 'other')],
  ['of another algorithm', createHmac('sha1', VECTOR.secret).update(VECTOR.body).digest('hex')],
])('a signature %s does not verify', (_name, signature) => {
  expect(verify(Buffer.from(VECTOR.body), signature, VECTOR.secret)).toBe(false);
});

it('one other byte does not verify', () => {
  expect(verify(Buffer.from(`${VECTOR.body} `), VECTOR.signature, VECTOR.secret)).toBe(false);
});

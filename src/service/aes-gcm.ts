/** AES-256-GCM of bytes: payloads of the engine and questions in result files are encrypted alike. */
import { createCipheriv, createDecipheriv, randomBytes, type KeyObject } from 'node:crypto';

const CIPHER = 'aes-256-gcm';

/** Lengths of AES-GCM's random initialization vector (96 bits) and of its tag, in bytes (NIST SP 800-38D). */
const IV_BYTES = 12;
const TAG_BYTES = 16;

/** @returns IV, ciphertext and tag, one after the other. */
export function encrypt(plaintext: Uint8Array, key: KeyObject): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(CIPHER, key, iv);
  return Buffer.concat([iv, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
}

/**
 * The inverse of {@link encrypt}.
 *
 * @throws if the key is another one, or the bytes were changed
 */
export function decrypt(sealed: Uint8Array, key: KeyObject): Buffer {
  const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, IV_BYTES), { authTagLength: TAG_BYTES });
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]);
}

/** New task ids, and keys that start one task only. Loaded by every command: it must stay small. */
import { createHash, randomInt } from 'node:crypto';

/** @returns a random task id, `kimi-<unix seconds>-<number>`. The engine rejects one that is taken. */
export function newTaskId(now: Date = new Date()): string {
  return `kimi-${Math.floor(now.getTime() / 1000)}-${randomInt(10_000, 100_000)}`;
}

/** @returns the same task id for the same key and second. Its number has nine digits, so it is never drawn at random. */
export function taskIdOf(key: string, at: Date): string {
  const number = 100_000_000 + (createHash('sha256').update(key).digest().readUIntBE(0, 6) % 900_000_000);
  return `kimi-${Math.floor(at.getTime() / 1000)}-${number}`;
}

/** @returns a key that starts one task only: a UUID of version 7 (RFC 9562), which holds the time. It is no secret, and `node:crypto` would take 4 ms to load. */
export function newKey(now = Date.now()): string {
  return keyOf(now, Buffer.from(Array.from({ length: 10 }, () => Math.floor(Math.random() * 256))));
}

/** @returns the same key for the same word and time. */
export function keyAt(word: string, at: number): string {
  return keyOf(at, createHash('sha256').update(`${at} ${word}`).digest().subarray(0, 10));
}

function keyOf(now: number, random: Buffer): string {
  random[0] = 0x70 | ((random[0] ?? 0) & 0x0f);
  random[2] = 0x80 | ((random[2] ?? 0) & 0x3f);
  const hex = now.toString(16).padStart(12, '0') + random.toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

/** Twelve digits of seconds, which are no time of a task. */
const NO_TIME = { from: 100_000_000_000, count: 900_000_000_000 };

/** @returns when a key was made, in milliseconds since 1970. A key that is no UUID of version 7 always gives the same number. */
export function timeOfKey(key: string): number {
  const [, high, low] = /^([\da-f]{8})-([\da-f]{4})-7[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/i.exec(key) ?? [];
  if (high !== undefined) return Number.parseInt(`${high}${low}`, 16);
  const hash = createHash('sha256').update(`time ${key}`).digest().readUIntBE(0, 6);
  return (NO_TIME.from + (hash % NO_TIME.count)) * 1_000;
}

/** The kinds of values that variables hold. The message of each issue is what `ConfigProblem` says of it. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import { homedir } from 'node:os';
import { resolve } from 'node:path';
import ms, { type StringValue } from 'ms';
import * as z from 'zod';

const wholeNumber = z.coerce.number({ error: 'needs a whole number' }).int('needs a whole number');

export const positiveNumber = wholeNumber.positive('needs a number above 0');

/** Longest duration, in milliseconds: 20 days, which fits the 32 bits of a timer. */
const LONGEST_MS = 1_728_000_000;
export const milliseconds = positiveNumber.max(LONGEST_MS, `needs at most ${LONGEST_MS}`);

/** Longest age, in years: an older date cannot be written in ISO 8601. */
const OLDEST_YEARS = 100;

/** Milliseconds, from a number with a unit. */
export const age = z.string().transform((value, context) => {
  const time = /^\s*\d+(?:\.\d+)?\s*[smhdwy]\s*$/.test(value) ? ms(value.trim() as StringValue) : 0;
  if (time > ms(`${OLDEST_YEARS}y`)) context.addIssue(`needs at most ${OLDEST_YEARS}y`);
  else if (time > 0) return time;
  else context.addIssue('needs a number above 0 and a unit: h, d, w or y');
  return z.NEVER;
});

/** 0 is unlimited. */
export const limit = wholeNumber.min(0, 'needs 0 (no limit) or more').max(100_000, 'needs at most 100000');

/** Sent in a header. A character that does not fit there is a copying mistake. */
export const headerSecret = z
  .string()
  .trim()
  .regex(/^[\x21-\x7E]+$/, 'holds a space, a line end or a character that is not ASCII');

export const longHeaderSecret = headerSecret.min(16, 'needs at least 16 characters');

/** Signs callbacks. Standard Webhooks' `whsec_<base64>` stands for the bytes it encodes. */
export const signingSecret = z
  .string()
  .min(16, 'needs at least 16 characters')
  .refine((value) => !value.startsWith('whsec_') || isBase64(value.slice(6)), 'needs base64 of 16 bytes after whsec_');

/** @returns whether it encodes at least 16 bytes. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]{22,}={0,2}$/.test(text);
}

/** Signing secrets, separated by white space. */
export const signingSecrets = z
  .string()
  .transform((value) => value.split(/\s+/).filter((secret) => secret !== ''))
  .pipe(z.array(signingSecret));

/** Part of a URL's path. */
export const pathToken = z.string().regex(/^[\w.~-]{16,}$/, 'needs at least 16 letters, digits or - . _ ~');

/** 0 is any free port. */
export const port = wholeNumber.min(0, 'needs a port from 0 to 65535').max(65535, 'needs a port from 0 to 65535');

/** Port of the first process; two more processes use the next two. */
export const metricsPort = wholeNumber
  .min(1, 'needs a port from 1 to 65533')
  .max(65533, 'needs a port from 1 to 65533');

export const ipAddress = z.union([z.ipv4(), z.ipv6()], 'needs an IP address');

export const httpUrl = z.url({ protocol: /^https?$/, error: 'needs an http or https URL' });

export const origin = httpUrl.transform((url) => new URL(url).origin);

export const bucketName = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'needs the name of a bucket');

export const oneOf = <Word extends string>(...words: Word[]) => z.enum(words, `needs one of ${words.join(', ')}`);

export const atMost = (length: number) => z.string().max(length, `needs at most ${length} characters`);

/** `~` is the home directory. */
export const folder = z
  .string()
  .transform((path) => resolve(path.replace(/^~(?=\/|$)/, homedir())))
  // Node's recursive mkdir does not return there.
  .refine((path) => !/^\/(?:proc|sys)(?:\/|$)/.test(path), 'needs a folder that can be made, not in /proc or /sys');

/** `id:base64` pairs, separated by spaces or commas. As key objects, printing the configuration does not show them. */
export const payloadKeys = z.string().transform((value, context) => {
  const keys = new Map<string, KeyObject>();
  for (const pair of value.split(/[\s,]+/).filter((part) => part !== '')) {
    const [, id = '', base64 = ''] = /^([\w.-]{1,64}):([\w+/-]{43}=?)$/.exec(pair) ?? [];
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length !== 32) context.addIssue('needs id:base64 pairs, each of 32 bytes');
    else if (keys.has(id)) context.addIssue('names an id twice');
    else keys.set(id, createSecretKey(bytes));
  }
  return keys;
});

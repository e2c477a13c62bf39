/** The kinds of values that variables hold. The message of an issue is the code of its problem. */
import { isIP } from 'node:net';
import { createSecretKey, type KeyObject } from 'node:crypto';
import ms, { type StringValue } from 'ms';
import * as z from 'zod';
import { folderOf, mayHoldFolders } from './early.ts';
import type { Fallback } from '../kimi/fallback.ts';
import { modelOf, thinkingWords } from '../kimi/models.ts';
import { readBudget } from '../shared/budget.ts';
import { MAX_FALLBACKS } from '../shared/relay.ts';
import type { ConfigProblem, ProblemCode } from './problems.ts';

const code = (name: ProblemCode): string => name;

/** @returns the problem that a schema of this file found; the parameters of its sentence are the issue's own. */
export function problemOf(subject: string, issue: z.core.$ZodIssue | undefined, example: string): ConfigProblem {
  const { message, params, ...limits } = { params: {}, message: '', ...issue };
  return { subject, code: message, params: { ...limits, ...(params as object) }, example } as ConfigProblem;
}

const wholeNumber = z.coerce.number({ error: code('whole_number') }).int(code('whole_number'));

export const positiveNumber = wholeNumber.positive(code('above_zero'));

export const relayStreams = positiveNumber.max(10_000, code('at_most'));

/** Longest duration, in milliseconds: 20 days, which fits the 32 bits of a timer. */
const LONGEST_MS = 1_728_000_000;
export const milliseconds = positiveNumber.max(LONGEST_MS, code('at_most'));

/** Longest age, in years: an older date cannot be written in ISO 8601. */
const OLDEST_YEARS = 100;

/** Milliseconds, from a number with a unit. */
export const age = z.string().transform((value, context) => {
  const time = /^\s*\d+(?:\.\d+)?\s*[smhdwy]\s*$/.test(value) ? ms(value.trim() as StringValue) : 0;
  if (time > ms(`${OLDEST_YEARS}y`))
    context.addIssue({ code: 'custom', message: code('at_most'), params: { maximum: `${OLDEST_YEARS}y` } });
  else if (time > 0) return time;
  else context.addIssue(code('age'));
  return z.NEVER;
});

/** Without a time in `KIMI_FALLBACK`. */
const FALL_BACK_AFTER_MS = ms('10m');

/** Longest time of `KIMI_FALLBACK`: the relay tries a request for a day. */
const LATEST_FALLBACK = '12h';

/** `MODEL` or `MODEL:EFFORT`, separated by commas; in front of them a time, if wanted. */
export const fallback = z.string().transform((value, context): Fallback => {
  const parts = value.split(',').map((part) => part.trim());
  const isTimed = /^\d/.test(parts[0] ?? '');
  const after = isTimed ? age.safeParse(parts.shift()) : undefined;
  const after_ms = after ? (after.data ?? 0) : FALL_BACK_AFTER_MS;
  if (after && after_ms === 0) context.addIssue(code('fallback_time'));
  if (after_ms > ms(LATEST_FALLBACK))
    context.addIssue({ code: 'custom', message: code('at_most'), params: { maximum: LATEST_FALLBACK } });
  if (parts.length === 0 || parts.length > MAX_FALLBACKS) context.addIssue(code('fallback'));
  const models = parts.map((part) => {
    const [, id = '', thinking] = /^([^\s:]{1,128})(?::([a-z]+))?$/.exec(part) ?? [];
    if (id === '') context.addIssue(code('fallback'));
    const model = modelOf(id);
    if (model && thinking !== undefined && !thinkingWords(model).includes(thinking)) {
      const params = { model: id, words: thinkingWords(model) };
      context.addIssue({ code: 'custom', message: code('fallback_effort'), params });
    }
    return { model: id, ...(thinking !== undefined && { thinking }) };
  });
  return { after_ms, models };
});

/** An amount, in the currency of the account's host. */
export const amount = z.string().transform((value, context) => {
  const read = readBudget(value);
  if (read === undefined) context.addIssue(code('amount'));
  return read ?? z.NEVER;
});

/** 0 is unlimited. */
export const limit = wholeNumber.min(0, code('limit')).max(100_000, code('at_most'));

/** Sent in a header. A character that does not fit there is a copying mistake. */
export const headerSecret = z
  .string()
  .trim()
  .regex(/^[\x21-\x7E]+$/, code('header_characters'));

export const longHeaderSecret = headerSecret.min(16, code('too_short'));

/** Signs callbacks. Standard Webhooks' `whsec_<base64>` stands for the bytes it encodes. */
export const signingSecret = z
  .string()
  .min(16, code('too_short'))
  .refine((value) => !value.startsWith('whsec_') || isBase64(value.slice(6)), code('signing_base64'));

/** @returns whether it encodes at least 16 bytes. */
function isBase64(text: string): boolean {
  return /^[A-Za-z0-9+/]{22,}={0,2}$/.test(text);
}

/** Signing secrets, separated by white space. */
export const signingSecrets = z
  .string()
  .transform((value) => value.split(/\s+/).filter((secret) => secret !== ''))
  .pipe(z.array(signingSecret));

/** Signs events, for receivers with packages of Standard Webhooks: these take nothing else. At least 24 bytes (its specification). */
export const eventSecrets = z
  .string()
  .transform((value) => value.split(/\s+/).filter((secret) => secret !== ''))
  .pipe(z.array(z.string().refine(isEventSecret, code('event_secret'))));

function isEventSecret(secret: string): boolean {
  const base64 = secret.startsWith('whsec_') ? secret.slice('whsec_'.length) : '';
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length >= 24 && bytes.toString('base64') === base64;
}

/** Names of hosts, addresses, and networks such as `10.0.0.0/8`, separated by commas or white space. */
export const hosts = z
  .string()
  .transform((value) => value.split(/[\s,]+/).filter((entry) => entry !== ''))
  .pipe(z.array(z.string().refine(isHost, code('hosts'))));

function isHost(entry: string): boolean {
  const [address = '', bits, ...more] = entry.split('/');
  if (bits === undefined) return isIP(address) > 0 || /^[a-z\d](?:[a-z\d.-]*[a-z\d])?$/i.test(address);
  return (
    more.length === 0 && isIP(address) > 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (isIP(address) === 4 ? 32 : 128)
  );
}

/** Part of a URL's path. */
export const pathToken = z.string().regex(/^[\w.~-]{16,}$/, code('path_token'));

/** 0 is any free port. */
export const port = wholeNumber.min(0, code('port')).max(65535, code('port'));

/** Port of the webhook's metrics; those of worker and relay use the next one. */
export const metricsPort = wholeNumber.min(1, code('metrics_port')).max(65533, code('metrics_port'));

export const ipAddress = z.union([z.ipv4(), z.ipv6()], code('ip_address'));

export const httpUrl = z.url({ protocol: /^https?$/, error: code('http_url') });

export const origin = httpUrl.transform((url) => new URL(url).origin);

export const bucketName = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, code('bucket'));

export const oneOf = <Word extends string>(...words: Word[]) => z.enum(words, code('one_of'));

export const atMost = (length: number) => z.string().max(length, code('too_long'));

/** `~` is the home directory. */
export const folder = z.string().transform(folderOf).refine(mayHoldFolders, code('folder'));

/** `id:base64` pairs, separated by spaces or commas. As key objects, printing the configuration does not show them. */
export const payloadKeys = z.string().transform((value, context) => {
  const keys = new Map<string, KeyObject>();
  for (const pair of value.split(/[\s,]+/).filter((part) => part !== '')) {
    const [, id = '', base64 = ''] = /^([\w.-]{1,64}):([\w+/-]{43}=?)$/.exec(pair) ?? [];
    const bytes = Buffer.from(base64, 'base64');
    if (bytes.length !== 32) context.addIssue(code('payload_keys'));
    else if (keys.has(id)) context.addIssue(code('duplicate_key'));
    else keys.set(id, createSecretKey(bytes));
  }
  return keys;
});

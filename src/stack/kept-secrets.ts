/** Secrets and key ids that a stack keeps in its home. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import type { Config } from '../config/index.ts';
import { ServiceError } from '../service/exit.ts';

/** The file of the webhook's secret, if `up` made it. */
export function secretFile(home: string): string {
  return join(home, 'webhook-secret');
}

/** The secret that signs callbacks: configured, or made once and readable by this user only. */
export async function webhookSecret(config: Config): Promise<string> {
  return config.WEBHOOK_SECRET ?? (await keptSecret(secretFile(config.KIMI_HOME)));
}

/** The token that authenticates the worker to the relay: configured, or made once and readable by this user only. */
export async function relayToken(config: Config): Promise<string> {
  return config.KIMI_RELAY_TOKEN ?? (await keptSecret(join(config.KIMI_HOME, 'relay-token')));
}

/** The secrets that sign events: configured, or one that was made once and is readable by this user only. */
export async function notifySecrets(config: Config): Promise<string[]> {
  const { KIMI_NOTIFY_SECRET: configured, KIMI_HOME: home } = config;
  return (
    configured ?? [await keptSecret(join(home, 'notify-secret'), () => `whsec_${randomBytes(32).toString('base64')}`)]
  );
}

async function keptSecret(file: string, make = () => randomBytes(32).toString('hex')): Promise<string> {
  try {
    const kept = (await readFile(file, 'utf8')).trim();
    if (/^[\x21-\x7E]{16,}$/.test(kept)) return kept;
    if (kept !== '') {
      throw new ServiceError('secret_damaged', { file });
    }
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const made = make();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFileAtomic(file, `${made}\n`, { mode: 0o600 });
  return made;
}

/**
 * Stores the ids of the payload keys, not the keys.
 *
 * @throws {ServiceError} if a key that was used is missing: open workflows could not continue, and only the worker's log would
 * say why.
 */
export async function rememberPayloadKeys({ KIMI_HOME, KIMI_PAYLOAD_KEYS }: Config): Promise<void> {
  const file = join(KIMI_HOME, 'payload-key-ids');
  const used = existsSync(file) ? (await readFile(file, 'utf8')).split('\n').filter((id) => id !== '') : [];
  const missing = used.find((id) => !KIMI_PAYLOAD_KEYS.has(id));
  if (missing !== undefined) {
    throw new ServiceError('used_key_missing', { key: missing, file });
  }
  const ids = new Set([...used, ...KIMI_PAYLOAD_KEYS.keys()]);
  if (ids.size > used.length) await writeFileAtomic(file, [...ids, ''].join('\n'), { mode: 0o600 });
}

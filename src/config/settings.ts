/** Compares the settings of a caller with those of the running services. Loaded by every command: it must stay small. */
import { createHash } from 'node:crypto';

/** Variables of this product and of its engine's client. The gateway sets others of its own for what it starts. */
const OURS = /^(?:KIMI|WEBHOOK|TEMPORAL)_|^(?:OPENCLAW_WAKE_URL|OTEL_EXPORTER_OTLP_ENDPOINT)$/;

/** A caller's language and home are part of each request; the others are secrets, which no digest may reveal. */
const NOT_COMPARED = /^KIMI_(?:HOME|LANG|NOTIFY_URL)$|KEY|SECRET|TOKEN|AUTH|GRPC_META/;

/**
 * @param env an environment that the `.env` files were added to
 * @returns a digest of its settings without secrets, and of the ids of its payload keys. Services with the same digest do what
 *   this process would do: the same engine, queue, model, limits and folders.
 */
export function settingsDigest(env: NodeJS.ProcessEnv): string {
  const settings = Object.entries(env)
    .filter(([name, value]) => OURS.test(name) && !NOT_COMPARED.test(name) && value?.trim())
    .map(([name, value]) => [name, value?.trim()])
    .toSorted(([one = ''], [other = '']) => (one < other ? -1 : 1));
  const keys = (env['KIMI_PAYLOAD_KEYS'] ?? '').split(/[\s,]+/).map((pair) => pair.split(':', 1)[0]);
  return createHash('sha256')
    .update(JSON.stringify([settings, keys, env['KIMI_PAYLOAD_KEYS_FILE']]))
    .digest('hex');
}

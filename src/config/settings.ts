/** Compares the settings of a caller with those of the running services. Loaded by every command: it must stay small. */

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
  return checksum(JSON.stringify([settings, keys, env['KIMI_PAYLOAD_KEYS_FILE']]));
}

/**
 * @returns two checksums of 32 bits, made as FNV-1a with two start values and factors. They tell the settings of one user apart, and keep a
 *   password in an address out of `stack.json`. A digest of `node:crypto` would take each command 4 ms to load.
 */
function checksum(text: string): string {
  let [one, other] = [0x811c9dc5, 0x01000193];
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    one = Math.imul(one ^ unit, 0x01000193);
    other = Math.imul(other ^ unit, 0x85ebca6b);
  }
  return [one, other].map((half) => (half >>> 0).toString(16).padStart(8, '0')).join('');
}

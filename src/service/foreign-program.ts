import { withoutSecrets } from '../config/secrets.ts';

/** Secrets that Temporal's tools read. */
const ENGINE_SECRETS = ['TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA', 'TEMPORAL_CODEC_AUTH'];

/** @returns the environment for a program that is not ours, without secrets. */
export function foreignEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(withoutSecrets(env)).filter(([name]) => !ENGINE_SECRETS.includes(name)));
}

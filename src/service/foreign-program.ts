import { withoutSecrets } from '../config/secrets.ts';

/** The engine's own names of what is secret. */
const ENGINE_SECRETS = ['TEMPORAL_API_KEY', 'TEMPORAL_TLS_CLIENT_KEY_DATA', 'TEMPORAL_CODEC_AUTH'];

/** @returns the environment for a program that is not ours: nothing secret is in it. */
export function foreignEnvironment(env: NodeJS.ProcessEnv = process.env): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(withoutSecrets(env)).filter(([name]) => !ENGINE_SECRETS.includes(name)));
}

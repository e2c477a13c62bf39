import { createSecretKey } from 'node:crypto';
import { expect, it } from 'vitest';
import { readConfig, type Config } from '../../src/config/index.ts';
import { forgetSecrets } from '../../src/config/secrets.ts';
import { SECRETS, type SecretName } from '../../src/config/variables.ts';
import { configOf } from '../../src/stack/services.ts';

const VALUES: Record<SecretName, string> = {
  KIMI_API_KEY: 'sk-for-whom-it-is-sent',
  KIMI_RELAY_TOKEN: 'token-for-relay-and-worker',
  WEBHOOK_SECRET: 'secret-for-webhook-and-relay',
  WEBHOOK_ADDITIONAL_SECRETS: 'next-secret-for-the-webhook',
  OPENCLAW_WAKE_TOKEN: 'hook-for-the-worker',
  KIMI_PAYLOAD_KEYS: `k:${Buffer.alloc(32, 7).toString('base64')}`,
  KIMI_CODEC_TOKEN: 'codec-for-the-worker',
  KIMI_DASHBOARD_TOKEN: 'dashboard-for-the-webhook',
  KIMI_NOTIFY_SECRET: `whsec_${Buffer.alloc(32, 7).toString('base64')}`,
  KIMI_NOTIFY_URL: 'https://hooks.example.com/for-the-worker',
};

function isSet(value: Config[SecretName]): boolean {
  return value instanceof Map ? value.size > 0 : value !== undefined && value.length > 0;
}

/** @returns the secrets in a configuration */
function secretsIn(config: Config): string[] {
  return SECRETS.filter((name) => isSet(config[name])).toSorted();
}

it.each([
  ['webhook', ['KIMI_DASHBOARD_TOKEN', 'KIMI_PAYLOAD_KEYS', 'WEBHOOK_ADDITIONAL_SECRETS', 'WEBHOOK_SECRET']],
  ['relay', ['KIMI_API_KEY', 'KIMI_PAYLOAD_KEYS', 'KIMI_RELAY_TOKEN', 'WEBHOOK_SECRET']],
  [
    'relayedWorker',
    [
      'KIMI_CODEC_TOKEN',
      'KIMI_NOTIFY_SECRET',
      'KIMI_NOTIFY_URL',
      'KIMI_PAYLOAD_KEYS',
      'KIMI_RELAY_TOKEN',
      'OPENCLAW_WAKE_TOKEN',
      'WEBHOOK_ADDITIONAL_SECRETS',
      'WEBHOOK_SECRET',
    ],
  ],
  [
    'worker',
    [
      'KIMI_API_KEY',
      'KIMI_CODEC_TOKEN',
      'KIMI_NOTIFY_SECRET',
      'KIMI_NOTIFY_URL',
      'KIMI_PAYLOAD_KEYS',
      'OPENCLAW_WAKE_TOKEN',
      'WEBHOOK_ADDITIONAL_SECRETS',
      'WEBHOOK_SECRET',
    ],
  ],
] as const)('the %s gets only its own secrets', (service, names) => {
  const config = readConfig(VALUES);
  expect(secretsIn(config)).toEqual(SECRETS.toSorted());
  expect(secretsIn(configOf(service, config))).toEqual(names);
  expect(configOf(service, config).KIMI_PAYLOAD_KEYS).toEqual(new Map([['k', createSecretKey(Buffer.alloc(32, 7))]]));
});

it('no secret stays in the environment once it has been read', () => {
  const env: NodeJS.ProcessEnv = { ...VALUES, MOONSHOT_API_KEY: 'sk-2', KIMI_API_KEY_FILE: '/key', KIMI_LANG: 'en' };
  forgetSecrets(env);
  expect(env).toEqual({ KIMI_LANG: 'en' });
});

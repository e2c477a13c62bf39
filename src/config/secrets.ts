/**
 * Takes secrets from an environment. Which process is given which is decided in stack/make-plan.ts, and which part of the services in
 * stack/services.ts.
 */
import { statSync } from 'node:fs';
import { envFiles } from './env-file.ts';
import type { Config } from './index.ts';
import { SECRETS, VARIABLES, type SecretName } from './variables.ts';

/** Secrets that other software reads: the AWS SDK, OpenTelemetry's exporters, Moonshot's tools. */
const FOREIGN_SECRETS = [
  'MOONSHOT_API_KEY',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'OTEL_EXPORTER_OTLP_HEADERS',
] as const;

export const ALL_SECRETS: readonly string[] = [...SECRETS, ...FOREIGN_SECRETS];

/** Each variable that names a file with a secret: `WEBHOOK_SECRET_FILE` for `WEBHOOK_SECRET`. */
export const SECRET_FILES: readonly string[] = SECRETS.map((name) => `${name}_FILE`);

/** @returns an environment without secrets. {@link secretsIn} returns those that a process needs. */
export function withoutSecrets(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const secrets = new Set([...ALL_SECRETS, ...SECRET_FILES]);
  return Object.fromEntries(Object.entries(env).filter(([name]) => !secrets.has(name)));
}

/** @returns some secrets of an environment, or the variables that name their files. */
export function secretsIn(
  env: NodeJS.ProcessEnv,
  ...names: (SecretName | (typeof FOREIGN_SECRETS)[number])[]
): NodeJS.ProcessEnv {
  return Object.fromEntries(names.flatMap((name) => [name, `${name}_FILE`]).map((name) => [name, env[name]]));
}

/** @returns a configuration whose other secrets are not set. */
export function withSecrets(config: Config, names: readonly SecretName[]): Config {
  const others = SECRETS.filter((name) => !names.includes(name));
  return { ...config, ...Object.fromEntries(others.map((name) => [name, VARIABLES[name].schema.parse(undefined)])) };
}

/** Removes our secrets from an environment, once they have been read from it. Other software reads its own later. */
export function forgetSecrets(env: NodeJS.ProcessEnv = process.env): void {
  for (const name of [...SECRETS, ...SECRET_FILES, 'MOONSHOT_API_KEY']) delete env[name];
}

/** @returns the `.env` files that hold a secret and that other users can read. */
export function openEnvFiles(env: NodeJS.ProcessEnv = process.env): string[] {
  return envFiles(env)
    .filter(({ file }) => (statSync(file).mode & 0o077) !== 0)
    .filter(({ variables }) => ALL_SECRETS.some((name) => variables[name]?.trim()))
    .map(({ file }) => file);
}

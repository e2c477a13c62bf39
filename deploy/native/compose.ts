/** Reads docker-compose.yml. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { PACKAGE_ROOT } from '../../src/service/files.ts';

/** The fields of a service that apply without containers. */
export interface ComposeService {
  image: string;
  /** Present for our own services. */
  build?: string;
  entrypoint?: string[];
  command?: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  /** `source:target`, or `source:target:ro`. */
  volumes?: string[];
  depends_on?: Record<string, { condition: 'service_healthy' | 'service_completed_successfully' }>;
  profiles?: string[];
  restart: string;
  healthcheck?: { test: string[] };
  stop_signal?: NodeJS.Signals;
  deploy?: { replicas?: string };
}

export interface Compose {
  services: Record<string, ComposeService>;
}

export const COMPOSE_FILE = join(PACKAGE_ROOT, 'docker-compose.yml');

/** @param env values of `${NAME:-default}` in the file */
export function readCompose(env: NodeJS.ProcessEnv): Compose {
  const raw = parse(readFileSync(COMPOSE_FILE, 'utf8'), { merge: true }) as unknown;
  return interpolated(raw, env) as Compose;
}

function interpolated(value: unknown, env: NodeJS.ProcessEnv): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(/\$\$|\$\{(?<name>\w+):-(?<otherwise>[^}]*)\}/g, (...match) => {
      const { name, otherwise } = match.at(-1) as { name?: string; otherwise?: string };
      return name === undefined ? '$' : env[name] || (otherwise ?? '');
    });
  }
  if (Array.isArray(value)) return value.map((one) => interpolated(one, env));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, interpolated(one, env)]));
}

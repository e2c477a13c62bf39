/** docker-compose.yml, the Dockerfile and the mounted files: valid, hardened, and with secrets only where they are needed. */
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DCLinter } from 'dclint';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { COMPOSE_FILE, readCompose } from '../../deploy/native/compose.ts';
import { readConfig } from '../../src/config/index.ts';
import { SECRETS } from '../../src/config/variables.ts';
import { SEARCH_ATTRIBUTES } from '../../src/shared/names.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { temporaryFolder } from '../support/resources.ts';

interface Service {
  image: string;
  build?: string;
  user?: string;
  restart: string;
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  environment?: Record<string, string>;
  secrets?: string[];
  volumes?: string[];
  ports?: string[];
  healthcheck?: object;
  deploy: { resources: { limits: { cpus: string; memory: string } } };
}

interface File {
  services: Record<string, Service>;
  volumes: object;
  secrets: Record<string, { file: string }>;
}

const compose = readCompose({}) as unknown as File;
const services = Object.entries(compose.services);

/** @returns the names of the services that meet a condition */
function those(has: (service: Service) => boolean): string[] {
  return services.filter(([, service]) => has(service)).map(([name]) => name);
}

it('is valid according to the Compose Specification', async () => {
  const linter = new DCLinter({ rules: {}, quiet: true, debug: false, exclude: [] });
  const errorsOf = (file: string): string[] => {
    const results = linter.lintFiles([file], false) as { messages: { type: string; message: string }[] }[];
    return results
      .flatMap(({ messages }) => messages)
      .flatMap(({ type, message }) => (type === 'error' ? [message] : []));
  };
  expect(errorsOf(COMPOSE_FILE)).toEqual([]);
  const broken = join(await temporaryFolder(), 'docker-compose.yml');
  await writeFile(
    broken,
    readFileSync(COMPOSE_FILE, 'utf8').replace('    stop_signal: SIGINT', '    stop_signals: SIGINT'),
  );
  expect(errorsOf(broken)).toEqual([expect.stringContaining('must NOT have additional properties')]);
});

it('has two webhooks and two Temporal servers behind a load balancer, the HTTP API, a relay, workers, and their dependencies', () => {
  expect(Object.keys(compose.services)).toEqual([
    'postgres',
    'temporal-schema',
    'temporal-1',
    'temporal-2',
    'temporal-namespace',
    'temporal-ui',
    'load-balancer',
    'webhook-1',
    'webhook-2',
    'api',
    'relay',
    'worker',
    'prometheus',
    'grafana',
    's3',
  ]);
  expect(those(({ image }) => image.includes('auto-setup'))).toEqual([]);
});

describe('each service', () => {
  it.each(services)('%s has a pinned image, limits, no capabilities, and a restart policy', (name, service) => {
    expect(service.image).toMatch(/:v?\d+\.\d+(?:\.\d+)?(?:-bookworm)?$/);
    expect(service.deploy.resources.limits).toEqual({ cpus: expect.any(String), memory: expect.any(String) });
    expect(service.cap_drop).toEqual(['ALL']);
    expect(service.security_opt).toEqual(['no-new-privileges:true']);
    const isJob = name === 'temporal-schema' || name === 'temporal-namespace';
    expect(service.restart).toBe(isJob ? 'on-failure:6' : 'unless-stopped');
    expect(service.healthcheck !== undefined).toBe(!isJob);
    // The Web UI writes its configuration when it starts.
    expect(service.read_only).toBe(name !== 'temporal-ui');
  });

  it('publishes ports on the loopback address only', () => {
    const ports = services.flatMap(([, service]) => service.ports ?? []);
    expect(ports.length).toBeGreaterThan(0);
    for (const port of ports) expect(port).toMatch(/^127\.0\.0\.1:/);
  });

  it('mounts existing files, and every volume is used', () => {
    const sources = services.flatMap(([, { volumes = [] }]) => volumes).map((volume) => volume.split(':')[0] ?? '');
    for (const source of sources.filter((one) => one.startsWith('./'))) {
      expect(existsSync(join(PACKAGE_ROOT, source)), source).toBe(true);
    }
    expect(new Set(sources.filter((one) => !one.startsWith('./')))).toEqual(new Set(Object.keys(compose.volumes)));
  });
});

describe('a secret', () => {
  it.each([
    ['kimi_api_key', ['relay']],
    ['webhook_secret', ['webhook-1', 'webhook-2', 'api', 'relay', 'worker']],
    ['notify_secret', ['worker']],
    ['notify_url', ['worker']],
    ['relay_token', ['relay', 'worker']],
    ['wake_token', ['worker']],
    ['payload_keys', ['webhook-1', 'webhook-2', 'api', 'relay', 'worker']],
    ['aws_credentials', ['webhook-1', 'webhook-2', 'api', 'relay', 'worker', 's3']],
    ['postgres_password', ['postgres', 'temporal-schema', 'temporal-1', 'temporal-2']],
    ['grafana_password', ['grafana']],
  ])('%s is given only to %j', (secret, names) => {
    expect(those(({ secrets = [] }) => secrets.includes(secret))).toEqual(names);
  });

  it('is configured by its file only', () => {
    for (const [name, { environment = {}, secrets = [] }] of services) {
      const named = Object.entries(environment).filter(([, value]) => value.startsWith('/run/secrets/'));
      expect(named.map(([, file]) => file.replace('/run/secrets/', '')).toSorted(), name).toEqual(secrets.toSorted());
      const others = Object.keys(environment).filter((variable) => !named.some(([one]) => one === variable));
      for (const variable of others) expect(variable).not.toMatch(/PASSWORD|PWD|SECRET|TOKEN|_KEYS?$/);
    }
  });

  it('is generated if possible, once', async () => {
    const folder = join(await temporaryFolder(), 'secrets');
    const make = (): unknown => execFileSync('sh', [join(PACKAGE_ROOT, 'deploy/make-secrets.sh'), folder]);
    const read = (): Record<string, string> =>
      Object.fromEntries(readdirSync(folder).map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
    make();
    const made = read();
    expect(Object.keys(made).toSorted()).toEqual(Object.keys(compose.secrets).toSorted());
    for (const [name, { file }] of Object.entries(compose.secrets)) expect(file).toBe(`./secrets/${name}`);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    expect(made['webhook_secret']).toMatch(/^[0-9a-f]{64}$/);
    expect(made['kimi_api_key']).toBe('');
    make();
    expect(read()).toEqual(made);
  });
});

describe('our processes', () => {
  const ours = services.filter(([, { build }]) => build !== undefined);

  it.each(ours)('%s has only known variables', (_name, { environment = {} }) => {
    const known = [...Object.keys(readConfig({})), ...SECRETS.map((secret) => `${secret}_FILE`)];
    const named = Object.keys(environment).filter((name) => !/^(?:AWS|TEMPORAL)_/.test(name));
    expect(known).toEqual(expect.arrayContaining(named));
  });

  it('share the engine’s namespace, and the job creates their search attributes', () => {
    const { TEMPORAL_NAMESPACE, SEARCH_ATTRIBUTES: made = '' } =
      compose.services['temporal-namespace']?.environment ?? {};
    for (const [, { environment }] of ours) expect(environment).toMatchObject({ TEMPORAL_NAMESPACE });
    const types = { KEYWORD: 'Keyword', INT: 'Int' };
    const needed = Object.values(SEARCH_ATTRIBUTES).map(({ name, type }) => `${name}=${types[type]}`);
    expect(made.split(' ').toSorted()).toEqual(needed.toSorted());
  });

  it('have an image based on Debian slim, run as a user other than root, and are built from existing files', () => {
    const dockerfile = readFileSync(join(PACKAGE_ROOT, 'Dockerfile'), 'utf8');
    expect(dockerfile).toMatch(/^ARG NODE=\d+\.\d+\.\d+-bookworm-slim$/m);
    expect(dockerfile.match(/^FROM /gm)).toHaveLength(2);
    expect(dockerfile).toMatch(/^USER node$/m);
    expect(dockerfile).toMatch(/ca-certificates/);
    const allowed = readFileSync(join(PACKAGE_ROOT, '.dockerignore'), 'utf8');
    for (const [, paths = ''] of dockerfile.matchAll(/^COPY (?!--)(.+) \S+$/gm)) {
      for (const path of paths.split(' ')) {
        expect(existsSync(join(PACKAGE_ROOT, path)), path).toBe(true);
        expect(allowed).toMatch(new RegExp(`^!${path.replaceAll('.', '\\.')}$`, 'm'));
      }
    }
  });
});

it('Prometheus scrapes every process that has metrics', () => {
  const { scrape_configs } = parse(readFileSync(join(PACKAGE_ROOT, 'deploy/prometheus/prometheus.yaml'), 'utf8')) as {
    scrape_configs: { job_name: string; dns_sd_configs?: { names: string[]; port: number }[] }[];
  };
  const ours = those(({ environment }) => environment?.['KIMI_METRICS_PORT'] === '9464');
  expect(scrape_configs[0]).toMatchObject({ job_name: 'kimi-dispatch', dns_sd_configs: [{ names: ours, port: 9464 }] });
});

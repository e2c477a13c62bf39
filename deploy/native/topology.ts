/**
 * Maps docker-compose.yml to processes. Each container becomes a process with its own loopback address, so that ports stay the
 * same; volumes and secrets become folders. Pure.
 */
import { join } from 'node:path';
import { withoutSecrets } from '../../src/config/secrets.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import type { Compose, ComposeService } from './compose.ts';

/** Services that are left out: no other service depends on them, and they contain no code of ours. */
const CONTAINERS_ONLY = ['temporal-ui'];

/** Variables whose whole value is a service name. In other values a port follows the name. */
const NAMES_A_HOST = /_(?:HOST|SEEDS)$/;

/** A container as a process. */
export interface NativeService {
  /** e.g. `worker-2` if there are replicas */
  name: string;
  /** Name of the service in docker-compose.yml. */
  service: string;
  image: string;
  /** e.g. `127.77.5.10` */
  address: string;
  /** Program, searched on `PATH`, and arguments. */
  command: string[];
  env: Record<string, string>;
  /** Health check: exits with 0 once the service is healthy. */
  healthcheck?: string[];
  /** A job: ends by itself, and is restarted if it failed. */
  isJob: boolean;
  /** Services that must be healthy, or have completed, before. */
  after: string[];
  stopSignal: NodeJS.Signals;
  /** Folders of its volumes. */
  folders: string[];
}

export interface Place {
  /** Holds `volumes` and `secrets`. */
  folder: string;
  /** The first three numbers of the addresses, e.g. `127.77.5`. */
  network: string;
  /** `PATH` of the programs. */
  path: string;
}

/** Another agent on the same cluster: what it does not share. */
export interface OtherAgent {
  name: string;
  /** Its own services; the others are shared. */
  services: string[];
  /** docker-compose.yml read with its variables. */
  compose: Compose;
}

/** @returns the processes, in the order of the file. */
export function nativeServices(compose: Compose, place: Place, others: OtherAgent[] = []): NativeService[] {
  const containers = [
    ...containersOf(compose, ''),
    ...others.flatMap((other) =>
      containersOf(other.compose, `${other.name}-`).filter(({ service }) => other.services.includes(service)),
    ),
  ].map((container, index) => ({ ...container, address: `${place.network}.${10 + index}` }));
  return containers.map((container) => {
    // Own services first: a worker of another agent uses that agent's relay.
    const reachable = [...containers.filter(({ owner }) => owner === container.owner), ...containers];
    return asProcess(container, place, (service) => reachable.find((one) => one.service === service)?.address);
  });
}

interface Container {
  owner: string;
  name: string;
  service: string;
  address: string;
  definition: ComposeService;
}

function containersOf({ services }: Compose, owner: string): Omit<Container, 'address'>[] {
  return Object.entries(services).flatMap(([service, definition]) => {
    if (definition.profiles || CONTAINERS_ONLY.includes(service)) return [];
    const replicas = definition.deploy?.replicas;
    const names =
      replicas === undefined
        ? [`${owner}${service}`]
        : Array.from({ length: Number(replicas) }, (_, index) => `${owner}${service}-${index + 1}`);
    return names.map((name) => ({ owner, name, service, definition }));
  });
}

function asProcess(
  { owner, name, service, address, definition }: Container,
  place: Place,
  addressOf: (service: string) => string | undefined,
): NativeService {
  const { image, build, entrypoint = [], command = [], environment = {}, volumes = [], depends_on = {} } = definition;
  const mounts = volumes.map((volume): [string, string] => {
    const [source = '', target = ''] = volume.split(':');
    if (source.startsWith('./')) return [target, join(PACKAGE_ROOT, source)];
    return [target, source.startsWith('/') ? source : join(place.folder, 'volumes', `${owner}${source}`)];
  });
  const paths = [...mounts, ['/run/secrets', join(place.folder, 'secrets')] as const];
  const translate = (text: string): string => {
    const here = paths.reduce((path, [target, source]) => path.replaceAll(target, source), text);
    return (
      here
        .replaceAll(/\b(?:0\.0\.0\.0|127\.0\.0\.1)\b/g, address)
        .replaceAll('host.docker.internal', '127.0.0.1')
        // A name is an address if a port follows.
        .replaceAll(/(?<=^|\/\/|\s)[a-z][a-z0-9-]*(?=:\d)/g, (host) => addressOf(host) ?? host)
    );
  };
  const env = Object.entries(environment).map(([variable, value]): [string, string] => [
    variable,
    (NAMES_A_HOST.test(variable) && addressOf(value)) || translate(value),
  ]);
  // As in the Dockerfile.
  const program = build
    ? ['node', '--enable-source-maps', ...command.map((word) => join(PACKAGE_ROOT, word))]
    : command;
  return {
    name,
    service,
    image,
    address,
    command: [...entrypoint, ...program].map(translate),
    env: { PATH: place.path, HOME: place.folder, ...Object.fromEntries(env) },
    ...(definition.healthcheck && { healthcheck: definition.healthcheck.test.slice(1).map(translate) }),
    isJob: definition.restart.startsWith('on-failure'),
    after: Object.keys(depends_on),
    stopSignal: definition.stop_signal ?? 'SIGTERM',
    folders: mounts.map(([, source]) => source).filter((source) => source.startsWith(join(place.folder, 'volumes'))),
  };
}

/** Environment of a command line that starts tasks on this worker's queue. Contains no secrets. */
export function cliEnvironment({ env }: NativeService): Record<string, string> {
  const ours = Object.entries(withoutSecrets(env)).filter(([name]) => /^(?:KIMI|TEMPORAL|OPENCLAW)_/.test(name));
  const needed = ours.filter(([name, value]) => value !== '' && !/^KIMI_(?:METRICS|WORKER)_/.test(name));
  return Object.fromEntries(needed) as Record<string, string>;
}

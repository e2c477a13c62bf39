/**
 * What docker-compose.yml says, without containers. Each container becomes a process with an address of its own on this
 * machine's loopback network, so that every port stays what it is; volumes and secrets become folders. Pure.
 */
import { join } from 'node:path';
import { withoutSecrets } from '../../src/config/secrets.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import type { Compose, ComposeService } from './compose.ts';

/** Nothing else depends on them, and there is nothing of ours in them. */
const CONTAINERS_ONLY = ['temporal-ui'];

/** Variables whose whole value is the name of a service. Elsewhere a port follows. */
const NAMES_A_HOST = /_(?:HOST|SEEDS)$/;

/** One container, as a process. */
export interface NativeService {
  /** e.g. `worker-2`, where there are several. */
  name: string;
  /** The service that docker-compose.yml has. */
  service: string;
  image: string;
  /** e.g. `127.77.5.10` */
  address: string;
  /** With the program first; looked for on `PATH`. */
  command: string[];
  env: Record<string, string>;
  /** Ends with 0 once it does its work. */
  healthcheck?: string[];
  /** It ends by itself, and is started again where it failed. */
  isJob: boolean;
  /** Names of services that must be well, or have ended well, before. */
  after: string[];
  stopSignal: NodeJS.Signals;
  /** Folders that its volumes are. */
  folders: string[];
}

export interface Place {
  /** Holds `volumes` and `secrets`. */
  folder: string;
  /** The first three numbers of the addresses, e.g. `127.77.5`. */
  network: string;
  /** Where programs are looked for. */
  path: string;
}

/** Another agent on the same cluster: what it has for itself. */
export interface OtherAgent {
  name: string;
  /** Services of its own; the rest it shares. */
  services: string[];
  /** What docker-compose.yml says with its variables. */
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
    // Its own first: another agent's worker has that agent's relay.
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
        // A name is an address where a port follows.
        .replaceAll(/(?<=^|\/\/|\s)[a-z][a-z0-9-]*(?=:\d)/g, (host) => addressOf(host) ?? host)
    );
  };
  const env = Object.entries(environment).map(([variable, value]): [string, string] => [
    variable,
    (NAMES_A_HOST.test(variable) && addressOf(value)) || translate(value),
  ]);
  // What the Dockerfile says.
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

/** What a command line needs to start tasks where this worker takes them. None of it is secret. */
export function cliEnvironment({ env }: NativeService): Record<string, string> {
  const ours = Object.entries(withoutSecrets(env)).filter(([name]) => /^(?:KIMI|TEMPORAL|OPENCLAW)_/.test(name));
  const needed = ours.filter(([name, value]) => value !== '' && !/^KIMI_(?:METRICS|WORKER)_/.test(name));
  return Object.fromEntries(needed) as Record<string, string>;
}

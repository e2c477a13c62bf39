/** The ports of a stack. */
import { usesRelay, type Config } from '../config/index.ts';
import { httpAddress } from '../service/http.ts';
import { LOOPBACK, type ListenAddress } from '../service/ports.ts';
import type { StackOptions } from './stack.ts';

export type PortVariable =
  | 'WEBHOOK_PORT'
  | 'KIMI_WORKER_PORT'
  | 'KIMI_RELAY_PORT'
  | 'KIMI_SIMULATOR_PORT'
  | 'KIMI_TEMPORAL_PORT'
  | 'KIMI_UI_PORT';

export function portOf(variable: PortVariable, { config, anyPort }: StackOptions): number {
  // No client looks for the simulated Kimi at a fixed port.
  return (anyPort || variable === 'KIMI_SIMULATOR_PORT') && !config.isSet(variable) ? 0 : config[variable];
}

/** @returns every address that the stack will listen on and that can be configured. */
export function portsOf(options: StackOptions, hasEngine: boolean): ListenAddress[] {
  const { config, simulate } = options;
  const isRelayed = usesRelay(config, simulate);
  const of = (variable: PortVariable, host = LOOPBACK): ListenAddress => ({
    host,
    port: portOf(variable, options),
    variable,
  });
  const measured: MeasuredService[] = ['webhook', 'worker'];
  return [
    ...(hasEngine ? [of('KIMI_TEMPORAL_PORT'), of('KIMI_UI_PORT')] : []),
    of('WEBHOOK_PORT', config.WEBHOOK_HOST),
    of('KIMI_WORKER_PORT', config.KIMI_WORKER_HOST),
    ...(config.KIMI_API_PORT === undefined
      ? []
      : [{ host: config.KIMI_API_HOST, port: config.KIMI_API_PORT, variable: 'KIMI_API_PORT' }]),
    ...(isRelayed ? [of('KIMI_RELAY_PORT', config.KIMI_RELAY_HOST)] : []),
    ...(simulate ? [of('KIMI_SIMULATOR_PORT')] : []),
    ...measured.flatMap((name) => {
      const port = metricsPort(name, config);
      return port === undefined ? [] : [{ host: config.KIMI_METRICS_HOST, port, variable: 'KIMI_METRICS_PORT' }];
    }),
  ];
}

/** Distance of metrics from `KIMI_METRICS_PORT`. Worker and relay share the runtime of Temporal's SDK, which serves theirs. */
const METRICS_OFFSET = { webhook: 0, worker: 1 };

export type MeasuredService = keyof typeof METRICS_OFFSET;

/** @returns the port of a service's metrics, or `undefined` if they are off. */
export function metricsPort(name: MeasuredService, { KIMI_METRICS_PORT: first }: Config): number | undefined {
  return first === undefined ? undefined : first + METRICS_OFFSET[name];
}

export function metricsUrls(names: MeasuredService[], config: Config): Record<string, string> {
  const { KIMI_METRICS_HOST: host } = config;
  const ports = names.map((name) => [name, metricsPort(name, config)] as const);
  return Object.fromEntries(
    ports.flatMap(([name, port]) => (port === undefined ? [] : [[name, `${httpAddress(host, port)}/metrics`]])),
  );
}

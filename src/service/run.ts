import { createServer, type RequestListener, type Server } from 'node:http';
import type { Logger } from 'pino';
import { loadEnvFiles } from '../config/env-file.ts';
import { langOf } from '../config/early.ts';
import { readConfig, type Config } from '../config/index.ts';
import { ConfigError, describeProblem } from '../config/problems.ts';
import { forgetSecrets } from '../config/secrets.ts';
import type { ServicesReport } from '../stack/services.ts';
import { EXIT, ServiceError } from './exit.ts';
import { hostCheck } from './http.ts';
import { createLog } from './log.ts';
import { PortsUnusable, type UnusablePort } from './ports.ts';
import { EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { startTracing, stopTracing } from './tracing.ts';

/** Message to the parent process once the service is ready. */
export interface Ready {
  ready: true;
  /** Port it listens on. */
  port: number;
  /** Of the services of a stack. */
  services?: ServicesReport | undefined;
}

/** Message to the parent process, once a second: the event loop turns. */
export interface Alive {
  alive: true;
}

/** Message to the parent process if the service cannot start. */
export interface FailedToStart {
  failed: string;
  /** The ports it could not listen on, if that is the reason. */
  ports?: UnusablePort[];
}

/** Sends a message to the parent process. It may have ended: without the callback that would be an error event, which ends this one. */
export function report(message: Ready | Alive | FailedToStart): void {
  process.send?.(message, undefined, undefined, () => {});
}

/** A running service. */
export interface Service {
  port: number;
  /** The TCP port of the API, if it serves one. */
  apiPort?: number;
  /** Reported to the supervisor of a stack. */
  services?: ServicesReport;
  /** Resolves when the service has stopped, rejects when it failed. */
  stopped: Promise<void>;
  /** Drains and stops. */
  stop(): void;
}

function abandon(): never {
  process.exit(EXIT.unexpected);
}

/**
 * Runs one service as a process: reads the configuration, reports errors in one sentence, drains on SIGTERM and SIGINT. A service
 * that `up` started stops with it: the IPC channel closes however `up` ends, kill -9 included.
 */
export async function runService(
  name: string,
  start: (config: Config, log: Logger) => Promise<Service>,
): Promise<void> {
  let log = createLog(name);
  // A service that is still starting ends with its parent.
  process.once('disconnect', abandon);
  // Its files hold prompts and answers: only this user may read them.
  process.umask(0o077);
  try {
    // `up` has read them, and passes each process only the secrets it needs.
    if (!process.send) loadEnvFiles();
    const config = readConfig();
    forgetSecrets();
    log = createLog(name, config.KIMI_LOG_LEVEL);
    await startTracing(name, config.OTEL_EXPORTER_OTLP_ENDPOINT);
    const service = await start(config, log);
    process.removeListener('disconnect', abandon);
    let stopping = false;
    const stop = (): void => {
      if (!stopping) service.stop();
      stopping = true;
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(signal, stop);
    log.info({ port: service.port }, 'ready');
    report({ ready: true, port: service.port, services: service.services });
    await service.stopped.finally(() => (stopping = true));
    log.info('stopped');
    process.exitCode = EXIT.ok;
  } catch (error) {
    const expected =
      error instanceof ServiceError || error instanceof ConfigError || error instanceof EngineUnreachable;
    const ports = error instanceof PortsUnusable ? error.ports : undefined;
    report({ failed: sentenceOf(error), ports });
    log.fatal(expected ? error.message : { err: error }, expected ? undefined : 'stopped by an unexpected error');
    process.exitCode = error instanceof EngineUnreachable ? EXIT.engine : expected ? EXIT.config : EXIT.unexpected;
  }
  await stopTracing();
  // Everything is drained: a native handle or the IPC channel must not keep the process alive.
  process.exit();
}

/** What `up` shows. Logs are in English. */
function sentenceOf(error: unknown): string {
  const lang = langOf();
  if (error instanceof ServiceError) return error.sentence(lang);
  if (error instanceof ConfigError) return error.problems.map((problem) => describeProblem(problem, lang)).join('\n');
  return error instanceof EngineUnreachable ? error.sentence(lang) : (error as Error).message;
}

/**
 * Serves `/healthz` (the process is alive) and `/readyz` (it can do its work).
 *
 * @param listensOn the address that the server will listen on
 * @param others serves all other paths, to clients with a token
 */
export function healthServer(isReady: () => boolean, listensOn: string, others?: RequestListener): Server {
  const health = hostCheck(listensOn, (request, response) => {
    const status = request.url === '/healthz' ? 200 : request.url === '/readyz' ? (isReady() ? 200 : 503) : 404;
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ status: status === 200 ? 'ok' : status === 503 ? 'not ready' : 'not found' }));
  });
  return createServer((request, response) => {
    const isHealth = request.url === '/healthz' || request.url === '/readyz';
    (others && !isHealth ? others : health)(request, response);
  });
}

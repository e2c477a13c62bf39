import { setMaxListeners } from 'node:events';
import express, { type Express } from 'express';
import type { Logger } from 'pino';
import { createApp, errorHandler, isBodyError, sendError } from '../service/express.ts';
import { PLUGIN_WAKE_PATH } from '../notify/protocol.ts';
import { CallbackApi } from './callback-api.ts';
import { noCounts, type Counts, type SimulatorEvent } from './events.ts';
import { createMoonshotApi } from './moonshot-api.ts';
import { invalid, Refusal } from './errors.ts';

export interface SimulatorOptions {
  /** What callbacks are signed with. */
  secret: string;
  /** How long an answer takes by default, in milliseconds. */
  delayMs: number;
  /** Keys that Moonshot's API accepts; any key by default. */
  keys?: string[];
  log: Logger;
  /** Where requests are kept that will be called back; see {@link CallbackApi}. */
  keepIn?: string;
  /** Called with each event as it happens. */
  onEvent?: (event: SimulatorEvent) => void;
}

/**
 * The simulated Kimi. A request with a `callback_url` uses the API that calls back (docs/http-api.md, callback-api.ts); other
 * requests use Moonshot's API (moonshot-api.ts). Both read directives from the prompt (directives.ts).
 * `POST /hooks/wake` and the plugin's route stand in for the agent's gateway.
 */
export function createSimulator({ secret, delayMs, keys, log, keepIn, onEvent = () => {} }: SimulatorOptions): {
  app: Express;
  counts: Counts;
  stop(): void;
} {
  const counts = noCounts();
  const stopping = new AbortController();
  // Each answer in progress listens to it.
  setMaxListeners(0, stopping.signal);
  const callbackApi = new CallbackApi({ secret, delayMs, log, keepIn, counts, onEvent, stopping: stopping.signal });
  const app = createApp();
  // Kimi's own limit.
  app.use(express.json({ limit: '100mb' }));

  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok', simulated: true });
  });
  app.get('/simulator/counts', (_request, response) => {
    response.json(counts);
  });

  app.post(['/hooks/wake', PLUGIN_WAKE_PATH], (request, response) => {
    const text = (request.body as { text?: unknown } | undefined)?.text;
    if (typeof text !== 'string' || text.trim() === '') {
      response.status(400).json({ ok: false, error: 'text required' });
      return;
    }
    counts.wakes.push({ key: request.get('idempotency-key'), text });
    response.json({ ok: true, mode: 'now', eventOutcome: 'queued', simulated: true });
  });

  app.post('/v1/chat/completions', async (request, response, next) => {
    counts.requests += 1;
    if (Object.hasOwn(Object(request.body) as object, 'callback_url')) await callbackApi.dispatch(request, response);
    else next();
  });
  app.use('/v1', createMoonshotApi({ delayMs, keys, counts, stopping: stopping.signal }));
  app.use(
    errorHandler({
      known: (error) => (isBodyError(error) ? invalid(`Invalid request: ${error.message}`) : undefined),
      unexpected: new Refusal(500, 'server_error', 'an unexpected error; it is in the simulator’s log'),
      send: (answer, response) => (answer instanceof Refusal ? answer.send(response) : sendError(answer, response)),
      log,
    }),
  );

  return { app, counts, stop: () => stopping.abort() };
}

import type { Client } from '@temporalio/client';
import express, { type Express, type RequestHandler } from 'express';
import type { Logger } from 'pino';
import * as z from 'zod';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { relayApiId } from '../shared/names.ts';
import { MAX_FALLBACKS, type RelayRequest } from '../shared/relay.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { MAX_FILES, MAX_IMAGES_BYTES, MAX_PROMPT_BYTES, TOOLS } from '../shared/task.ts';
import { createApp, errorHandler, isBodyError, refuseOthers } from '../service/express.ts';
import { HttpError, secretCheck } from '../service/http.ts';
import { availableBalance } from '../kimi/account.ts';
import { callbackUrl } from '../kimi/client.ts';
import { traced } from '../service/tracing.ts';
import { KimiHttp } from '../kimi/http.ts';
import { startRequest } from './client.ts';

export interface RelayAppOptions {
  client: Client;
  /** Task queue of the relay. */
  taskQueue: string;
  /** Bearer token of dispatch calls, in place of a key. */
  token: string;
  /** The only webhook that is called back, e.g. `http://localhost:9001`. */
  callbackBaseUrl: string;
  /** The API behind the relay; without a key every task is refused. */
  apiUrl: string;
  apiKey: string | undefined;
  log: Logger;
}

/**
 * Largest body of a dispatch call, in bytes: a prompt, and JSON's escapes for its line ends and quotation marks; answers before it once
 * more for each fallback; pictures in base64, a third longer.
 */
const MAX_BODY_BYTES = (1 + MAX_FALLBACKS) * 4 * MAX_PROMPT_BYTES + 1.4 * MAX_IMAGES_BYTES;

/** How long the engine may take to start a request, in milliseconds. */
const ENGINE_MS = 5_000;

/** How long Kimi may take to count tokens, in milliseconds: a task waits for a second. */
const ESTIMATE_MS = 3_000;

const dispatch = z.looseObject({
  model: z.string().min(1),
  messages: z.array(z.looseObject({})).min(1),
  metadata: z.object({ task_id: z.string().regex(TASK_ID, 'is not a task id'), task_name: z.string().optional() }),
  callback_url: z.string(),
  files: z
    .array(z.object({ name: z.string(), bytes: z.int(), sha256: z.string(), claim: z.string() }))
    .max(MAX_FILES)
    .optional(),
  kimi_batch: z.literal(true).optional(),
  kimi_tools: z.array(z.enum(TOOLS)).min(1).optional(),
  fallback: z
    .object({
      after_ms: z.int().positive(),
      bodies: z
        .array(
          z.looseObject({
            model: z.string().min(1),
            messages: z.array(z.union([z.int().nonnegative(), z.looseObject({})])).min(1),
          }),
        )
        .min(1)
        .max(MAX_FALLBACKS),
    })
    .optional(),
});

/**
 * The relay's HTTP API: accepts dispatch calls (docs/http-api.md) and returns an API id immediately. Only callers with the token can
 * spend the key, and only this installation's webhook receives the answers.
 */
export function createRelayApp(options: RelayAppOptions): Express {
  const { apiUrl, apiKey, callbackBaseUrl, log } = options;
  const app = createApp();
  app.use(requireToken(options.token));
  app.use((_request, _response, next) => {
    if (!apiKey) throw new HttpError(401, 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
    next();
  });
  app.use(express.json({ limit: MAX_BODY_BYTES }));

  app.post('/v1/chat/completions', async (incoming, response) => {
    const request = readDispatch(incoming.body, callbackBaseUrl);
    await traced(request.task_id, 'relay', async () => await accept(options, request));
    response.status(202).json({ id: relayApiId(request.task_id) });
  });

  const kimi = apiKey ? new KimiHttp({ url: apiUrl, key: apiKey, timeoutMs: ESTIMATE_MS }) : undefined;
  app.post('/v1/tokenizers/estimate-token-count', async (incoming, response) => {
    const signal = AbortSignal.timeout(ESTIMATE_MS);
    const body: unknown = incoming.body;
    const counted = await kimi?.post('tokenizers/estimate-token-count', { body, signal });
    if (counted) response.status(counted.statusCode).json(await kimi?.readJson(counted, MAX_CALLBACK_BYTES));
  });

  app.get('/v1/users/me/balance', async (_request, response) => {
    const account = apiKey ? await availableBalance({ apiUrl, apiKey }) : {};
    response.status(account.value === undefined ? 502 : 200).json({ data: { available_balance: account.value } });
  });

  app.use(refuseOthers);
  app.use(
    errorHandler({
      known: (error) =>
        isBodyError(error) ? new HttpError(error.status, error.type ?? 'relay_error', error.message) : undefined,
      unexpected: new HttpError(503, 'relay_error', 'an unexpected error; it is in the relay’s log'),
      retryAfterS: 1,
      // The form of Kimi's errors.
      send: ({ status, code, message }, response) =>
        void response.status(status).json({ error: { type: code, message } }),
      log,
    }),
  );
  return app;
}

function requireToken(token: string): RequestHandler {
  const isOurs = secretCheck(`Bearer ${token}`);
  return (request, _response, next) => {
    if (!isOurs(request.get('authorization') ?? '')) {
      throw new HttpError(401, 'bad_relay_token', 'the token is not the relay’s (KIMI_RELAY_TOKEN)');
    }
    next();
  };
}

function readDispatch(json: unknown, callbackBaseUrl: string): RelayRequest {
  const parsed = dispatch.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new HttpError(400, 'invalid_request_error', `${issue?.path.join('.') || 'body'}: ${issue?.message}`);
  }
  const { metadata, callback_url, files, kimi_tools: tools, kimi_batch: batch, fallback, ...body } = parsed.data;
  const { task_id, task_name } = metadata;
  if (callback_url !== callbackUrl(callbackBaseUrl, task_id)) {
    throw new HttpError(400, 'foreign_callback_url', 'callback_url is not this task’s at KIMI_CALLBACK_BASE_URL');
  }
  return {
    task_id,
    ...(task_name !== undefined && { task_name }),
    body,
    ...(files && { files }),
    ...(tools && { tools }),
    ...(fallback && { fallback }),
    ...(batch && { batch }),
  };
}

/** Starts the request, once per task: a repeated dispatch finds the existing one. */
async function accept({ client, taskQueue, log }: RelayAppOptions, request: RelayRequest): Promise<void> {
  const { task_id, body } = request;
  try {
    await client.connection.withDeadline(
      Date.now() + ENGINE_MS,
      async () => await startRequest(client, taskQueue, request),
    );
  } catch (error) {
    log.warn({ task_id }, `a task was not accepted because the engine did not start it: ${(error as Error).message}`);
    throw new HttpError(503, 'relay_unavailable', 'the relay’s engine does not accept tasks now; send it again later');
  }
  log.info({ task_id, model: body.model }, 'accepted');
}

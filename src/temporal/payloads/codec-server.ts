import type { Payload } from '@temporalio/common';
import { decode, encode, ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/index.js';
import proto from '@temporalio/proto';
import express, { type Express, type RequestHandler } from 'express';
import * as z from 'zod';
import { createApp, errorHandler, isBodyError, refuseOthers } from '../../service/express.ts';
import { HttpError, secretCheck } from '../../service/http.ts';
import type { Payloads } from './converter.ts';

const message = proto.temporal.api.common.v1.Payloads;

/** Largest body, in bytes. The Web UI sends at most one page of a history, with claims in place of large payloads. */
const MAX_BODY_BYTES = 16 * 1024 * 1024;

/** `temporal.api.common.v1.Payloads` in proto3 JSON: bytes are in base64. */
const body = z.object({
  payloads: z.array(
    z.object({ metadata: z.record(z.string(), z.string()).optional(), data: z.string().optional() }).nullable(),
  ),
});

export interface CodecServerOptions {
  dataConverter: Payloads['dataConverter'];
  /** `KIMI_CODEC_TOKEN`: grants read access to every payload. */
  token: string;
  /** Origin of the Web UI, e.g. `http://127.0.0.1:8233`. Pages of other origins are rejected. */
  uiOrigin: string;
}

/**
 * Temporal's codec server: decodes encrypted payloads and claims for the Web UI and the `temporal` command.
 *
 * `POST /codec/decode` and `/codec/encode` with `Authorization: Bearer <token>` or, since a Web UI without a login cannot
 * send that, `POST /codec/<token>/decode`. Request and answer: `{"payloads": […]}` in proto3 JSON.
 *
 * A payload that cannot be decoded is replaced by a text that says why, so that the rest of the page can be read.
 */
export function createCodecServer({ dataConverter, token, uiOrigin }: CodecServerOptions): Express {
  const codecs = dataConverter.payloadCodecs;
  const storage = new ExternalStorageRunner(dataConverter.externalStorage);
  const transforms = {
    encode: async (payloads: Payload[]) => await encode(codecs, payloads),
    decode: async (payloads: Payload[]) =>
      await Promise.all(
        payloads.map(async (payload) => {
          try {
            const [decoded] = await decode(codecs, await storage.retrieve([payload]));
            return decoded as Payload;
          } catch (error) {
            return textPayload((error as Error).message);
          }
        }),
      ),
  };

  const app = createApp();
  app.use(forOrigin(uiOrigin));
  for (const [name, transform] of Object.entries(transforms)) {
    app
      .route([`/codec/${name}`, `/codec/:token/${name}`])
      .post(requireToken(token), express.json({ limit: MAX_BODY_BYTES }), async (request, response) => {
        const payloads = await transform(read(request.body));
        response.json(message.toObject(message.create({ payloads }), { bytes: String, longs: String }));
      })
      .all(() => {
        throw new HttpError(405, 'method_not_allowed', 'payloads are sent with POST');
      });
  }
  app.use(refuseOthers);
  app.use(answerError);
  return app;
}

/** Browsers send the origin of a page; other programs do not. */
function forOrigin(uiOrigin: string): RequestHandler {
  return (request, response, next) => {
    const origin = request.get('origin');
    response.vary('Origin');
    if (origin === undefined) {
      next();
      return;
    }
    if (origin !== uiOrigin) throw new HttpError(403, 'wrong_origin', 'only pages of KIMI_UI_ORIGIN may ask');
    response.set('Access-Control-Allow-Origin', uiOrigin);
    if (request.method !== 'OPTIONS') {
      next();
      return;
    }
    response.set('Access-Control-Allow-Methods', 'POST');
    response.set('Access-Control-Allow-Headers', request.get('access-control-request-headers') ?? 'content-type');
    response.status(204).end();
  };
}

function requireToken(token: string): RequestHandler<{ token?: string }> {
  const isOurs = secretCheck(token);
  return (request, _response, next) => {
    const given = request.params.token ?? /^Bearer (?<token>.+)$/i.exec(request.get('authorization') ?? '')?.[1] ?? '';
    if (!isOurs(given)) {
      throw new HttpError(401, 'bad_token', 'the token is missing or is not KIMI_CODEC_TOKEN');
    }
    next();
  };
}

function read(json: unknown): Payload[] {
  try {
    return message.fromObject(body.parse(json)).payloads;
  } catch {
    throw new HttpError(400, 'malformed_payloads', 'send {"payloads": […]} in proto3 JSON, as application/json');
  }
}

/** A payload that shows a text in place of another. */
function textPayload(text: string): Payload {
  return { metadata: { encoding: Buffer.from('json/plain') }, data: Buffer.from(JSON.stringify(`⚠ ${text}`)) };
}

/** Answers to the errors of express's body parser, by status. */
const BODY_ERRORS: Record<number, [code: string, text: string]> = {
  400: ['invalid_json', 'the body is not JSON'],
  413: ['too_large', `the body is over ${MAX_BODY_BYTES} bytes`],
  415: ['unsupported_encoding', 'send the body in UTF-8 and uncompressed'],
};

const answerError = errorHandler({
  known: (error) => {
    const answer = isBodyError(error) && BODY_ERRORS[error.status];
    return answer ? new HttpError(error.status, ...answer) : undefined;
  },
  unexpected: new HttpError(500, 'internal_error', 'an unexpected error'),
});

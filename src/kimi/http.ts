import type { Agent, Dispatcher } from 'undici';
import { publicAddress } from '../service/address.ts';
import { directAgent, outboundAgent } from '../service/outbound.ts';
import { KimiError } from './errors.ts';
import { parseJson } from './refusal.ts';
import { requestEveryByte, type HttpResponse } from './response.ts';

/** How long a connection may take, in milliseconds. Nothing has been sent before it stands. */
const CONNECT_TIMEOUT_MS = 5_000;

/** An API that speaks Kimi's HTTP: where it is, and what opens it. */
export interface Endpoint {
  /** Base address, e.g. `https://api.moonshot.cn/v1`. */
  url: string;
  key: string;
  /** How long it may take to answer, and to send the next bytes of its answer, in milliseconds. 0: for ever. */
  timeoutMs: number;
  /** Whether it is a service of this installation: reached without a proxy. */
  isOurs?: boolean;
}

/** What a request is sent with. */
export interface Posting {
  headers?: Record<string, string>;
  body: unknown;
  signal: AbortSignal;
  /** Called when a connection stands and the request is about to be written to it. */
  onSent?: () => void;
}

/** Requests of which it is known whether they were sent, and answers that do not quote the key. */
export class KimiHttp {
  private readonly agent: Dispatcher;

  constructor(private readonly endpoint: Endpoint) {
    const options: Agent.Options = {
      // A fresh connection for each request: one kept alive may be closed by the far end just as we write to it, and then
      // nobody can say whether the request arrived.
      pipelining: 0,
      connect: { timeout: CONNECT_TIMEOUT_MS },
      headersTimeout: endpoint.timeoutMs,
      bodyTimeout: endpoint.timeoutMs,
    };
    this.agent = endpoint.isOurs ? directAgent(options) : outboundAgent(endpoint.url, options);
  }

  /**
   * Posts JSON.
   *
   * @throws {KimiError} `not_sent`, or `outcome_unknown` where the request was written.
   */
  async post(path: string, { headers, body, signal, onSent }: Posting): Promise<HttpResponse> {
    const { url, key } = this.endpoint;
    let sent = false;
    try {
      return await requestEveryByte(`${url.replace(/\/+$/, '')}/${path}`, {
        method: 'POST',
        dispatcher: this.agent.compose((dispatch) => (options, handler) => {
          const onRequestStart = handler.onRequestStart?.bind(handler);
          handler.onRequestStart = (controller, context) => {
            onRequestStart?.(controller, context);
            if (controller.aborted) return;
            sent = true;
            onSent?.();
          };
          return dispatch(options, handler);
        }),
        signal,
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      });
    } catch (error) {
      const why = describe(error);
      if (why === 'UND_ERR_INVALID_ARG') {
        throw new KimiError('refused', 'invalid_argument', 'the request cannot be made: the key fits no header', {
          cause: error,
        });
      }
      if (sent) throw this.brokenOff(error);
      const message = `cannot reach ${publicAddress(url)}: ${why}`;
      throw new KimiError('not_sent', 'unreachable', message, { cause: error });
    }
  }

  /**
   * Reads the JSON of an answer; its text where it is none.
   *
   * @param limit in bytes
   * @throws {KimiError} `outcome_unknown`
   */
  async readJson({ body }: HttpResponse, limit: number): Promise<unknown> {
    const chunks: Buffer[] = [];
    let size = 0;
    try {
      for await (const chunk of body) {
        size += chunk.length;
        if (size > limit) throw new Error(`the answer is over ${limit} bytes`);
        chunks.push(chunk);
      }
    } catch (error) {
      throw this.brokenOff(error);
    }
    const text = this.withoutKey(Buffer.concat(chunks).toString('utf8'));
    return parseJson(text) ?? text;
  }

  /** An answer that quotes the key must not carry it on. */
  withoutKey(text: string): string {
    return text.replaceAll(this.endpoint.key, '[KIMI_API_KEY]');
  }

  private brokenOff(error: unknown): KimiError {
    const message = `the connection to ${publicAddress(this.endpoint.url)} broke after the request was sent: ${describe(error)}`;
    return new KimiError('outcome_unknown', 'outcome_unknown', message, { cause: error });
  }
}

/** A connection error in few words: its code, since the message may be empty (happy eyeballs) or long. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  // What undici makes of an answer in chunks without the last one.
  if (message?.includes('Invalid EOF state')) return 'it was cut before its end';
  return (typeof code === 'string' ? code : message) ?? String(error);
}

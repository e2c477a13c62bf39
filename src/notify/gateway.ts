import { request, type Agent, type Dispatcher } from 'undici';
import { publicAddress, retryAfter } from '../service/http.ts';
import { causeOf, checkIdentity, outboundAgent, reachProblem } from '../service/outbound.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import { messageOf } from '../text/error-details.ts';
import type { PluginWake } from './protocol.ts';

/** Why the agent could not be woken. Its message never holds the token. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly detail?: ErrorDetail;

  constructor(
    readonly type: string,
    said: string | ErrorDetail,
    readonly retryable: boolean,
    readonly retryAfterMs?: number,
  ) {
    super(messageOf(said));
    if (typeof said !== 'string') this.detail = said;
  }
}

export interface GatewayOptions {
  /** Address of the wake hook, e.g. `http://127.0.0.1:18789/hooks/wake`. */
  wakeUrl: string;
  /** The gateway's `hooks.token`; none for the original's `/api/cron/wake`. */
  token: string | undefined;
}

/** How long the gateway may take to answer, in milliseconds. The plugin answers once the channel has accepted the message. */
const TIMEOUT_MS = 12_000;

/** Length of the plugin's reason in an error message, in characters. */
const REASON_CHARS = 300;

/** Body of a wake for every gateway (docs/openclaw.md). */
export interface Wake {
  text: string;
  mode: 'now';
}

/** The HTTP agent for requests to the gateway. */
export function gatewayAgent(url: string, options: Agent.Options = {}): Dispatcher {
  return outboundAgent(url, { ...options, connect: { checkServerIdentity: checkIdentity } });
}

/** The agent's gateway (docs/openclaw.md). */
export class Gateway {
  private readonly agent: Dispatcher;

  constructor(private readonly options: GatewayOptions) {
    this.agent = gatewayAgent(options.wakeUrl, { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
  }

  /**
   * Wakes the agent. A gateway confirms with any 2xx, the plugin with the outcome `sent`.
   *
   * @param key id of the notification, sent as `Idempotency-Key`: a gateway that supports it drops a repeat.
   * @param wake `{text, mode}`, and for the plugin's route the message for the user.
   * @throws {GatewayError}
   */
  async wake(wake: Wake | PluginWake, key: string, signal?: AbortSignal): Promise<void> {
    const { wakeUrl, token } = this.options;
    const address = publicAddress(wakeUrl);
    let response;
    let body;
    try {
      response = await request(wakeUrl, {
        method: 'POST',
        dispatcher: this.agent,
        signal,
        headers: {
          'content-type': 'application/json',
          'idempotency-key': key,
          ...(token && { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(wake),
      });
      body = await response.body.text();
    } catch (error) {
      const type = reachProblem(error);
      const code = type === 'unreachable' ? 'gateway_unreachable' : 'reach';
      throw new GatewayError(type, { code, address, ...causeOf(error) }, true);
    }

    const { statusCode: status, headers } = response;
    const isAccepted = status >= 200 && status < 300;
    const answer = outcomeIn(body);
    const isForPlugin = 'reply' in wake;
    if (isAccepted && (!isForPlugin || answer?.outcome === 'sent')) return;
    const said = (more: Partial<ErrorDetail> = {}): ErrorDetail =>
      ({ code: 'gateway', address, status, ...more }) as ErrorDetail;
    if (isForPlugin && !answer && (isAccepted || status === 404)) {
      // Another program's answer. It is retried: a restarting gateway has no plugin for a moment.
      throw new GatewayError('no_plugin', said({ advice: 'plugin' }), true);
    }
    if (answer) {
      // The plugin's status tells whether a retry may help.
      throw new GatewayError(
        answer.outcome,
        said(answer.outcome === 'no_chat' ? { advice: 'owner' } : { words: answer.error }),
        isAccepted || status >= 500,
      );
    }
    if (status === 401 || status === 403) {
      throw new GatewayError('unauthorized', said({ advice: 'token' }), false);
    }
    if (status === 404) {
      throw new GatewayError('not_found', said({ advice: 'hooks' }), false);
    }
    if (status >= 500 || status === 429 || status === 408) {
      throw new GatewayError(`http_${status}`, said(), true, retryAfter(headers));
    }
    throw new GatewayError(`http_${status}`, said(), false);
  }
}

/** @returns the plugin's answer; `undefined` if another program answered. */
function outcomeIn(body: string): { outcome: string; error: string } | undefined {
  try {
    const { outcome, error = outcome } = JSON.parse(body) as Record<string, unknown>;
    if (typeof outcome !== 'string' || typeof error !== 'string' || !/^[a-z_]{1,32}$/.test(outcome)) return undefined;
    return { outcome, error: error.slice(0, REASON_CHARS) };
  } catch {
    return undefined;
  }
}

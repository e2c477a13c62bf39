import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import type { Config, Presentation } from 'openclaw/plugin-sdk/plugin-entry';
import type { Route } from '../../../src/shared/chat.ts';
import type { Delivery } from './notifier.ts';

/** Requests of the gateway: with its proxy. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const PUSH = 'https://api.line.me/v2/bot/message/push';

/** The worker waits 12 s for the plugin (src/notify/gateway.ts). Milliseconds. */
const TIMEOUT_MS = 10_000;

/** Length of LINE’s reason, in characters. */
const REASON_CHARS = 300;

/** Settings of LINE that are used here. */
interface LineConfig {
  channelAccessToken?: unknown;
  tokenFile?: unknown;
  accounts?: Record<string, LineConfig>;
}

/**
 * Pushes up to five texts to a chat in LINE, in one request: the gateway's channel sends one request for each text, and every request
 * counts against the month's quota. LINE accepts a key once within 24 hours, so a repeated push is not shown again.
 *
 * @param fetch as the gateway's own channel uses it
 * @param key of this push
 * @returns `undefined` if the configuration has no token: the gateway's channel reports that
 */
export async function pushToLine(
  fetch: Fetch,
  config: Config,
  { to, account_id }: Pick<Route, 'to' | 'account_id'>,
  { texts, presentation }: { texts: string[]; presentation?: Presentation },
  key: string,
): Promise<Delivery | undefined> {
  const token = await tokenOf(config.channels?.['line'] as LineConfig | undefined, account_id);
  if (token === undefined) return undefined;
  const hash = createHash('sha256').update(key).digest('hex');
  const uuid = [hash.slice(0, 8), hash.slice(8, 12), hash.slice(12, 16), hash.slice(16, 20), hash.slice(20, 32)].join(
    '-',
  );
  try {
    const response = await fetch(PUSH, {
      method: 'POST',
      signal: AbortSignal.timeout(TIMEOUT_MS),
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'x-line-retry-key': uuid },
      body: JSON.stringify({
        to,
        messages: texts.map((text, index) => ({
          type: 'text',
          text,
          ...(presentation && index === texts.length - 1 && { quickReply: quickReplyOf(presentation) }),
        })),
      }),
    });
    const { status } = response;
    // 409: it has been accepted before.
    if (response.ok || status === 409) return { outcome: 'sent' };
    const error = `LINE answered ${status}: ${(await response.text()).slice(0, REASON_CHARS)}`;
    const isFinal = status >= 400 && status < 500 && status !== 429 && status !== 408;
    return { outcome: isFinal ? 'refused' : 'failed', error };
  } catch (error) {
    const { message, cause } = error as Error;
    return { outcome: 'failed', error: cause instanceof Error ? `${message}: ${cause.message}` : message };
  }
}

/** https://developers.line.biz/en/reference/messaging-api/#quick-reply */
function quickReplyOf({ blocks }: Presentation): object {
  const options = blocks.flatMap((block) => (block.type === 'select' ? block.options : []));
  return {
    items: options.map(({ label, action }) => ({
      type: 'action',
      action: { type: 'message', label, text: action.command },
    })),
  };
}

/** The token, from where the gateway's channel reads it. */
async function tokenOf(line: LineConfig | undefined, account = 'default'): Promise<string | undefined> {
  const { channelAccessToken, tokenFile } = line?.accounts?.[account] ?? line ?? {};
  if (typeof channelAccessToken === 'string' && channelAccessToken !== '') return channelAccessToken.trim();
  if (typeof tokenFile === 'string') return (await readFile(tokenFile, 'utf8').catch(() => '')).trim() || undefined;
  return account === 'default' ? process.env['LINE_CHANNEL_ACCESS_TOKEN']?.trim() : undefined;
}

import type { InboundContext } from 'openclaw/plugin-sdk/plugin-entry';
import { channelOf } from './channels.ts';

/** A mention of the bot, as channels write it. */
const MENTION = String.raw`(?:@\S+|<@[^>\s]+>|<at [^>]*>[^<]*</at>)`;
const MENTIONS_BEFORE = new RegExp(String.raw`^\s*(?:${MENTION}\s+)+`, 'u');
const MENTIONS_AFTER = new RegExp(String.raw`(?:\s+${MENTION})+\s*$`, 'u');

/** Entities of channels that send them. */
const ENTITIES: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };

/** @returns the text that the person typed: without the mention of the bot, which groups may require. */
export function typedText(ctx: InboundContext): string {
  const said = [ctx.BodyForCommands, ctx.RawBody, ctx.Body].find((text) => text?.trim()) ?? '';
  const bare = ctx.ChatType === 'direct' ? said : said.replace(MENTIONS_BEFORE, '').replace(MENTIONS_AFTER, '');
  return decoded(bare, ctx);
}

/**
 * @param isContinuation Kimi has the whole message already: only a part of it that was selected is quoted
 * @returns the prompt, and the message that it quotes or replies to, marked as a quotation (Markdown).
 */
export function withQuotation(prompt: string, ctx: InboundContext, isContinuation = false): string {
  const whole = isContinuation ? undefined : ctx.ReplyToBody;
  const quoted = decoded(ctx.ReplyToQuoteText ?? whole ?? '', ctx).trim();
  return quoted === '' ? prompt : `${prompt}\n\n${quoted.replaceAll(/^/gm, '> ')}`;
}

function decoded(text: string, { OriginatingChannel = '' }: InboundContext): string {
  if (!channelOf(OriginatingChannel).sendsEntities) return text;
  return text.replaceAll(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}

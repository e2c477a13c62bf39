import type { InboundContext } from 'openclaw/plugin-sdk/plugin-entry';
import { channelOf } from './channels.ts';

/** A mention of the bot, as channels write it. */
const MENTION = String.raw`(?:@\S+|<@[^>\s]+>|<at [^>]*>[^<]*</at>)`;
const MENTIONS_BEFORE = new RegExp(String.raw`^\s*(?:${MENTION}\s+)+`, 'u');
const MENTIONS_AFTER = new RegExp(String.raw`(?:\s+${MENTION})+\s*$`, 'u');

/** A text whose special characters are all escaped (Feishu’s `escapeMarkdownText`). */
const ESCAPED = /^(?:[^\\`*_{}[\]()#+\-!|>~]|\\[\\`*_{}[\]()#+\-!|>~])*$/;

/** Entities of channels that send them. */
const ENTITIES: Record<string, string> = { '&lt;': '<', '&gt;': '>', '&amp;': '&' };

/** @returns the text that the person typed: without the mention of the bot, which groups may require. */
export function typedText(ctx: InboundContext): string {
  const said = [ctx.BodyForCommands, ctx.RawBody, ctx.Body].find((text) => text?.trim()) ?? '';
  return decoded(ctx.ChatType === 'direct' ? said : withoutMentionAfter(said.replace(MENTIONS_BEFORE, ''), ctx), ctx);
}

/** Removes the bot's mention from the end; where its name is unknown, all mentions there. */
function withoutMentionAfter(text: string, { OriginatingChannel = '', BotUsername }: InboundContext): string {
  if (channelOf(OriginatingChannel).removesMention) return text;
  const own = BotUsername && `@${BotUsername.toLowerCase()}`;
  return text.replace(MENTIONS_AFTER, (mentions) =>
    own
      ? mentions
          .split(/(?=\s)/)
          .filter((mention) => mention.trim().toLowerCase() !== own)
          .join('')
      : '',
  );
}

/**
 * @param isContinuation Kimi has the whole message already: only a part of it that was selected is quoted
 * @returns the prompt, and the message that it quotes or replies to, marked as a quotation (Markdown).
 */
export function withQuotation(prompt: string, ctx: InboundContext, isContinuation = false): string {
  const whole = isContinuation ? undefined : ctx.ReplyToBody;
  const quoted = decoded(ctx.ReplyToQuoteText ?? whole ?? '', ctx).trim();
  return quoted === '' || quotedFile(ctx) !== undefined ? prompt : `${prompt}\n\n${quoted.replaceAll(/^/gm, '> ')}`;
}

/** @returns the kind of the file that the message replies to, if the channel says that in place of its text. */
export function quotedFile({ OriginatingChannel = '', ReplyToBody = '' }: InboundContext): string | undefined {
  return channelOf(OriginatingChannel).quotedFile?.exec(ReplyToBody.trim())?.[1];
}

function decoded(text: string, { OriginatingChannel = '' }: InboundContext): string {
  const { sendsEntities, escapesMarkdown } = channelOf(OriginatingChannel);
  if (escapesMarkdown && ESCAPED.test(text)) return text.replaceAll(/\\(.)/g, '$1');
  if (!sendsEntities) return text;
  return text.replaceAll(/&(?:lt|gt|amp);/g, (entity) => ENTITIES[entity] ?? entity);
}

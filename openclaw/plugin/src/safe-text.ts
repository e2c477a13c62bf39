import { channelOf } from './channels.ts';

/** An invisible character, inserted into patterns that the gateway or a channel would interpret. */
const NOTHING = '\u200B';

/**
 * Patterns that the gateway interprets or strips (openclaw@2026.9.6), also in code, where its idea of code may differ from ours: lines
 * of media, directives, tags of reasoning and tool calls, marks of citations.
 */
const ORDERS = [
  String.raw`(?<=^[^\p{L}\p{N}]*)MEDIA(?=\s*:)`,
  String.raw`\[(?=\[\s*(?:reply|audio|tts|media)|\s*/?\s*(?:tool|historical context|chat messages|recent chat|current message))`,
  String.raw`<(?=\s*/?\s*(?:[|｜]|think|thought|reasoning|ant|final|tool|function|invoke|parameter|relevant|system|img\b))`,
  String.raw`[\uE200-\uE202]`,
];

/**
 * Patterns that are interpreted outside of code: Markdown images, which are loaded; other directives and tags; mentions; tokens that
 * suppress a reply; lines of tool traces.
 */
const ORDERS_OF_PROSE = [
  `MEDIA(?=\\s*:)`,
  String.raw`!(?=\[)`,
  String.raw`\[(?=\[)`,
  // A comparison of numbers is not a tag.
  String.raw`<(?!\s*[\d=])`,
  String.raw`@(?=[\p{L}\p{N}_&!])`,
  String.raw`tg:(?=//)`,
  String.raw`NO(?=_REPLY)|HEARTBEAT(?=_OK)`,
  String.raw`(?:tool|function)(?=[-_ ]?(?:call|result))|\bto(?==)`,
  String.raw`(?:📊|🛠|📖|📝|🔍|🔎|⚙)\uFE0F?(?=\s*[A-Za-z\x60])`,
];

const IN_CODE = new RegExp(ORDERS.join('|'), 'gimu');
const IN_PROSE = new RegExp([...ORDERS, ...ORDERS_OF_PROSE].join('|'), 'gimu');

/** Code of Markdown: fenced blocks, and spans within a line. */
const CODE =
  /(?<=^|\n) {0,3}(?<fence>`{3,}|~{3,})[^\n]*(?:\n[^]*?(?:\n {0,3}\k<fence>[`~]*[ \t]*(?=\n|$)|$)|$)|(?<!`)(?<ticks>`+)(?!`)[^\n]*?[^`\n]\k<ticks>(?!`)/g;

/** A link whose text is an address: readers would take it for the link's own. */
const DISGUISED_LINK =
  /\[(?<text>[^\]\n]*(?::\/\/|www\.)[^\]\n]*|(?:[\w-]+\.)+[a-z]{2,}(?:\/[^\]\n]*)?)\]\((?<url>[^)\s]+)\)/gi;

/**
 * @param channel whose syntax must not be interpreted either
 * @returns the text with {@link NOTHING} inside every such pattern. It looks the same, and its code can be copied. A link with an address
 *   as its text is shown as both addresses.
 */
export function asData(text: string, channel = ''): string {
  const { syntax } = channelOf(channel);
  const parts: string[] = [];
  let end = 0;
  for (const { 0: code, index } of text.matchAll(CODE)) {
    parts.push(prose(text.slice(end, index)), code.replaceAll(IN_CODE, `$&${NOTHING}`));
    end = index + code.length;
  }
  parts.push(prose(text.slice(end)));
  const safe = parts.join('');
  return syntax ? safe.replaceAll(syntax, `$&${NOTHING}`) : safe;
}

function prose(text: string): string {
  return text
    .replaceAll(DISGUISED_LINK, (link, said: string, url: string) => (said === url ? link : `${said} (${url})`))
    .replaceAll(IN_PROSE, `$&${NOTHING}`);
}

/** Words, digits, and the punctuation of prose and lists. */
const PROSE = /^[\p{L}\p{M}\p{N}\s.,;:!?'"()%/&*#+·…—–~。，、；：！？「」『』（）《》“”‘’-]*$/u;

/**
 * @returns whether every channel shows this text unchanged. Channels render markup differently, and the gateway drops repeated
 * paragraphs: anything but prose is sent as a file too.
 */
export function isShownAsItIs(text: string): boolean {
  const paragraphs = text.split(/\n\s*\n/);
  return PROSE.test(text) && asData(text) === text && new Set(paragraphs).size === paragraphs.length;
}

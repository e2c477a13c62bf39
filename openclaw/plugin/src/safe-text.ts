/** An invisible character, inserted into patterns that the gateway would interpret. */
const NOTHING = '\u200B';

/**
 * Patterns that the gateway and its channels interpret or strip in a message (openclaw@2026.9.6): media lines and Markdown images,
 * which they load; `[[reply_to:…]]` and other directives; tags of reasoning, tool calls and HTML, and lines of tool traces, which
 * they strip; mentions; tokens that suppress a reply; marks of citations.
 */
const ORDERS = new RegExp(
  [
    String.raw`MEDIA(?=\s*:)`,
    String.raw`!(?=\[)`,
    String.raw`\[(?=\[|\s*/?\s*(?:tool|historical context|chat messages|recent chat|current message))`,
    // A comparison of numbers is not a tag.
    String.raw`<(?!\s*[\d=])`,
    String.raw`@(?=[\p{L}\p{N}_&!])`,
    String.raw`tg:(?=//)`,
    String.raw`NO(?=_REPLY)|HEARTBEAT(?=_OK)`,
    String.raw`(?:tool|function)(?=[-_ ]?(?:call|result))|\bto(?==)`,
    String.raw`(?:📊|🛠|📖|📝|🔍|🔎|⚙)\uFE0F?(?=\s*[A-Za-z\x60])`,
    String.raw`[\uE200-\uE202]`,
  ].join('|'),
  'giu',
);

/** @returns the text with {@link NOTHING} inside every such pattern. It looks the same. */
export function asData(text: string): string {
  return text.replaceAll(ORDERS, `$&${NOTHING}`);
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

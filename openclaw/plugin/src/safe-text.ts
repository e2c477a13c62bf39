/** Stands where an answer must not be taken for an instruction: it is seen by machines only. */
const NOTHING = '\u200B';

/**
 * What the gateway and its channels act on, or take out, in the text of a message (openclaw@2026.9.6): media lines and
 * Markdown images, which they load; `[[reply_to:…]]` and other directives; tags of reasoning, tool calls and HTML, and
 * lines of tool traces, which they strip; mentions; tokens that mean silence; marks of citations.
 */
const ORDERS = new RegExp(
  [
    String.raw`MEDIA(?=\s*:)`,
    String.raw`!(?=\[)`,
    String.raw`\[(?=\[|\s*/?\s*(?:tool|historical context|chat messages|recent chat|current message))`,
    // A comparison of numbers is no tag.
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

/** @returns the text with {@link NOTHING} in the middle of whatever would be acted on. It reads the same. */
export function asData(text: string): string {
  return text.replaceAll(ORDERS, `$&${NOTHING}`);
}

/** Words, digits and the marks of prose and lists. */
const PROSE = /^[\p{L}\p{M}\p{N}\s.,;:!?'"()%/&*#+·…—–~。，、；：！？「」『』（）《》“”‘’-]*$/u;

/**
 * @returns whether a message shows this text as it is. What a channel makes of markup is its own matter, and of two equal
 * paragraphs the gateway shows one: of anything but prose the reader gets a file as well.
 */
export function isShownAsItIs(text: string): boolean {
  const paragraphs = text.split(/\n\s*\n/);
  return PROSE.test(text) && asData(text) === text && new Set(paragraphs).size === paragraphs.length;
}

/** Stands where an answer must not be taken for an instruction: it is seen by machines only. */
const NOTHING = '\u200B';

/**
 * What in a text the gateway or a channel would act on, with {@link NOTHING} in its middle.
 *
 * A line that begins with `MEDIA:` would attach a file of the gateway's machine, `[[reply_to:…]]` and `[[audio_as_voice]]`
 * are orders to the gateway, and `@all`, `<@U1>` or `<!channel>` call people.
 */
export function asData(text: string): string {
  return text
    .replaceAll(/(MEDIA)(?=\s*:)/gi, `$1${NOTHING}`)
    .replaceAll('[[', `[${NOTHING}[`)
    .replaceAll(/@(?=[\p{L}\p{N}_&!])/gu, `@${NOTHING}`)
    .replaceAll('<!', `<${NOTHING}!`);
}

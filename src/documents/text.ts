/** Text files in the encodings that people still have. */
import { isUtf8 } from 'node:buffer';
import { analyse } from 'chardet';
import { eastAsian } from './east-asian.ts';

export interface DecodedText {
  text: string;
  /** Absent for UTF-8. */
  encoding?: string;
}

/** Bytes of a long file that its encoding is detected from. */
const SAMPLE_BYTES = 256 * 1024;

/** A lower confidence of the detection, in percent, is a guess. */
const GUESS = 50;

/** @returns the text of a file; `undefined` if it is not text. */
export function decodeText(bytes: Buffer): DecodedText | undefined {
  const utf16 = /^(?:\xFF\xFE|\xFE\xFF)/.exec(bytes.toString('latin1', 0, 2));
  if (utf16) return decoded(bytes, utf16[0] === '\xFF\xFE' ? 'UTF-16LE' : 'UTF-16BE');
  if (bytes.includes(0)) return undefined;
  if (isUtf8(bytes)) return { text: new TextDecoder().decode(bytes) };
  const others = analyse(bytes.subarray(0, SAMPLE_BYTES))
    // Of a few bytes that eastAsian() does not take for East Asian, this is a guess.
    .filter(
      ({ confidence, lang, name }) => name !== 'ASCII' && (confidence >= GUESS || !/^(?:zh|ja|ko)$/.test(lang ?? '')),
    )
    .map(({ name }) => name);
  for (const encoding of [...eastAsian(bytes), ...others, 'windows-1252']) {
    const text = decoded(bytes, encoding);
    if (text) return text;
  }
  return undefined;
}

/** @returns `undefined` if the bytes are not of this encoding, or hold control characters, as no text does. */
function decoded(bytes: Buffer, encoding: string): DecodedText | undefined {
  try {
    const decoder = new TextDecoder(encoding, { fatal: true });
    // As a stream: at once, Node 20 takes windows-1252 for Latin-1, which has no quotation marks.
    const text = decoder.decode(bytes, { stream: true }) + decoder.decode();
    // oxlint-disable-next-line no-control-regex -- what no text holds
    return /[\0-\x08\x0E-\x1A\x1C-\x1F\x80-\x9F]/.test(text) ? undefined : { text, encoding };
  } catch {
    return undefined;
  }
}

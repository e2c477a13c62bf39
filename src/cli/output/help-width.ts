import { eastAsianWidth } from 'get-east-asian-width';

/** @returns how many columns a text without emoji and combining characters takes. `string-width` knows them, and takes long to load. */
export function helpWidth(text: string): number {
  return Array.from(text).reduce((width, character) => width + eastAsianWidth(character.codePointAt(0) ?? 0), 0);
}

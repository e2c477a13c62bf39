import { eastAsianWidth } from 'get-east-asian-width';

/** @returns how many columns a text of the help takes. `string-width` also knows emoji, and loads for as long as all else. */
export function helpWidth(text: string): number {
  return Array.from(text).reduce((width, character) => width + eastAsianWidth(character.codePointAt(0) ?? 0), 0);
}

/** Picture types that Kimi accepts (Moonshot's guide to vision), by their first bytes. SVG is text. */
const IMAGE_TYPES: [type: string, begins: RegExp][] = [
  ['image/png', /^\x89PNG/],
  ['image/jpeg', /^\xFF\xD8\xFF/],
  ['image/gif', /^GIF8/],
  ['image/webp', /^RIFF[^]{4}WEBP/],
  ['image/bmp', /^BM[^]{4}\0\0\0\0/],
];

/** @returns the type of a picture, e.g. `image/png`; `undefined` if the file is no picture that Kimi accepts. */
export function imageType(bytes: Buffer): string | undefined {
  const start = bytes.toString('latin1', 0, 16);
  return IMAGE_TYPES.find(([, begins]) => begins.test(start))?.[0];
}

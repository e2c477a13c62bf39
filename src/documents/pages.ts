/** Scanned pages. Each of them is one picture, so nothing is rendered. */
import { encode } from 'fast-png';
import { getResolvedPDFJS, type getDocumentProxy } from 'unpdf';

type Pdf = Awaited<ReturnType<typeof getDocumentProxy>>;
type Page = Awaited<ReturnType<Pdf['getPage']>>;

/** A decoded picture. `kind`: 1 for one bit a pixel, in rows of whole bytes; 2 for RGB; 3 for RGBA. */
interface Picture {
  width: number;
  height: number;
  kind: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** Longest side of a page, in pixels: a scan of A4 at 300 dots an inch is halved. */
const MOST_PIXELS = 2_000;

/** Most pages of a document, which may take a minute: one of A4 at 300 dots an inch takes half a second. */
const MOST_PAGES = 60;

/** What paints besides a picture. A stencil over a picture may hold the text; text that cannot be extracted would be missing. */
const OTHERS = [
  'showText',
  'showSpacedText',
  'nextLineShowText',
  'nextLineSetSpacingShowText',
  'shadingFill',
  'paintImageMaskXObject',
  'paintImageMaskXObjectGroup',
  'paintInlineImageXObject',
  'paintInlineImageXObjectGroup',
  'paintImageXObjectRepeat',
  'paintImageMaskXObjectRepeat',
  'paintSolidColorImageMask',
] as const;

/** @returns each page as PNG in shades of grey; `undefined` if one is more than a picture, or there are too many. */
export async function scannedPages(pdf: Pdf): Promise<Uint8Array[] | undefined> {
  if (pdf.numPages > MOST_PAGES) return undefined;
  const pages: Uint8Array[] = [];
  for (let n = 1; n <= pdf.numPages; n += 1) {
    const page = await pdf.getPage(n);
    const picture = await onlyPicture(page);
    if (!picture) return undefined;
    pages.push(pngOf(picture, page.rotate));
    page.cleanup();
  }
  return pages;
}

async function onlyPicture(page: Page): Promise<Picture | undefined> {
  const { OPS } = await getResolvedPDFJS();
  const { fnArray, argsArray } = await page.getOperatorList();
  const pictures = fnArray.flatMap((operator, n) => (operator === OPS.paintImageXObject ? [n] : []));
  const [only] = pictures;
  if (only === undefined || pictures.length > 1 || OTHERS.some((name) => fnArray.includes(OPS[name]))) return undefined;
  const [key] = argsArray[only] as [string];
  const objects = key.startsWith('g_') ? page.commonObjs : page.objs;
  const picture = await new Promise<Picture | undefined>((resolve) => {
    objects.get(key, resolve);
  });
  return picture?.data && picture;
}

/** @param rotate of the page, clockwise, in degrees: 0, 90, 180 or 270 */
function pngOf(picture: Picture, rotate: number): Uint8Array {
  const scale = Math.ceil(Math.max(picture.width, picture.height) / MOST_PIXELS);
  const [across, down] = [Math.ceil(picture.width / scale), Math.ceil(picture.height / scale)];
  const [columns, rows] = rotate % 180 === 0 ? [across, down] : [down, across];
  // Two pixels a byte: sixteen shades.
  const rowBytes = Math.ceil(columns / 2);
  const data = new Uint8Array(rowBytes * rows);
  for (let y = 0; y < down; y += 1) {
    for (let x = 0; x < across; x += 1) {
      const shade = greyOf(picture, x * scale, y * scale, scale) >> 4;
      const [column, row] = turned(x, y, rotate, across, down);
      const at = row * rowBytes + (column >> 1);
      data[at] = (data[at] ?? 0) | (column % 2 === 0 ? shade << 4 : shade);
    }
  }
  return encode({ width: columns, height: rows, data, depth: 4, channels: 1 });
}

function turned(x: number, y: number, rotate: number, across: number, down: number): [column: number, row: number] {
  if (rotate === 90) return [down - 1 - y, x];
  if (rotate === 180) return [across - 1 - x, down - 1 - y];
  return rotate === 270 ? [y, across - 1 - x] : [x, y];
}

/** @returns the mean of a square of pixels, from 0 for black to 255. */
function greyOf({ width, height, kind, data }: Picture, left: number, top: number, size: number): number {
  const [right, bottom] = [Math.min(left + size, width), Math.min(top + size, height)];
  let sum = 0;
  for (let y = top; y < bottom; y += 1) {
    for (let x = left; x < right; x += 1) {
      if (kind === 1) {
        const byte = data[y * ((width + 7) >> 3) + (x >> 3)] ?? 0;
        sum += byte & (0x80 >> (x & 7)) ? 255 : 0;
      } else {
        const at = (y * width + x) * (kind === 2 ? 3 : 4);
        // Weights of ITU-R BT.601.
        sum += 0.299 * (data[at] ?? 0) + 0.587 * (data[at + 1] ?? 0) + 0.114 * (data[at + 2] ?? 0);
      }
    }
  }
  return sum / ((right - left) * (bottom - top));
}

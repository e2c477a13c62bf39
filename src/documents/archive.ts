/** The text of office documents and books: archives of XML. */
import { strFromU8, unzipSync } from 'fflate';
import { Parser } from 'htmlparser2';
import type { Readable } from './kind.ts';

/** Most bytes of XML in a document, unpacked: what is larger was made to fill memory. */
const MAX_XML_BYTES = 200_000_000;

/** Parts that hold text, or say in which order. */
const PARTS =
  /^(?:word\/(?:document|footnotes|endnotes|comments)|xl\/(?:workbook|sharedStrings|worksheets\/sheet\d+)|ppt\/(?:slides|notesSlides)\/(?:slide|notesSlide)\d+|content|META-INF\/container)\.xml$|\.(?:x?html?|opf)$/i;

export class TooLargeUnpacked extends Error {
  override readonly name = 'TooLargeUnpacked';
}

type Parts = Record<string, Uint8Array>;

/** @returns the text: paragraphs and rows are lines, cells are separated by tabs. @throws if the file is damaged */
export function textOfArchive(bytes: Uint8Array, format: Exclude<Readable, 'pdf'>): string {
  let total = 0;
  const parts = unzipSync(bytes, {
    filter: ({ name, originalSize }) => {
      if (!PARTS.test(name)) return false;
      total += originalSize;
      if (total > MAX_XML_BYTES) throw new TooLargeUnpacked();
      return true;
    },
  });
  const text = READERS[format](parts);
  return text
    .replaceAll(/[ \t]+$/gm, '')
    .replaceAll(/\n{3,}/g, '\n\n')
    .trim();
}

const READERS: Record<Exclude<Readable, 'pdf'>, (parts: Parts) => string> = {
  docx: (parts) =>
    inOrder(parts, /^word\/(?:document|footnotes|endnotes|comments)\.xml$/)
      .map((xml) => wordText(xml))
      .join('\n\n'),
  xlsx: sheets,
  pptx: slides,
  odt: openDocument,
  ods: openDocument,
  odp: openDocument,
  epub: book,
};

/** What an element adds to the text: before its content, and after it. */
type Marks = Record<string, [before: string, after: string]>;

/**
 * @param holds elements whose text counts; all of it by default
 * @param skips elements whose text does not count
 */
function read(xml: string, marks: Marks, holds?: ReadonlySet<string>, skips: ReadonlySet<string> = new Set()): string {
  const pieces: string[] = [];
  let held = 0;
  let skipped = 0;
  const parser = new Parser(
    {
      onopentagname: (name) => {
        if (holds?.has(name)) held += 1;
        if (skips.has(name)) skipped += 1;
        pieces.push(marks[name]?.[0] ?? '');
      },
      ontext: (text) => {
        if (skipped === 0 && (!holds || held > 0)) pieces.push(text);
      },
      onclosetag: (name) => {
        if (holds?.has(name)) held -= 1;
        if (skips.has(name)) skipped -= 1;
        pieces.push(marks[name]?.[1] ?? '');
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return pieces.join('');
}

function wordText(xml: string): string {
  const marks: Marks = {
    'w:p': ['', '\n'],
    'w:tab': ['\t', ''],
    'w:br': ['\n', ''],
    'w:tc': ['', '\t'],
    'w:tr': ['', '\n'],
  };
  // A paragraph in a cell ends no line: its row does.
  return read(xml, marks, new Set(['w:t']))
    .replaceAll(/\n\t/g, '\t')
    .replaceAll(/\t\n/g, '\n');
}

function slides(parts: Parts): string {
  const marks: Marks = { 'a:p': ['', '\n'], 'a:br': ['\n', ''], 'a:tc': ['', '\t'], 'a:tr': ['', '\n'] };
  return inOrder(parts, /^ppt\/slides\/slide\d+\.xml$/)
    .map((xml, n) => `# ${n + 1}\n${read(xml, marks, new Set(['a:t'])).replaceAll(/\n\t/g, '\t')}`)
    .join('\n\n');
}

/** The text of the cells, as it was entered: a formula's last value. */
function sheets(parts: Parts): string {
  const shared = sharedStrings(part(parts, 'xl/sharedStrings.xml') ?? '');
  const names = [...(part(parts, 'xl/workbook.xml') ?? '').matchAll(/<(?:\w+:)?sheet\b[^>]*\bname="([^"]*)"/g)].map(
    ([, name = '']) => entities(name),
  );
  return inOrder(parts, /^xl\/worksheets\/sheet\d+\.xml$/)
    .map((xml, n) => `# ${names[n] ?? n + 1}\n${rows(xml, shared)}`)
    .join('\n\n');
}

function entities(text: string): string {
  return read(`<x>${text}</x>`, {});
}

function sharedStrings(xml: string): string[] {
  const strings: string[] = [];
  let text: string[] | undefined;
  let isText = false;
  const parser = new Parser(
    {
      onopentagname: (name) => {
        if (name === 'si') text = [];
        // Not the phonetic hints of Japanese.
        isText = name === 't';
      },
      ontext: (piece) => {
        if (isText) text?.push(piece);
      },
      onclosetag: (name) => {
        if (name === 'si') strings.push(text?.join('') ?? '');
        isText = false;
      },
    },
    { xmlMode: true },
  );
  parser.end(xml.replaceAll(/<rPh\b[^]*?<\/rPh>/g, ''));
  return strings;
}

function rows(xml: string, shared: readonly string[]): string {
  const lines: string[] = [];
  let cells: (string | undefined)[] = [];
  let cell = { column: 0, type: '', text: '' };
  let isValue = false;
  const parser = new Parser(
    {
      onopentag: (name, { r = '', t = '' }) => {
        if (name === 'row') cells = [];
        if (name === 'c') cell = { column: columnOf(r) ?? cells.length, type: t, text: '' };
        isValue = name === 'v' || name === 't';
      },
      ontext: (text) => {
        if (isValue) cell.text += text;
      },
      onclosetag: (name) => {
        isValue = false;
        if (name === 'c') cells[cell.column] = cell.type === 's' ? (shared[Number(cell.text)] ?? '') : cell.text;
        if (name === 'row') lines.push(lineOf(cells));
      },
    },
    { xmlMode: true },
  );
  parser.end(xml);
  return lines.join('\n');
}

/** Missing cells are empty. */
function lineOf(cells: readonly (string | undefined)[]): string {
  return Array.from(cells, (text) => (text ?? '').replaceAll(/[\t\n]+/g, ' ')).join('\t');
}

/** Most columns of a sheet (Excel's specification). */
const MAX_COLUMNS = 16_384;

/** @returns the column of a cell such as `AB12`, from 0. */
function columnOf(cell: string): number | undefined {
  const [letters] = /^[A-Z]{1,3}/.exec(cell) ?? [];
  if (letters === undefined) return undefined;
  const column = Array.from(letters).reduce((sum, letter) => sum * 26 + letter.charCodeAt(0) - 64, 0) - 1;
  return column < MAX_COLUMNS ? column : undefined;
}

function openDocument(parts: Parts): string {
  const marks: Marks = {
    'text:p': ['', '\n'],
    'text:h': ['', '\n'],
    'text:tab': ['\t', ''],
    'text:s': [' ', ''],
    'text:line-break': ['\n', ''],
    'table:table-cell': ['', '\t'],
    'table:table-row': ['', '\n'],
  };
  return read(part(parts, 'content.xml') ?? '', marks, new Set(['text:p', 'text:h']))
    .replaceAll(/\n\t/g, '\t')
    .replaceAll(/\t\n/g, '\n');
}

/** Chapters in the order of the book's spine. */
function book(parts: Parts): string {
  const [root = ''] = Object.keys(parts).filter((name) => name.endsWith('.opf'));
  const opf = part(parts, root) ?? '';
  const folder = root.includes('/') ? root.slice(0, root.lastIndexOf('/') + 1) : '';
  const files = new Map<string, string>();
  const chapters: string[] = [];
  const parser = new Parser(
    {
      onopentag: (name, { id = '', href = '', idref = '' }) => {
        if (/(?:^|:)item$/.test(name)) files.set(id, folder + decodeURIComponent(href));
        if (/(?:^|:)itemref$/.test(name)) chapters.push(files.get(idref) ?? '');
      },
    },
    { xmlMode: true },
  );
  parser.end(opf);
  const block = ['\n', '\n'] as [string, string];
  const marks: Marks = { br: ['\n', ''], tr: ['', '\n'], td: ['', '\t'], th: ['', '\t'] };
  for (const name of ['p', 'div', 'li', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'blockquote', 'pre']) marks[name] = block;
  return chapters
    .map((name) =>
      read(part(parts, name) ?? '', marks, undefined, new Set(['head', 'script', 'style'])).replaceAll(
        /\s*\n\s*/g,
        '\n',
      ),
    )
    .join('\n\n');
}

function part(parts: Parts, name: string): string | undefined {
  const bytes = parts[name];
  return bytes && strFromU8(bytes);
}

/** @returns the parts with such a name, by their numbers. */
function inOrder(parts: Parts, pattern: RegExp): string[] {
  return Object.keys(parts)
    .filter((name) => pattern.test(name))
    .toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .map((name) => part(parts, name) ?? '');
}

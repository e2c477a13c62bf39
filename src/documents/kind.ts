/** What a file is, by its bytes: its name may say something else. */
import { imageType } from './image-type.ts';
import { decodeText, type DecodedText } from './text.ts';

/** Formats with text in them that have to be read first. Kimi reads those of {@link KIMI_READS}, we those of {@link WE_READ}. */
export type Format = 'pdf' | 'docx' | 'xlsx' | 'pptx' | 'odt' | 'ods' | 'odp' | 'epub' | 'doc' | 'xls' | 'ppt' | 'mobi';

/** Moonshot's documentation of files. */
export const KIMI_READS: readonly Format[] = ['pdf', 'docx', 'xlsx', 'pptx', 'epub', 'doc', 'xls', 'ppt', 'mobi'];

const WE_READ = ['pdf', 'docx', 'xlsx', 'pptx', 'odt', 'ods', 'odp', 'epub'] as const satisfies Format[];
export type Readable = (typeof WE_READ)[number];

export function isReadable(format: Format): format is Readable {
  return (WE_READ as readonly Format[]).includes(format);
}

export type Kind =
  /** `type`: e.g. `image/png`. */
  { kind: 'image'; type: string } | ({ kind: 'text' } & DecodedText) | { kind: 'document'; format: Format };

/** @returns `undefined` for any other file. */
export function kindOf(name: string, bytes: Buffer): Kind | undefined {
  const type = imageType(bytes);
  if (type !== undefined) return { kind: 'image', type };
  const format = formatOf(name, bytes);
  if (format) return { kind: 'document', format };
  // An archive of anything else may look like text.
  if (isArchive(bytes)) return undefined;
  const text = decodeText(bytes);
  return text && { kind: 'text', ...text };
}

/** Bytes in which a format is looked for: the first entry of an archive names it, its list of entries is at the end. */
const HEAD = 1_024;
const TAIL = 64 * 1024;

function formatOf(name: string, bytes: Buffer): Format | undefined {
  const head = bytes.toString('latin1', 0, HEAD);
  if (head.includes('%PDF-')) return 'pdf';
  if (isArchive(bytes)) return archiveOf(head, bytes.subarray(-TAIL).toString('latin1'));
  if (head.startsWith('\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1')) {
    // One container for all three of them.
    return (['xls', 'ppt'] as const).find((format) => name.toLowerCase().endsWith(`.${format}`)) ?? 'doc';
  }
  return head.startsWith('BOOKMOBI', 60) ? 'mobi' : undefined;
}

function isArchive(bytes: Buffer): boolean {
  return bytes.toString('latin1', 0, 4) === 'PK\x03\x04';
}

function archiveOf(head: string, tail: string): Format | undefined {
  const [, type] =
    /mimetypeapplication\/(epub\+zip|vnd\.oasis\.opendocument\.(?:text|spreadsheet|presentation))/.exec(head) ?? [];
  const known: Record<string, Format> = {
    'epub+zip': 'epub',
    'vnd.oasis.opendocument.text': 'odt',
    'vnd.oasis.opendocument.spreadsheet': 'ods',
    'vnd.oasis.opendocument.presentation': 'odp',
  };
  if (type !== undefined) return known[type];
  if (tail.includes('word/document')) return 'docx';
  if (tail.includes('xl/workbook')) return 'xlsx';
  return tail.includes('ppt/presentation') ? 'pptx' : undefined;
}

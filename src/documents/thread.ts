/** Worker thread that reads one document: `dist/document-thread.js`. Only it loads the libraries for it. */
import { parentPort, workerData } from 'node:worker_threads';
import { extractText, getDocumentProxy } from 'unpdf';
import { scannedPages } from './pages.ts';
import { textOfArchive, TooLargeUnpacked } from './archive.ts';
import type { Readable } from './kind.ts';
import type { DocumentText } from './read.ts';

const { bytes, format } = workerData as { bytes: Uint8Array; format: Readable };
parentPort?.postMessage(await textOf(), []);

async function textOf(): Promise<DocumentText> {
  try {
    return format === 'pdf' ? await readPdf() : { text: textOfArchive(bytes, format) };
  } catch (error) {
    if (error instanceof TooLargeUnpacked) return { failure: 'unpacked' };
    return { failure: (error as Error).name === 'PasswordException' ? 'locked' : 'damaged' };
  }
}

async function readPdf(): Promise<DocumentText> {
  const pdf = await getDocumentProxy(bytes, { verbosity: 0 });
  const { text: texts } = await extractText(pdf, { mergePages: false });
  const text = texts
    .map((page) => page.trim())
    .join('\n\n')
    .trim();
  const pages = text === '' ? await scannedPages(pdf) : undefined;
  return { text, ...(pages && { pages }) };
}

/** Worker thread that reads one document: `dist/document-thread.js`. Only it loads the libraries for it. */
import { parentPort, workerData } from 'node:worker_threads';
import { extractText, getDocumentProxy } from 'unpdf';
import { textOfArchive, TooLargeUnpacked } from './archive.ts';
import type { Readable } from './kind.ts';
import type { DocumentText } from './read.ts';

const { bytes, format } = workerData as { bytes: Uint8Array; format: Readable };
parentPort?.postMessage(await textOf(), []);

async function textOf(): Promise<DocumentText> {
  try {
    return { text: format === 'pdf' ? await textOfPdf() : textOfArchive(bytes, format) };
  } catch (error) {
    if (error instanceof TooLargeUnpacked) return { failure: 'unpacked' };
    return { failure: (error as Error).name === 'PasswordException' ? 'locked' : 'damaged' };
  }
}

async function textOfPdf(): Promise<string> {
  const { text } = await extractText(await getDocumentProxy(bytes, { verbosity: 0 }), { mergePages: false });
  return text
    .map((page) => page.trim())
    .join('\n\n')
    .trim();
}

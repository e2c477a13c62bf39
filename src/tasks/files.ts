/** Files that go with a prompt: read and stored before their task starts, so that nothing is paid for one that cannot be read. */
import { createHash } from 'node:crypto';
import { isReadable, kindOf, KIMI_READS } from '../documents/kind.ts';
import { readDocument } from '../documents/read.ts';
import { callsBack } from '../kimi/models.ts';
import { dataUrl, isPictures } from '../kimi/request.ts';
import {
  MAX_FILE_BYTES,
  MAX_FILES,
  MAX_FILES_BYTES,
  MAX_IMAGES_BYTES,
  MAX_PROMPT_BYTES,
  type TaskFile,
} from '../shared/task.ts';
import type { TaskContext } from './context.ts';
import { Problem } from './problem.ts';
import type { Attachment } from './tasks.ts';

type Stored = Pick<TaskFile, 'kind' | 'encoding'> & { content: Uint8Array };

/**
 * Stores a file for a task: a text in UTF-8, a picture, or a document for Kimi. Where Kimi takes no documents, their text is read
 * here.
 *
 * @throws {Problem} `unusable_file`
 */
export async function keepFile(
  { contents, relay, apiUrl }: Pick<TaskContext, 'contents' | 'relay' | 'apiUrl'>,
  { name, content }: Attachment,
): Promise<TaskFile> {
  const bytes = content.length;
  if (bytes === 0) throw unusable(name, 'empty');
  if (bytes > MAX_FILE_BYTES)
    throw new Problem('unusable_file', { file: name, why: 'too_large', most: MAX_FILE_BYTES });
  const kimiReads = relay && apiUrl !== undefined && !callsBack(apiUrl);
  const { content: stored, ...kept } = await storedForm(name, content, kimiReads);
  if (kept.kind === 'text' && stored.length > MAX_PROMPT_BYTES) {
    throw new Problem('unusable_file', { file: name, why: 'too_long', most: MAX_PROMPT_BYTES });
  }
  return {
    name,
    bytes,
    ...kept,
    stored_bytes: stored.length,
    sha256: createHash('sha256').update(content).digest('hex'),
    claim: await contents.put(stored),
  };
}

async function storedForm(name: string, content: Buffer, kimiReads: boolean): Promise<Stored> {
  const found = kindOf(name, content);
  if (!found) throw unusable(name, 'unknown');
  if (found.kind === 'image') return { kind: 'image', content };
  if (found.kind === 'text') {
    const { text, encoding } = found;
    if (text.trim() === '') throw unusable(name, 'empty');
    return { kind: 'text', content: Buffer.from(text), ...(encoding !== undefined && { encoding }) };
  }
  const { format } = found;
  if (kimiReads && KIMI_READS.includes(format)) return { kind: 'document', content };
  if (!isReadable(format)) throw unusable(name, 'old_format');
  const read = await readDocument(content, format);
  if ('failure' in read) throw unusable(name, read.failure);
  if (read.pages) return { kind: 'pages', content: Buffer.from(JSON.stringify(read.pages.map(dataUrl))) };
  if (read.text === '') throw unusable(name, format === 'pdf' ? 'no_text' : 'blank');
  return { kind: 'text', content: Buffer.from(read.text) };
}

function unusable(file: string, why: string): Problem {
  return new Problem('unusable_file', { file, why });
}

/** @throws {Problem} if there are too many files, or they are too large together */
export function checkFiles(files: readonly TaskFile[]): void {
  const total = storedBytes(files);
  const images = storedBytes(files.filter(isPictures));
  if (files.length > MAX_FILES) throw new Problem('too_many_files', { files: files.length, most: MAX_FILES });
  if (total > MAX_FILES_BYTES) throw new Problem('files_too_large', { bytes: total, most: MAX_FILES_BYTES });
  if (images > MAX_IMAGES_BYTES)
    throw new Problem('files_too_large', { bytes: images, most: MAX_IMAGES_BYTES, images: true });
}

function storedBytes(files: readonly TaskFile[]): number {
  return files.reduce((total, { stored_bytes }) => total + stored_bytes, 0);
}

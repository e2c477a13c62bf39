import { ServiceError } from '../service/exit.ts';
import type { RelayFile } from '../shared/relay.ts';
import type { TaskFile } from '../shared/task.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { KimiError } from './errors.ts';
import type { FileContents } from './request.ts';

/** Problems of a content that a retry would meet again. */
const GONE = ['payload_gone', 'payload_misnamed', 'payload_damaged'];

/**
 * Reads what is stored of a task's file.
 *
 * @throws {KimiError} `file_gone`, e.g. in a task that repeats an old one
 */
export async function storedFile(
  contents: Pick<ContentStore, 'get'>,
  { name, claim }: Pick<TaskFile, 'name' | 'claim'>,
): Promise<Buffer> {
  try {
    return await contents.get(claim);
  } catch (error) {
    if (!(error instanceof ServiceError) || !GONE.includes(error.code)) throw error;
    throw new KimiError('refused', 'file_gone', { code: 'file_gone', name }, { cause: error });
  }
}

/** @returns what is stored of texts and pictures. @throws {KimiError} `file_gone` */
export async function storedFiles(
  contents: Pick<ContentStore, 'get'>,
  files: readonly TaskFile[],
): Promise<FileContents> {
  const read = files.filter(({ kind }) => kind !== 'document');
  return new Map(await Promise.all(read.map(async (file) => [file.sha256, await storedFile(contents, file)] as const)));
}

/** @returns the files that the relay has Kimi read. */
export function documentsOf(files: readonly TaskFile[]): RelayFile[] {
  return files
    .filter(({ kind }) => kind === 'document')
    .map(({ name, bytes, sha256, claim }) => ({ name, bytes, sha256, claim }));
}

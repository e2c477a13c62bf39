/** Result files: their names, their modes, and how they are read. They are written by atomic-writer.ts. */
import { closeSync, openSync, readFileSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { ServiceError } from '../service/exit.ts';
import type { PendingFile, ResultFile } from '../shared/result.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { OUTCOMES } from '../shared/task.ts';

/** Answers are readable by their owner only; the agent runs as the same user. An existing folder keeps its mode. */
export const PRIVATE_FILE = { mode: 0o600 };
export const PRIVATE_FOLDER = { recursive: true, mode: 0o700 };

/** @returns the task id, which becomes a file name: everything else is refused. */
export function checkedId(task_id: string): string {
  if (!TASK_ID.test(task_id)) throw new Error(`${JSON.stringify(task_id)} is not a task id`);
  return task_id;
}

/** @returns the task id in the name of a result file; `undefined` for other names. */
export function taskIdOf(fileName: string): string | undefined {
  const task_id = fileName.replace(/\.json$/, '');
  return TASK_ID.test(task_id) ? task_id : undefined;
}

/**
 * @param task_id the task that the result has to be of: a copied file must not give one task the answer of another.
 * @returns `undefined` if there is no such file.
 * @throws {ServiceError} if the file holds no result.
 */
export async function readResult(path: string, task_id?: string): Promise<ResultFile | undefined> {
  try {
    return resultIn(await readFile(path, 'utf8'), path, task_id);
  } catch (error) {
    return unlessNoFile(error, path);
  }
}

/** {@link readResult}, blocking: a file that was just written is in memory. */
export function readResultNow(path: string, task_id: string): ResultFile | undefined {
  try {
    return resultIn(readFileSync(path, 'utf8'), path, task_id);
  } catch (error) {
    return unlessNoFile(error, path);
  }
}

function resultIn(content: string, path: string, task_id: string | undefined): ResultFile {
  const result = parseResult(content);
  if (result && (task_id === undefined || result.task_id === task_id)) return result;
  throw new ServiceError('result_damaged', { file: path });
}

function unlessNoFile(error: unknown, path: string): undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return undefined;
  throw code === 'EISDIR' ? new ServiceError('result_damaged', { file: path }) : error;
}

/** Reads only the beginning of a result file: the answer in it may have 16 MiB. */
export function isResultOf(path: string, task_id: string): boolean {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return false;
  }
  try {
    const beginning = Buffer.alloc(128);
    const bytesRead = readSync(file, beginning, 0, beginning.length, 0);
    return new RegExp(`"task_id":\\s*"${checkedId(task_id)}"`).test(beginning.toString('utf8', 0, bytesRead));
  } finally {
    closeSync(file);
  }
}

/** Members that are text if present. */
const TEXTS = [
  'task_name',
  'prompt',
  'model',
  'output',
  'reasoning',
  'partial_output',
  'finish_reason',
  'created_at',
] as const;

/** @returns the result in a file's content; `undefined` if it holds none. */
export function parseResult(content: string): ResultFile | undefined {
  try {
    const json = JSON.parse(content) as ResultFile | null;
    return json && isResult(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

/** @returns the task in a pending file's content; `undefined` if it holds none. */
export function parsePending(content: string): PendingFile | undefined {
  try {
    const json = JSON.parse(content) as PendingFile | null;
    const texts = [json?.task_id, json?.task_name, json?.model, json?.created_at];
    return json && texts.every((text) => typeof text === 'string') ? json : undefined;
  } catch {
    return undefined;
  }
}

function isResult({ task_id, continues = task_id, status, completed_at, error, ...rest }: ResultFile): boolean {
  return (
    TASK_ID.test(task_id) &&
    // It becomes the name of another file.
    TASK_ID.test(continues) &&
    OUTCOMES.includes(status) &&
    Number.isFinite(Date.parse(completed_at)) &&
    [error?.type, error?.message, ...TEXTS.map((name) => rest[name])].every(isTextOrAbsent)
  );
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

/** A damaged result is treated as absent, and overwritten; a question that cannot be decrypted is not shown. */
export function absentIfDamaged(error: unknown): undefined {
  if (!(error instanceof ServiceError)) throw error;
}

/** Orders results, the oldest first; those of one second by their ids. */
export function byCompletion(
  a: Pick<ResultFile, 'task_id' | 'completed_at'>,
  b: Pick<ResultFile, 'task_id' | 'completed_at'>,
): number {
  return a.completed_at.localeCompare(b.completed_at) || a.task_id.localeCompare(b.task_id);
}

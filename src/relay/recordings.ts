import { fdatasyncSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ServiceError } from '../service/exit.ts';
import { codeOf } from '../shared/system-error.ts';
import { syncFolder } from '../service/files.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { Answer, type Attempt, type Piece } from './attempts.ts';

/** Age at which an unchanged file is removed, in milliseconds: no request is retried for so long. */
const KEEP_MS = 3 * 24 * 3_600_000;

/** @returns the task of a recording, `<task id>.<attempt>.jsonl`; `undefined` for other files. */
function taskIdOf(fileName: string): string | undefined {
  const [, task_id = ''] = /^(.+)\.\d+\.jsonl$/.exec(fileName) ?? [];
  return TASK_ID.test(task_id) ? task_id : undefined;
}

/**
 * Recordings of streamed answers, one file per request to Kimi, written piece by piece: a relay killed with kill -9 loses nothing it
 * has received. The first line describes the request, the second one says that it was sent.
 *
 * The files are not encrypted, readable by their owner only, and removed when the answer has been delivered.
 */
export class ReceivedStore {
  constructor(readonly folder: string) {}

  /** Makes the folder, and removes old recordings. @throws {ServiceError} */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(this.folder)) {
        const path = join(this.folder, name);
        if (taskIdOf(name) && (await stat(path)).mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
      }
    } catch (error) {
      throw new ServiceError('recordings_folder', { cause: codeOf(error) }, { cause: error });
    }
  }

  /**
   * Begins to record an attempt. The file is on the disk before anything is sent.
   *
   * @param continues whether the attempt continues the text before it
   */
  async begin(task_id: string, attempt: number, continues: boolean): Promise<Recording> {
    const file = await open(this.path(task_id, attempt), 'w', 0o600);
    await file.writeFile(`${JSON.stringify({ continues })}\n`);
    await file.datasync();
    await syncFolder(this.folder);
    return new Recording(file);
  }

  /** @returns the attempts, by number; `undefined` for one without a recording on this machine. */
  async read(task_id: string, attempts: number): Promise<(Attempt | undefined)[]> {
    return await Promise.all(
      Array.from({ length: attempts }, async (_, attempt) => await this.readOne(this.path(task_id, attempt))),
    );
  }

  async remove(task_id: string): Promise<void> {
    const names = await readdir(this.folder);
    for (const name of names.filter((name) => taskIdOf(name) === task_id))
      await rm(join(this.folder, name), { force: true });
  }

  private path(task_id: string, attempt: number): string {
    return join(this.folder, `${task_id}.${attempt}.jsonl`);
  }

  private async readOne(path: string): Promise<Attempt | undefined> {
    let content: string;
    try {
      content = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    // A last line without an end was being written when the process died.
    const [first, second, ...pieces] = content.split('\n').slice(0, -1);
    const answer = new Answer();
    // `begin` had not returned, so nothing was sent.
    if (first === undefined) return { continues: true, sent: false, answer };
    const begun = readLine(first, beginning);
    if (!begun) return undefined;
    for (const line of pieces) {
      const piece = readLine(line, recorded);
      // Text after a damaged line would follow a gap. The answer is continued from here.
      if (!piece) break;
      answer.take(piece as Piece);
    }
    return { continues: begun.continues, sent: second !== undefined, answer };
  }
}

const beginning = z.object({ continues: z.boolean() });

const recordedText = z.string().optional();
const recorded = z.looseObject({
  id: recordedText,
  model: recordedText,
  content: recordedText,
  reasoning: recordedText,
  finish_reason: recordedText,
  usage: z.looseObject({ prompt_tokens: z.number(), completion_tokens: z.number() }).optional(),
  done: z.literal(true).optional(),
});

/** @returns `undefined` if the line is damaged. */
function readLine<T>(line: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The open file of one attempt. */
export class Recording {
  constructor(private readonly file: FileHandle) {}

  /** Records that the request is about to be sent. It is on the disk when this returns, so that no request is sent twice. */
  sent(): void {
    writeSync(this.file.fd, `${JSON.stringify({ sent: true })}\n`);
    fdatasyncSync(this.file.fd);
  }

  async take(pieces: readonly Piece[]): Promise<void> {
    await this.file.appendFile(pieces.map((piece) => `${JSON.stringify(piece)}\n`).join(''));
  }

  /** Empties the recording of a request that Kimi did not accept. */
  async discard(): Promise<void> {
    await this.file.truncate(0);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

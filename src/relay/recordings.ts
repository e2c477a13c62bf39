import { fdatasyncSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { ServiceError } from '../service/exit.ts';
import { syncFolder } from '../service/files.ts';
import { Answer, type Attempt, type Piece } from './attempts.ts';

/** How long a file may lie untouched, in milliseconds: longer than any request is tried. */
const KEEP_MS = 3 * 24 * 3_600_000;

const FILE = /^(?<task_id>kimi-\d+-\d+)\.(?<attempt>\d+)\.jsonl$/;

/**
 * What has been received of answers that are on their way, one file a request to Kimi: written piece by piece, so that a
 * relay killed with kill -9 loses nothing that came. The first line says what the request was, the next that it was sent.
 *
 * In clear, for this user alone, and removed when the answer has been delivered.
 */
export class ReceivedStore {
  constructor(readonly folder: string) {}

  /** Makes the folder, and removes what nobody will ask for any more. @throws {ServiceError} */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.folder, { recursive: true, mode: 0o700 });
      for (const name of await readdir(this.folder)) {
        const path = join(this.folder, name);
        if (FILE.test(name) && (await stat(path)).mtimeMs < Date.now() - KEEP_MS) await rm(path, { force: true });
      }
    } catch (error) {
      throw new ServiceError(
        `cannot write to the folder of answers that are on their way: ${(error as Error).message}; choose another place with KIMI_HOME`,
      );
    }
  }

  /**
   * Begins to record an attempt. It is on the disk before anything is sent.
   *
   * @param continues whether it goes on from what came before
   */
  async begin(task_id: string, attempt: number, continues: boolean): Promise<Recording> {
    const file = await open(this.path(task_id, attempt), 'w', 0o600);
    await file.writeFile(`${JSON.stringify({ continues })}\n`);
    await file.datasync();
    await syncFolder(this.folder);
    return new Recording(file);
  }

  /** @returns what came of each attempt, by its number; `undefined` where it is not known here. */
  async read(task_id: string, attempts: number): Promise<(Attempt | undefined)[]> {
    return await Promise.all(
      Array.from({ length: attempts }, async (_, attempt) => await this.readOne(this.path(task_id, attempt))),
    );
  }

  async remove(task_id: string): Promise<void> {
    const names = await readdir(this.folder);
    const ours = names.filter((name) => FILE.exec(name)?.groups?.['task_id'] === task_id);
    for (const name of ours) await rm(join(this.folder, name), { force: true });
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
    // What has no line end was being written when the process died.
    const [first, second, ...pieces] = content.split('\n').slice(0, -1);
    const answer = new Answer();
    // `begin` had not returned: nothing was sent.
    if (first === undefined) return { continues: true, sent: false, answer };
    const begun = readLine(first, beginning);
    // What was damaged is worth as much as what is not known here.
    if (!begun) return undefined;
    for (const line of pieces) {
      const piece = readLine(line, recorded);
      // What comes after a damaged line has a gap before it. The answer is continued from here.
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

/** @returns `undefined` where a disk or a crash has damaged it. */
function readLine<T>(line: string, schema: z.ZodType<T>): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** The file of one attempt, while it is written. */
export class Recording {
  constructor(private readonly file: FileHandle) {}

  /** Notes that the request is about to be written, before it is: on the disk, so that it is never sent twice unnoticed. */
  sent(): void {
    writeSync(this.file.fd, `${JSON.stringify({ sent: true })}\n`);
    fdatasyncSync(this.file.fd);
  }

  async take(pieces: readonly Piece[]): Promise<void> {
    await this.file.appendFile(pieces.map((piece) => `${JSON.stringify(piece)}\n`).join(''));
  }

  /** Forgets an attempt that Kimi did not take. */
  async discard(): Promise<void> {
    await this.file.truncate(0);
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}

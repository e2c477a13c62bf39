import { fdatasyncSync, writeSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rm, stat, writeFile, type FileHandle } from 'node:fs/promises';
import { basename, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import * as z from 'zod';
import type { Config } from '../config/index.ts';
import { ServiceError } from '../service/exit.ts';
import { codeOf } from '../shared/system-error.ts';
import { syncFolder, unlessAbsent } from '../service/files.ts';
import type { Callback } from '../shared/callback.ts';
import { TASK_ID } from '../shared/task-id.ts';
import { Answer, type Piece } from './answer.ts';
import type { Attempt } from './attempts.ts';
import type { RecordedBatch } from './batch-steps.ts';
import type { RecordedTools } from './tools.ts';

/** How long it is remembered that an answer was delivered, in milliseconds: by then the engine knows. */
const REMEMBER_MS = 60_000;

/** How often {@link LiveAnswer} is read, in milliseconds. */
export const READ_MS = 100;

/** Age at which an unchanged file is removed, in milliseconds: no request is retried for so long. */
const KEEP_MS = 3 * 24 * 3_600_000;

/** @returns the task of a file, `<task id>.<attempt>.jsonl`, `.end.json`, `.documents.json`, `.tools.json` or `.batch.json`; `undefined` for other files. */
function taskIdOf(fileName: string): string | undefined {
  const [, task_id = ''] = /^(.+)\.(?:\d+\.jsonl|(?:end|documents|tools|batch)\.json)$/.exec(fileName) ?? [];
  return TASK_ID.test(task_id) ? task_id : undefined;
}

/** @returns the recordings of the relay that has this configuration. */
export function receivedStore({ KIMI_HOME }: Pick<Config, 'KIMI_HOME'>): ReceivedStore {
  return new ReceivedStore(join(KIMI_HOME, 'streams'));
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
   * @param keeps whether the answer will begin with its text, however it goes on
   */
  async begin(task_id: string, attempt: number, continues: boolean, keeps = false): Promise<Recording> {
    const file = await open(this.path(task_id, attempt), 'w', 0o600);
    await file.writeFile(`${JSON.stringify({ continues, ...(keeps && { keeps }) } satisfies Beginning)}\n`);
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

  /** @returns what follows the text of an answer, from its beginning, while it is received on this machine. */
  live(task_id: string): LiveAnswer {
    return new LiveAnswer(this.path(task_id, 0));
  }

  /** @returns how many attempts have a recording on this machine, or a later attempt with one. */
  async countOf(task_id: string): Promise<number> {
    const names = (await this.filesOf(task_id)).filter((name) => name.endsWith('.jsonl'));
    return Math.max(0, ...names.map((name) => Number(name.split('.').at(-2)) + 1));
  }

  /** Records how a request ended, before it is delivered: a relay killed in between delivers it, and asks Kimi for nothing. */
  async end(task_id: string, callback: Callback): Promise<void> {
    await writeFile(this.endPath(task_id), JSON.stringify({ callback } satisfies RecordedEnd), { mode: 0o600 });
  }

  /** @returns how a request ended; `undefined` if it has not, or on another machine. */
  async endOf(task_id: string): Promise<RecordedEnd | undefined> {
    const content = await readFile(this.endPath(task_id), 'utf8').catch(() => '');
    return readLine(content, recordedEnd) as RecordedEnd | undefined;
  }

  /** Removes what was received. That it was delivered is remembered until the engine knows: on the disk, since Kimi would be asked again. */
  async delivered(task_id: string, outcome: string): Promise<void> {
    const end = this.endPath(task_id);
    await writeFile(end, JSON.stringify({ delivered: outcome } satisfies RecordedEnd), { mode: 0o600, flush: true });
    for (const name of await this.filesOf(task_id)) {
      if (name !== basename(end)) await rm(join(this.folder, name), { force: true });
    }
    setTimeout(() => void rm(end, { force: true }).catch(() => {}), REMEMBER_MS).unref();
  }

  /** Forgets deliveries that the engine knows: a relay that was killed had no time for it. @param isUnderWay asks the engine */
  async forgetDelivered(isUnderWay: (task_id: string) => Promise<boolean>): Promise<void> {
    for (const name of await readdir(this.folder)) {
      const task_id = taskIdOf(name);
      if (task_id === undefined || name !== basename(this.endPath(task_id))) continue;
      const end = await this.endOf(task_id);
      if (end && 'delivered' in end && !(await isUnderWay(task_id))) await rm(this.endPath(task_id), { force: true });
    }
  }

  /** Records what is known of the documents of a task. */
  async noteDocuments(task_id: string, documents: RecordedDocuments): Promise<void> {
    await writeFileAtomic(this.documentsPath(task_id), JSON.stringify(documents), { mode: 0o600 });
  }

  /** @returns what is known of the documents of a task on this machine. */
  async documentsOf(task_id: string): Promise<RecordedDocuments> {
    const content = await readFile(this.documentsPath(task_id), 'utf8').catch(() => '');
    return readLine(content, recordedDocuments) ?? { texts: {}, removed: false };
  }

  /** Records what is known of the tools of a task. It is on the disk when this returns. */
  async noteTools(task_id: string, tools: RecordedTools): Promise<void> {
    await writeFileAtomic(this.toolsPath(task_id), JSON.stringify(tools), { mode: 0o600 });
  }

  /** @returns what is known of the tools of a task on this machine. */
  async toolsOf(task_id: string): Promise<RecordedTools> {
    const content = await readFile(this.toolsPath(task_id), 'utf8').catch(() => '');
    return (readLine(content, recordedTools) as RecordedTools | undefined) ?? { calls: {} };
  }

  /** Records what is known of the batch of a task. It is on the disk when this returns. */
  async noteBatch(task_id: string, batch: RecordedBatch): Promise<void> {
    await writeFileAtomic(this.batchPath(task_id), JSON.stringify(batch), { mode: 0o600 });
  }

  /** @returns what is known of the batch of a task on this machine. */
  async batchOf(task_id: string): Promise<RecordedBatch> {
    const content = await readFile(this.batchPath(task_id), 'utf8').catch(() => '');
    return (readLine(content, z.looseObject({})) as RecordedBatch | undefined) ?? {};
  }

  /** Removes what is known of a batch. */
  async forgetBatch(task_id: string): Promise<void> {
    await rm(this.batchPath(task_id), { force: true });
  }

  private batchPath(task_id: string): string {
    return join(this.folder, `${task_id}.batch.json`);
  }

  private toolsPath(task_id: string): string {
    return join(this.folder, `${task_id}.tools.json`);
  }

  private documentsPath(task_id: string): string {
    return join(this.folder, `${task_id}.documents.json`);
  }

  private async filesOf(task_id: string): Promise<string[]> {
    return (await readdir(this.folder)).filter((name) => taskIdOf(name) === task_id);
  }

  private endPath(task_id: string): string {
    return join(this.folder, `${task_id}.end.json`);
  }

  private path(task_id: string, attempt: number): string {
    return join(this.folder, `${task_id}.${attempt}.jsonl`);
  }

  private async readOne(path: string): Promise<Attempt | undefined> {
    const content = await readFile(path, 'utf8').catch(unlessAbsent);
    if (content === undefined) return undefined;
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

const recordedDocuments = z.object({
  /** Claims of the extracted texts, by the SHA-256 of their documents. */
  texts: z.record(z.string(), z.string()),
  /** Whether nothing of them is left at Kimi. */
  removed: z.boolean(),
});

const recordedTools = z.looseObject({ calls: z.record(z.string(), z.looseObject({})) });

type RecordedDocuments = z.infer<typeof recordedDocuments>;

/** How a request ended. */
type RecordedEnd =
  | { callback: Callback }
  /** Its outcome: `answered`, or the type of the error. */
  | { delivered: string };

const recordedEnd = z.union([z.object({ callback: z.looseObject({}) }), z.object({ delivered: z.string() })]);

const beginning = z.object({ continues: z.boolean(), keeps: z.literal(true).optional() });
type Beginning = z.infer<typeof beginning>;

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

/** Follows the text of a task's first request in its recording, also across restarts of the relay. */
export class LiveAnswer {
  private offset = 0;
  private keeps: boolean | undefined;

  constructor(private readonly path: string) {}

  /** @returns what was received since the last call; nothing of an answer whose text may still be replaced. */
  async read(): Promise<{ content: string; reasoning: string }> {
    const news = { content: '', reasoning: '' };
    for (const line of await this.newLines()) {
      if (this.keeps === undefined) this.keeps = readLine(line, beginning)?.keeps ?? false;
      else if (this.keeps) {
        const { content = '', reasoning = '' } = readLine(line, recorded) ?? {};
        news.content += content;
        news.reasoning += reasoning;
      }
    }
    return news;
  }

  private async newLines(): Promise<string[]> {
    const file = await open(this.path, 'r').catch(unlessAbsent);
    if (!file) return [];
    try {
      const { size } = await file.stat();
      // It was emptied: Kimi had not accepted the request.
      if (size < this.offset) [this.offset, this.keeps] = [0, undefined];
      const bytes = Buffer.alloc(size - this.offset);
      await file.read(bytes, 0, bytes.length, this.offset);
      const whole = bytes.subarray(0, bytes.lastIndexOf('\n') + 1);
      this.offset += whole.length;
      return whole.toString().split('\n').slice(0, -1);
    } finally {
      await file.close();
    }
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

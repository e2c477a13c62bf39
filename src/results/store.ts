import { closeSync, constants, existsSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { access, mkdir, open, opendir, readFile, readdir, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ServiceError } from '../service/exit.ts';
import { syncFolder, takeLock, tildePath } from '../service/files.ts';
import { isoSeconds } from '../shared/format.ts';
import type { PendingFile, ResultFile, TaskResult, Timings } from '../shared/result.ts';
import { TASK_ID, newsOf } from '../shared/task-id.ts';
import { OUTCOMES } from '../shared/task.ts';

/** A finished task with what it cost, where that is known. */
type PricedResult = TaskResult & Pick<ResultFile, 'cost'>;

/** Answers are their user's: the agent runs as the same one. A folder that is there already keeps the mode it was given. */
const PRIVATE_FILE = { mode: 0o600 };
const PRIVATE_FOLDER = { recursive: true, mode: 0o700 };

/** How much is written together at most: whoever was first waits for the last. */
const TOGETHER = 16;

/** What work that is written together leaves to its end. */
interface Group {
  /** What `latest.json` is to hold. */
  latest?: ResultFile;
  /** What was written last, as JSON: `latest.json` is the same, and may be 16 MiB. */
  written?: { content: object; json: string };
  /** Folders whose entries have changed. */
  readonly changed: Set<string>;
}

/** A result that was saved, and removed or damaged since. */
export class NoResult extends ServiceError {}

interface Waiting {
  /** Does the work. @returns what tells whoever waits of it, once all of it is on the disk. */
  write: (group: Group) => Promise<() => void>;
  fail: (error: unknown) => void;
}

/**
 * The results folder (contract sections 2 and 4). Every file is written aside, synced and renamed, so a reader never
 * sees half of one. Several processes may share a folder: what touches `latest.json` happens under a lock file.
 */
export class ResultStore {
  /** What is to be written, and who waits for it. */
  private readonly waiting: Waiting[] = [];
  private isWriting = false;

  constructor(readonly folder: string) {}

  resultPath(task_id: string): string {
    return join(this.folder, `${checked(task_id)}.json`);
  }

  get latestPath(): string {
    return join(this.folder, 'latest.json');
  }

  /** @returns where a user finds a result, as they would type it: `latest.json` for as long as it is the newest. */
  async pathToShow(task_id: string): Promise<string> {
    return tildePath((await this.isLatest(task_id)) ? this.latestPath : this.resultPath(task_id));
  }

  /** By the beginning of `latest.json` alone: the answer in it, of any other task, may be 16 MiB long. */
  private async isLatest(task_id: string): Promise<boolean> {
    const file = await open(this.latestPath).catch(() => undefined);
    if (!file) return false;
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(128), 0, 128, 0);
      return new RegExp(`"task_id":\\s*"${checked(task_id)}"`).test(buffer.toString('utf8', 0, bytesRead));
    } finally {
      await file.close();
    }
  }

  /** @returns how long the file of a result is, in bytes; 0 where there is none. */
  async sizeOf(task_id: string): Promise<number> {
    return (await stat(this.resultPath(task_id)).catch(() => undefined))?.size ?? 0;
  }

  /**
   * Holds a file for each result that is not acknowledged: what is new is found without reading the rest. In it are the
   * news that the gateway has taken.
   */
  private get inboxPath(): string {
    return join(this.folder, '.unacknowledged');
  }

  private pendingPath(task_id: string): string {
    return join(this.folder, `pending-${checked(task_id)}.json`);
  }

  /** Marks a task as taken by Kimi. Does nothing once the task has a result. */
  async recordPending(task_id: string, created_at: string): Promise<void> {
    await this.exclusively(async (group) => {
      if (await this.read(task_id)) return;
      if (existsSync(this.pendingPath(task_id))) return;
      const pending: PendingFile = { task_id, status: 'dispatched', created_at };
      await this.write(this.pendingPath(task_id), pending, group);
    });
  }

  /**
   * Saves a result. The same result saved again changes nothing, and `latest.json` never goes back to an older one.
   *
   * Another outcome than what is there was decided on anew, without knowing what had been saved and maybe told already: an
   * answer that is there stays, and one that comes to something else is a late one.
   *
   * @returns what is saved now, and whether it was not before.
   */
  async persist(result: PricedResult): Promise<{ saved: ResultFile; isNew: boolean }> {
    return await this.exclusively(async (group) => {
      const before = await this.read(result.task_id).catch(absentIfDamaged);
      const isAnswer = result.late === true || isAnswered(result);
      const isKnown = before !== undefined && (before.late === true || isAnswered(before) || !isAnswer);
      const saved = isKnown
        ? before
        : { ...(before ? lateAfter(before, result) : result), completed_at: isoSeconds(Date.now()) };
      // Before the result: one that stands without it would be missed. A disk may have lost it and kept the result.
      if (!saved.acknowledged) await this.putIntoInbox(result.task_id, group);
      if (!isKnown) await this.write(this.resultPath(result.task_id), saved, group);
      // A result saved just now is the newest by being saved; one found here may have been overtaken since.
      const latest = isKnown ? (group.latest ?? (await this.latest().catch(absentIfDamaged))) : undefined;
      if (!latest || latest.completed_at < saved.completed_at) group.latest = saved;
      await rm(this.pendingPath(result.task_id), { force: true });
      return { saved, isNew: !isKnown };
    });
  }

  /**
   * Marks a result as shown to the user. A second time changes nothing.
   *
   * @param timings what was not known yet when the result was saved.
   * @param news what was shown, by name. Where the result holds other news, nothing is marked.
   * @returns whether it is marked.
   * @throws {NoResult}
   */
  async acknowledge(task_id: string, timings?: Timings, news?: string): Promise<boolean> {
    return await this.exclusively(async (group) => {
      const saved = await this.read(task_id).catch(absentIfDamaged);
      if (!saved) throw new NoResult(`${this.resultPath(task_id)} is not there, or damaged: nothing to acknowledge`);
      if (news !== undefined && news !== newsOf(saved)) return false;
      const acknowledged: ResultFile = saved.acknowledged
        ? saved
        : {
            ...saved,
            ...((saved.timings ?? timings) && { timings: { ...saved.timings, ...timings } }),
            acknowledged: true,
            acknowledged_at: isoSeconds(Date.now()),
          };
      if (!saved.acknowledged) await this.write(this.resultPath(task_id), acknowledged, group);
      const isLatest = group.latest ? group.latest.task_id === task_id : await this.isLatest(task_id);
      const latest = isLatest ? (group.latest ?? (await this.latest().catch(absentIfDamaged))) : undefined;
      if (latest?.task_id === task_id && !latest.acknowledged) group.latest = acknowledged;
      await rm(join(this.inboxPath, task_id), { force: true });
      return true;
    });
  }

  /**
   * Notes that the gateway has taken news of a task, by name. At once, and without waiting for the disk: what is to be
   * survived is the end of this process, a moment later. Does nothing once the news are acknowledged: an agent may find them
   * by itself while it is being woken.
   */
  noteWoken(task_id: string, news: string): void {
    const { O_WRONLY, O_APPEND } = constants;
    try {
      const file = openSync(join(this.inboxPath, checked(task_id)), O_WRONLY | O_APPEND);
      try {
        writeSync(file, `${news}\n`);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** @returns whether the gateway has taken news that are not acknowledged yet. */
  async wasWoken(task_id: string, news: string): Promise<boolean> {
    const noted = await readFile(join(this.inboxPath, checked(task_id)), 'utf8').catch(() => '');
    return noted.split('\n').includes(news);
  }

  /**
   * @returns the saved result of a task, or `undefined`.
   * @throws {ServiceError} where the file is no result: somebody else wrote to it.
   */
  async read(task_id: string): Promise<ResultFile | undefined> {
    return await readJson(this.resultPath(task_id), task_id);
  }

  /** @returns the saved result of a task; `undefined` also where it is damaged. */
  async readIfSound(task_id: string): Promise<ResultFile | undefined> {
    return await this.read(task_id).catch(absentIfDamaged);
  }

  /** @returns the newest result, or `undefined`. */
  async latest(): Promise<ResultFile | undefined> {
    return await readJson(this.latestPath);
  }

  /** @returns every result that is not acknowledged, oldest first. */
  async unacknowledged(): Promise<ResultFile[]> {
    const names = await readdir(this.inboxPath).catch(emptyIfAbsent);
    const found = await Promise.all(
      names.filter((name) => TASK_ID.test(name)).map(async (name) => await this.read(name).catch(absentIfDamaged)),
    );
    return found
      .filter((result): result is ResultFile => result !== undefined && !result.acknowledged)
      .toSorted((a, b) => a.completed_at.localeCompare(b.completed_at) || a.task_id.localeCompare(b.task_id));
  }

  /**
   * Every result that was saved since then, in no order, one at a time. It blocks the process: for a command that has
   * nothing else to do, reading so takes a third of the time (100,000 results: 4 s in place of 12).
   *
   * @param since milliseconds since 1970
   * @returns `undefined` in place of a file that holds no result.
   */
  *savedSince(since: number): Generator<ResultFile | undefined> {
    if (!existsSync(this.folder)) return;
    for (const name of readdirSync(this.folder)) {
      const task_id = name.replace(/\.json$/, '');
      if (!TASK_ID.test(task_id)) continue;
      const path = this.resultPath(task_id);
      // The time of the file spares reading those that are old: it is written when the result is saved, or later.
      const file = statSync(path, { throwIfNoEntry: false });
      if (!file || file.mtimeMs < since) continue;
      const result = file.isFile() ? asResult(readFileSync(path, 'utf8')) : undefined;
      if (!result || Date.parse(result.completed_at) >= since) yield result;
    }
  }

  /**
   * Removes results that are older than `keepMs` and acknowledged. `latest.json` stays.
   *
   * @returns how many were removed.
   */
  async prune(keepMs: number): Promise<number> {
    let removed = 0;
    for await (const { name } of await opendir(this.folder)) {
      const task_id = name.replace(/\.json$/, '');
      if (!TASK_ID.test(task_id)) continue;
      const path = this.resultPath(task_id);
      // The time of the file spares reading those that are young.
      const { mtimeMs } = await stat(path);
      if (mtimeMs > Date.now() - keepMs) continue;
      const result = await this.read(task_id).catch(absentIfDamaged);
      if (!result?.acknowledged) continue;
      await rm(path, { force: true });
      removed += 1;
    }
    return removed;
  }

  /**
   * Makes the folder, proves that it can be written to, and removes what a killed process left half-written: nobody
   * writes without the lock, so whatever lies aside while it is held is a leftover.
   */
  async prepare(): Promise<void> {
    await this.exclusively(async () => {
      for (const name of await readdir(this.folder)) {
        // write-file-atomic writes aside to `<name>.<number>`.
        if (/^(?:pending-kimi-|kimi-|latest).*\.json\.\d+$/.test(name))
          await rm(join(this.folder, name), { force: true });
      }
      if (!existsSync(this.inboxPath)) await this.fillInbox();
      const probe = join(this.folder, `.probe-${process.pid}`);
      await writeFileAtomic(probe, '', PRIVATE_FILE);
      await rm(probe);
    });
  }

  /** In a folder that no version with an inbox has written to, every result is read, once. */
  private async fillInbox(): Promise<void> {
    const aside = `${this.inboxPath}.new`;
    await mkdir(aside, PRIVATE_FOLDER);
    for (const name of await readdir(this.folder)) {
      const task_id = name.replace(/\.json$/, '');
      const result = TASK_ID.test(task_id) ? await this.read(task_id).catch(absentIfDamaged) : undefined;
      if (result && !result.acknowledged) await putInto(aside, task_id);
    }
    await syncFolder(aside);
    await rename(aside, this.inboxPath);
  }

  private async write(path: string, content: PendingFile | ResultFile, group: Group): Promise<void> {
    if (group.written?.content !== content) {
      group.written = { content, json: `${JSON.stringify(content, null, 2)}\n` };
    }
    await writeFileAtomic(path, group.written.json, PRIVATE_FILE);
    group.changed.add(this.folder);
  }

  private async putIntoInbox(task_id: string, { changed }: Group): Promise<void> {
    await mkdir(this.inboxPath, PRIVATE_FOLDER);
    await putInto(this.inboxPath, task_id);
    changed.add(this.inboxPath);
  }

  /**
   * One writer at a time: a queue within this process, a lock file between processes. What has queued up is written under one
   * lock, with one `latest.json`, and the folders are synced once.
   */
  private async exclusively<T>(work: (group: Group) => Promise<T>): Promise<T> {
    return await new Promise<T>((resolve, fail) => {
      const write = async (group: Group): Promise<() => void> => {
        const result = await work(group);
        return () => resolve(result);
      };
      this.waiting.push({ write, fail });
      if (!this.isWriting) void this.writeWaiting();
    });
  }

  /** Fails for nobody but those who wait. */
  private async writeWaiting(): Promise<void> {
    this.isWriting = true;
    while (this.waiting.length > 0) {
      let together: Waiting[] = [];
      try {
        const tell = await this.locked(async () => {
          together = this.waiting.splice(0, TOGETHER);
          return await this.writeTogether(together);
        });
        for (const done of tell) done();
      } catch (error) {
        // Where the lock was not to be had, it is not for those either who have come since.
        for (const { fail } of together.length > 0 ? together : this.waiting.splice(0)) fail(error);
      }
    }
    this.isWriting = false;
  }

  /** @returns what tells those whose work is done. */
  private async writeTogether(together: Waiting[]): Promise<(() => void)[]> {
    const group: Group = { changed: new Set() };
    const tell: (() => void)[] = [];
    for (const { write, fail } of together) {
      try {
        tell.push(await write(group));
      } catch (error) {
        // It keeps nobody else from writing.
        fail(error);
      }
    }
    if (group.latest) await this.write(this.latestPath, group.latest, group);
    for (const folder of group.changed) await syncFolder(folder);
    return tell;
  }

  private async locked<T>(work: () => Promise<T>): Promise<T> {
    await mkdir(this.folder, PRIVATE_FOLDER);
    // Known at once; taking the lock would be tried again and again.
    await access(this.folder, constants.W_OK);
    const release = await takeLock(this.folder, {
      lockfilePath: join(this.folder, '.lock'),
      // A writer killed with kill -9 holds up the others for this long; a write takes milliseconds.
      stale: 2_000,
      retries: { retries: 200, minTimeout: 5, maxTimeout: 50 },
      // Losing the lock by being paused for seconds must not end the process; the next write takes a new one.
      onCompromised: () => {},
    });
    try {
      return await work();
    } finally {
      await release().catch(() => {});
    }
  }
}

/** Task ids become file names: nothing else may. */
function checked(task_id: string): string {
  if (!TASK_ID.test(task_id)) throw new Error(`${JSON.stringify(task_id)} is not a task id`);
  return task_id;
}

async function readJson(path: string, task_id?: string): Promise<ResultFile | undefined> {
  try {
    const result = asResult(await readFile(path, 'utf8'));
    // A file that was copied must not give one task the answer of another.
    if (result && (task_id === undefined || result.task_id === task_id)) return result;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    if (code !== 'EISDIR') throw error;
  }
  throw new ServiceError(`${path} is damaged: it holds no result. Remove it; the engine keeps the task's answer`);
}

/** Members that are text where they are there. */
const TEXTS = ['task_name', 'model', 'output', 'reasoning', 'partial_output', 'finish_reason', 'created_at'] as const;

/** @returns the result that a file holds, or `undefined` where it holds none. */
function asResult(content: string): ResultFile | undefined {
  try {
    const json = JSON.parse(content) as ResultFile | null;
    return json && isResult(json) ? json : undefined;
  } catch {
    return undefined;
  }
}

function isResult({ task_id, status, completed_at, error, ...rest }: ResultFile): boolean {
  return (
    TASK_ID.test(task_id) &&
    OUTCOMES.includes(status) &&
    Number.isFinite(Date.parse(completed_at)) &&
    [error?.type, error?.message, ...TEXTS.map((name) => rest[name])].every(isTextOrAbsent)
  );
}

function isTextOrAbsent(value: unknown): boolean {
  return value === undefined || typeof value === 'string';
}

/** Leaves a file there; what is in it stays. */
async function putInto(folder: string, name: string): Promise<void> {
  await (await open(join(folder, name), 'a', PRIVATE_FILE.mode)).close();
}

/** Whether Kimi, or its refusal, has decided how the task ended. */
function isAnswered({ status }: TaskResult): boolean {
  return status === 'done' || status === 'failed';
}

/** The user need not be told of an answer that comes after a cancellation: it is kept in silence. */
function lateAfter(before: ResultFile, result: PricedResult): PricedResult & Partial<ResultFile> {
  const { status } = before.status === 'cancelled' ? before : result;
  return { ...result, status, late: true, ...(status === 'cancelled' && acknowledgementOf(before)) };
}

function acknowledgementOf({ acknowledged, acknowledged_at }: ResultFile): Partial<ResultFile> {
  return { ...(acknowledged && { acknowledged }), ...(acknowledged_at && { acknowledged_at }) };
}

function emptyIfAbsent(error: NodeJS.ErrnoException): string[] {
  if (error.code !== 'ENOENT') throw error;
  return [];
}

/** What somebody else spoilt is written anew. */
function absentIfDamaged(error: unknown): undefined {
  if (!(error instanceof ServiceError)) throw error;
}

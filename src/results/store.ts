import type { KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, unlink } from 'node:fs';
import { opendir, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ServiceError } from '../service/exit.ts';
import { tildePath, unlessAbsent } from '../service/files.ts';
import { isoSeconds } from '../shared/format.ts';
import type { PendingFile, Question, ResultFile, Timings } from '../shared/result.ts';
import { rowsAsked } from '../shared/map.ts';
import { notificationId, rowTaskId } from '../shared/task-id.ts';
import { viewOfAsked, type FileNote, type TaskView } from '../shared/task.ts';
import { BatchWriter, replaceFile, type Batch } from './atomic-writer.ts';
import {
  absentIfDamaged,
  byCompletion,
  checkedId,
  isResultOf,
  parsePending,
  parseResult,
  readResult,
  readResultNow,
  taskIdOf,
} from './file.ts';
import { Inbox } from './inbox.ts';
import { lateAfter, rankOf, type PricedResult } from './late.ts';
import { retriesIn, retriesOf } from './map-result.ts';
import { RemovedTasks } from './removed.ts';
import { TaskFolder } from './task-folder.ts';
import { openQuestion, sealQuestion } from './question.ts';

const unlinkFile = promisify(unlink);

/** A saved result that was removed or damaged since. */
export class NoResult extends ServiceError<'nothing_to_acknowledge'> {}

/**
 * The results folder (docs/results.md). Every file is written aside, synced and renamed, so a reader never
 * sees a partial one. Several processes may share a folder: a lock file protects what touches `latest.json`.
 */
export class ResultStore {
  private readonly writer: BatchWriter;
  private readonly inbox: Inbox;
  /** Maps that asked failed rows of another one again. */
  private readonly retries: TaskFolder;
  /** Tasks that were removed from the engine as well. */
  readonly removed: RemovedTasks;

  /** @param keys by id; the first one encrypts questions, which stay readable without any */
  constructor(
    readonly folder: string,
    private readonly keys: ReadonlyMap<string, KeyObject> = new Map(),
  ) {
    this.writer = new BatchWriter(folder, this.latestPath);
    this.inbox = new Inbox(join(folder, '.unacknowledged'));
    this.retries = new TaskFolder(join(folder, '.retries'));
    this.removed = new RemovedTasks(join(folder, '.removed'));
  }

  resultPath(task_id: string): string {
    return join(this.folder, `${checkedId(task_id)}.json`);
  }

  get latestPath(): string {
    return join(this.folder, 'latest.json');
  }

  /** @returns the path of a result as a user would type it: `latest.json` while it is the latest. */
  pathToShow(task_id: string): string {
    return tildePath(isResultOf(this.latestPath, task_id) ? this.latestPath : this.resultPath(task_id));
  }

  /** @returns the size of a result's file, in bytes; 0 if there is none. */
  sizeOf(task_id: string): number {
    return statSync(this.resultPath(task_id), { throwIfNoEntry: false })?.size ?? 0;
  }

  private pendingPath(task_id: string): string {
    return join(this.folder, `pending-${checkedId(task_id)}.json`);
  }

  /** Records that Kimi has accepted a task. Does nothing once the task has a result. */
  async recordPending(pending: PendingFile): Promise<void> {
    const { task_id } = pending;
    await this.writer.exclusively(async (batch) => {
      if (this.readNow(task_id)) return;
      if (existsSync(this.pendingPath(task_id))) return;
      await batch.write(this.pendingPath(task_id), pending);
    });
  }

  /** @returns the tasks that Kimi has accepted and that have no result, newest first, without the rows of maps. */
  pending(): PendingFile[] {
    if (!existsSync(this.folder)) return [];
    const found = readdirSync(this.folder).flatMap((name) => {
      const task_id = name.startsWith('pending-') ? taskIdOf(name.slice('pending-'.length)) : undefined;
      if (task_id === undefined || existsSync(this.resultPath(task_id))) return [];
      const pending = parsePending(readFileSync(join(this.folder, name), 'utf8'));
      return pending?.task_id === task_id && !pending.row ? [pending] : [];
    });
    return found.toSorted((a, b) => b.created_at.localeCompare(a.created_at));
  }

  /**
   * Saves a result. Saving the same result again changes nothing, and `latest.json` is never replaced by an older result.
   *
   * If another outcome is saved already, this one was decided by a workflow that did not know of it, and whose user may have been
   * notified: a saved answer is kept, and an answer to a task that was saved without one is a late answer. What a cancelled answer had cost
   * is added to the cancellation.
   *
   * @returns what is saved now, and whether this call saved it.
   */
  async persist(result: PricedResult): Promise<{ saved: ResultFile; isNew: boolean }> {
    return await this.writer.exclusively(async (batch) => {
      const before = this.readIfSoundNow(result.task_id);
      const isKnown = before !== undefined && rankOf(before) >= rankOf(result);
      const saved = isKnown
        ? before
        : {
            ...sealQuestion(before ? lateAfter(before, result) : result, this.keys),
            completed_at: isoSeconds(Date.now()),
          };
      // Entries are written first, so that no result lacks one. They are also written for a known result, whose entry a crash of the
      // disk may have lost.
      if (isForInbox(saved)) this.inbox.add(result.task_id, batch);
      if (saved.map?.retries !== undefined) this.retries.add(result.task_id, batch);
      if (!isKnown) await batch.write(this.resultPath(result.task_id), saved);
      await unlinkFile(this.pendingPath(result.task_id)).catch(unlessAbsent);
      // The map of a row is notified, and has a result of its own.
      if (saved.row) return { saved, isNew: !isKnown };
      // A new result is the latest; a known one may not be.
      const latest = isKnown ? (batch.latest ?? (await this.latest().catch(absentIfDamaged))) : undefined;
      if (!latest || latest.completed_at < saved.completed_at) batch.latest = saved;
      return { saved, isNew: !isKnown };
    });
  }

  /**
   * Marks a result as shown to the user. A second time changes nothing.
   *
   * @param timings what was not known yet when the result was saved.
   * @param notification id of the notification that was shown; a result with another one is not marked.
   * @returns whether it is marked.
   * @throws {NoResult}
   */
  async acknowledge(task_id: string, timings?: Timings, notification?: string): Promise<boolean> {
    return await this.writer.exclusively(async (batch) => {
      const saved = this.readIfSoundNow(task_id);
      if (!saved) throw new NoResult('nothing_to_acknowledge', { file: this.resultPath(task_id) });
      if (notification !== undefined && notification !== notificationId(saved)) return false;
      const acknowledged: ResultFile = saved.acknowledged
        ? saved
        : {
            ...saved,
            ...((saved.timings ?? timings) && { timings: { ...saved.timings, ...timings } }),
            acknowledged: true,
            acknowledged_at: isoSeconds(Date.now()),
          };
      if (!saved.acknowledged) await batch.write(this.resultPath(task_id), acknowledged);
      const isLatest = batch.latest ? batch.latest.task_id === task_id : isResultOf(this.latestPath, task_id);
      const latest = isLatest ? (batch.latest ?? (await this.latest().catch(absentIfDamaged))) : undefined;
      if (latest?.task_id === task_id && !latest.acknowledged) batch.latest = acknowledged;
      this.inbox.remove(task_id);
      return true;
    });
  }

  /** Records that the gateway has accepted a notification; see {@link Inbox.noteWoken}. */
  noteWoken(task_id: string, notification: string): void {
    this.inbox.noteWoken(task_id, notification);
  }

  /** @returns whether the gateway has accepted a notification that is not acknowledged yet. */
  wasWoken(task_id: string, notification: string): boolean {
    return this.inbox.wasWoken(task_id, notification);
  }

  /**
   * @returns the saved result of a task, or `undefined`.
   * @throws {ServiceError} if the file holds no result.
   */
  async read(task_id: string): Promise<ResultFile | undefined> {
    return await readResult(this.resultPath(task_id), task_id);
  }

  /** {@link read}, blocking: for a task whose result was just saved, or whose next step it is. */
  readNow(task_id: string): ResultFile | undefined {
    return readResultNow(this.resultPath(task_id), task_id);
  }

  private readIfSoundNow(task_id: string): ResultFile | undefined {
    try {
      return this.readNow(task_id);
    } catch (error) {
      return absentIfDamaged(error);
    }
  }

  /** @returns the saved result of a task; `undefined` also if it is damaged. */
  async readIfSound(task_id: string): Promise<ResultFile | undefined> {
    return await this.read(task_id).catch(absentIfDamaged);
  }

  /**
   * @returns what was asked; `undefined` if the result is of a version that did not keep it.
   * @throws {ServiceError} if it is encrypted with a key that is missing
   */
  questionOf(result: ResultFile): Question | undefined {
    return openQuestion(result, this.keys);
  }

  /** @returns the files that went with a question; `undefined` if there were none, or if it cannot be decrypted. */
  filesOf(result: ResultFile): FileNote[] | undefined {
    try {
      return this.questionOf(result)?.files;
    } catch (error) {
      return absentIfDamaged(error);
    }
  }

  /** @returns the beginning of what was asked, and the files that went with it; neither if they were not kept, or cannot be decrypted. */
  noteOf(result: ResultFile): Pick<TaskView, 'question' | 'files'> {
    try {
      const asked = this.questionOf(result);
      return asked ? viewOfAsked(asked) : {};
    } catch (error) {
      absentIfDamaged(error);
      return {};
    }
  }

  /** @returns the latest result, or `undefined`. */
  async latest(): Promise<ResultFile | undefined> {
    return await readResult(this.latestPath);
  }

  /** @returns every result that is not acknowledged, oldest first. */
  async unacknowledged(): Promise<ResultFile[]> {
    return (await this.resultsIn(this.inbox)).filter(({ acknowledged }) => !acknowledged).toSorted(byCompletion);
  }

  /** @returns the results of the maps that asked failed rows of another one again. */
  async savedRetries(): Promise<ResultFile[]> {
    return await this.resultsIn(this.retries);
  }

  private async resultsIn(folder: TaskFolder): Promise<ResultFile[]> {
    const task_ids = await folder.taskIds();
    const found = await Promise.all(task_ids.map(async (task_id) => await this.readIfSound(task_id)));
    return found.filter((result) => result !== undefined);
  }

  /**
   * Every result that was saved since then, unordered, one at a time. It blocks the process: for a command, which has
   * nothing else to do, this takes a third of the time (100,000 results: 4 s instead of 12).
   *
   * @param since milliseconds since 1970
   * @returns `undefined` in place of a file that holds no result.
   */
  *savedSince(since: number): Generator<ResultFile | undefined> {
    if (!existsSync(this.folder)) return;
    for (const name of readdirSync(this.folder)) {
      const task_id = taskIdOf(name);
      if (task_id === undefined) continue;
      const path = this.resultPath(task_id);
      // Old files are not read: a file is written when its result is saved, or later.
      const file = statSync(path, { throwIfNoEntry: false });
      if (!file || file.mtimeMs < since) continue;
      const result = file.isFile() ? parseResult(readFileSync(path, 'utf8')) : undefined;
      if (!result || Date.parse(result.completed_at) >= since) yield result;
    }
  }

  /** Results that are older than `keepMs` and acknowledged, one at a time; rows go with their map, and a map with its retries. */
  async *old(keepMs: number): AsyncGenerator<ResultFile> {
    const maps = new Map<string, ResultFile>();
    const until = Date.now() - keepMs;
    if (!existsSync(this.folder)) return;
    for await (const { name } of await opendir(this.folder)) {
      const task_id = taskIdOf(name);
      if (task_id === undefined) continue;
      const { mtimeMs = Infinity } = (await stat(this.resultPath(task_id)).catch(() => undefined)) ?? {};
      const result = mtimeMs <= until ? await this.readIfSound(task_id) : undefined;
      if (!result?.acknowledged || result.row) continue;
      if (result.map) maps.set(result.task_id, result);
      else yield result;
    }
    if (maps.size === 0) return;
    const retries = await retriesIn(this);
    for (const [task_id, map] of maps) if (retriesOf(task_id, retries).every((id) => maps.has(id))) yield map;
  }

  /**
   * Removes results that are {@link old}, those of a map with its rows.
   *
   * @returns the number of removed results.
   */
  async prune(keepMs: number): Promise<number> {
    let removed = 0;
    for await (const result of this.old(keepMs)) {
      for (const id of [result.task_id, ...(await this.rowIdsOf(result))]) {
        await rm(this.resultPath(id), { force: true });
        removed += 1;
      }
      this.retries.remove(result.task_id);
    }
    if (removed > 0) await this.writer.exclusively(async (batch) => await this.renewLatest(batch));
    return removed;
  }

  /** Makes the newest result the latest one if that was removed. */
  private async renewLatest(batch: Batch): Promise<void> {
    // Another one may have been saved meanwhile.
    const latest = await this.latest().catch(absentIfDamaged);
    if (latest && this.sizeOf(latest.task_id) > 0) return;
    await rm(this.latestPath, { force: true });
    let newest: ResultFile | undefined;
    for (const result of this.savedSince(0)) {
      if (result && !result.row && (!newest || newest.completed_at < result.completed_at)) newest = result;
    }
    if (newest) batch.latest = newest;
    batch.noteChange(this.folder);
  }

  /** @returns how many results continue the conversation of one of these tasks, at once or through others. */
  continuationsOf(task_ids: readonly string[]): number {
    const before = new Map<string, string>();
    for (const result of this.savedSince(0)) {
      if (result?.continues !== undefined) before.set(result.task_id, result.continues);
    }
    const broken = new Set(task_ids);
    for (let size = 0; size < broken.size;) {
      size = broken.size;
      for (const [task_id, continues] of before) if (broken.has(continues)) broken.add(task_id);
    }
    return broken.size - new Set(task_ids).size;
  }

  /** @returns the ids of a map's rows that have a result. */
  async rowIdsOf({ task_id: map, map: summary }: ResultFile): Promise<string[]> {
    const ids: string[] = [];
    for (const number of summary ? rowsAsked(summary) : []) {
      const task_id = rowTaskId(map, number);
      if ((await this.readIfSound(task_id))?.row?.map === map) ids.push(task_id);
    }
    return ids;
  }

  /** Removes a result with everything about it, the rows of a map among it. If it is the latest one, the next newest becomes the latest. */
  async remove(task_id: string): Promise<void> {
    await this.writer.exclusively(async (batch) => {
      const isLatest = isResultOf(this.latestPath, task_id);
      const map = await this.readIfSound(task_id);
      for (const id of map ? await this.rowIdsOf(map) : []) await rm(this.resultPath(id), { force: true });
      await rm(this.pendingPath(task_id), { force: true });
      await rm(this.resultPath(task_id), { force: true });
      this.inbox.remove(task_id);
      this.retries.remove(task_id);
      if (isLatest) await this.renewLatest(batch);
      batch.noteChange(this.folder);
    });
  }

  /**
   * Makes the folder, checks that it can be written to, and removes files that a killed process left half-written: while this
   * process has the lock, no other one is writing.
   */
  async prepare(): Promise<void> {
    await this.writer.exclusively(async () => {
      for (const name of await readdir(this.folder)) {
        // Files that were not whole yet are named `<name>.<number>`.
        if (/^(?:pending-kimi-|kimi-|latest).*\.json\.\d+$/.test(name))
          await rm(join(this.folder, name), { force: true });
      }
      if (!this.inbox.exists || !this.retries.exists) await this.createFolders();
      const probe = join(this.folder, `.probe-${process.pid}`);
      await replaceFile(probe, '');
      await rm(probe);
    });
  }

  /** Reads every result, once: the folder was written by a version without an inbox, or is new. */
  private async createFolders(): Promise<void> {
    const unacknowledged: string[] = [];
    const retries: string[] = [];
    for (const name of await readdir(this.folder)) {
      const task_id = taskIdOf(name);
      const result = task_id === undefined ? undefined : await this.readIfSound(task_id);
      if (result && isForInbox(result)) unacknowledged.push(result.task_id);
      if (result?.map?.retries !== undefined) retries.push(result.task_id);
    }
    if (!this.inbox.exists) await this.inbox.create(unacknowledged);
    if (!this.retries.exists) await this.retries.create(retries);
  }
}

/** Whether a user is to see a result: neither that of a row, nor one that a program asks for. */
function isForInbox({ acknowledged, row, wake }: ResultFile): boolean {
  return !acknowledged && !row && wake !== false;
}

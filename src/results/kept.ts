/** Finished tasks with what was asked and answered, for `export` and `search`. */
import { ServiceError } from '../service/exit.ts';
import { withoutQuestion, type Question, type ResultFile } from '../shared/result.ts';
import type { ResultStore } from './store.ts';

/** A result and its question; without one if it was not kept, or cannot be decrypted. */
export type KeptTask = Omit<ResultFile, 'encrypted_question'> & Partial<Question>;

/** Reads the results of a folder, and counts what cannot be read. */
export class KeptTasks {
  /** Files that hold no result. */
  damaged = 0;
  /** Questions whose key is missing. */
  locked = 0;

  constructor(private readonly results: ResultStore) {}

  /**
   * @param since milliseconds since 1970
   * @returns the tasks that were saved since then, unordered, one at a time: answers may be long.
   */
  *all(since: number): Generator<KeptTask> {
    for (const result of this.results.savedSince(since)) {
      if (result) yield this.opened(result);
      else this.damaged += 1;
    }
  }

  /** @returns one task; `undefined` if its file was removed or damaged meanwhile. */
  async one(task_id: string): Promise<KeptTask | undefined> {
    const result = await this.results.readIfSound(task_id);
    return result && this.opened(result);
  }

  private opened(result: ResultFile): KeptTask {
    try {
      return { ...withoutQuestion(result), ...this.results.questionOf(result) };
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      this.locked += 1;
      return withoutQuestion(result);
    }
  }
}

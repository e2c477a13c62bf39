import type { ResultFile } from '../shared/result.ts';
import { MAX_PROMPT_BYTES, type Lang, type TaskFile } from '../shared/task.ts';
import type { Attachment, Standing, Tasks } from '../tasks/tasks.ts';

/** Largest message, in bytes: a prompt in which every character is escaped. */
export const MAX_MESSAGE_BYTES = 7 * MAX_PROMPT_BYTES;

/** How a client comes to the tasks: over standard input and output, or over HTTP. */
export interface Door {
  lang: Lang;
  /** Opens the operations that the client may use; called for each request. */
  open: () => Promise<Tasks>;
  /** Yields a task whenever it has changed, until it has ended or the services do. @param now the task as the client may see it */
  changes: (now: Standing, signal: AbortSignal) => AsyncIterable<Standing>;
  /** Reads files of the client's user and stores them; absent if the client may be on another machine. */
  keepFiles?: (paths: string[], tasks: Tasks) => Promise<TaskFile[]>;
  /** Reads a file of rows of the client's user; absent as `keepFiles`. */
  readRows?: (path: string) => Promise<Attachment>;
  /** Called with each result that the client is sent; absent if `open` returns operations that acknowledge it by themselves. */
  sending?: (result: ResultFile, tasks: Tasks) => void;
  /** @returns what happened and what to do next. @param task_id the task that the request is about */
  explain: (error: unknown, task_id?: string) => Promise<string>;
  /** Whether the client is woken when a task that it started has ended (Claude Code's channels). */
  channel?: boolean;
}

/** @returns a result that the client is sent. @param task_id the newest result if absent */
export async function resultToSend(
  { sending }: Pick<Door, 'sending'>,
  tasks: Tasks,
  task_id?: string,
): Promise<ResultFile> {
  const result = await tasks.result(task_id);
  sending?.(result, tasks);
  return result;
}

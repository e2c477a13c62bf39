import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import { TaskFolder } from './task-folder.ts';

/** The results that are not acknowledged. Each file holds the ids of the notifications that the gateway has accepted. */
export class Inbox extends TaskFolder {
  /**
   * Records that the gateway has accepted a notification. It blocks, and does not sync: the record has to survive the end of this
   * process, not of the machine. Does nothing for an acknowledged result: an agent may find it while it is being woken.
   */
  noteWoken(task_id: string, notification: string): void {
    const { O_WRONLY, O_APPEND } = constants;
    try {
      const file = openSync(this.pathOf(task_id), O_WRONLY | O_APPEND);
      try {
        writeSync(file, `${notification}\n`);
      } finally {
        closeSync(file);
      }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }

  /** @returns whether the gateway has accepted a notification that is not acknowledged yet. */
  wasWoken(task_id: string, notification: string): boolean {
    try {
      return readFileSync(this.pathOf(task_id), 'utf8').split('\n').includes(notification);
    } catch {
      return false;
    }
  }
}

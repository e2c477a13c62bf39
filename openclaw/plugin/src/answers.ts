import { createHash } from 'node:crypto';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import type { Route } from '../../../src/shared/chat.ts';

/** Messages that are remembered: an answer has one or two, so these are weeks of a busy chat. The oldest are forgotten. */
const MOST = 5_000;

/** A message by the hash of its chat and id, and the task whose answer it carried. */
type Entry = [message: string, task_id: string];

/**
 * Which task each message with an answer belongs to, on disk: a user who replies to such a message continues that task, also after a
 * restart of the gateway. One file, replaced as a whole.
 */
export class Answers {
  private readonly file: string;
  /** One change at a time. */
  private work: Promise<void> = Promise.resolve();

  constructor(stateDir: string) {
    this.file = join(stateDir, 'kimi-dispatch', 'answers.json');
  }

  /** Remembers the messages that carried the answer of a task. It is an extra: without it, a reply quotes the message. */
  async add(route: Route, message_ids: readonly string[], task_id: string): Promise<void> {
    if (message_ids.length === 0) return;
    this.work = this.work.then(async () => await this.write(route, message_ids, task_id)).catch(() => {});
    await this.work;
  }

  /** @returns the task whose answer a message of this chat carried. */
  async taskOf(route: Route, message_id: string): Promise<string | undefined> {
    const key = keyOf(route, message_id);
    return (await this.read()).find(([message]) => message === key)?.[1];
  }

  private async write(route: Route, message_ids: readonly string[], task_id: string): Promise<void> {
    const known = new Map(await this.read());
    const keys = message_ids.map((id) => keyOf(route, id));
    // Slack names only the first message of a thread: a thread under an answer continues the newest answer in it.
    const root = route.thread_id === undefined ? undefined : keyOf(route, route.thread_id);
    if (root !== undefined && known.has(root)) keys.push(root);
    for (const key of keys) {
      known.delete(key);
      known.set(key, task_id);
    }
    await mkdir(join(this.file, '..'), { recursive: true });
    const aside = `${this.file}.new`;
    const file = await open(aside, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify([...known].slice(-MOST)));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(aside, this.file);
  }

  private async read(): Promise<Entry[]> {
    try {
      return JSON.parse(await readFile(this.file, 'utf8')) as Entry[];
    } catch {
      return [];
    }
  }
}

/** Ids of messages are unique within a chat at most. A thread is a part of its chat here. */
function keyOf({ channel, account_id = 'default', to }: Route, message_id: string): string {
  return createHash('sha256')
    .update(JSON.stringify([channel, account_id, to, message_id]))
    .digest('base64url');
}

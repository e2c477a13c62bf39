/** Wakes an agent in Claude Code: a channel notification when a task that it started has ended. */
import { setTimeout as pause } from 'node:timers/promises';
import type { McpServer } from '@modelcontextprotocol/server';
import { field } from '../shared/format.ts';
import { unlessAway } from '../tasks/away.ts';
import { Problem } from '../tasks/problem.ts';
import { textFor } from '../text/index.ts';
import type { Door } from './door.ts';
import { mcpText } from './text/index.ts';

/** The capability that a channel declares (https://code.claude.com/docs/en/channels-reference). */
export const CHANNEL = { 'claude/channel': {} };

/** How often the open tasks are looked at, in milliseconds. */
const LOOK_MS = 2_000;

export class Channel {
  private readonly open = new Set<string>();
  /** A repeated call names its task again. */
  private readonly watched = new Set<string>();
  private isWatching = false;

  constructor(
    private readonly server: McpServer,
    private readonly door: Door,
  ) {}

  /** Watches a task until it has ended; once. */
  watch(task_id: string): void {
    if (this.watched.has(task_id)) return;
    this.watched.add(task_id);
    this.open.add(task_id);
    if (this.isWatching) return;
    this.isWatching = true;
    void this.look();
  }

  private async look(): Promise<void> {
    while (this.open.size > 0) {
      await pause(LOOK_MS, undefined, { ref: false });
      for (const task_id of this.open) {
        const notification = await this.notificationOf(task_id).catch(() => undefined);
        if (!notification) continue;
        this.open.delete(task_id);
        // The client may be gone.
        await this.server.server.notification(notification).catch(() => {});
      }
    }
    this.isWatching = false;
  }

  /** @returns the notification of a task that has ended; `undefined` before. Services that are away are waited for. */
  private async notificationOf(task_id: string) {
    const { lang } = this.door;
    const say = mcpText(lang);
    const tasks = await this.door.open();
    const found = await unlessAway(tasks.result(task_id)).catch((error: unknown) => {
      if (error instanceof Problem) return { task_name: task_id, status: error.code };
      throw error;
    });
    if (!found) return undefined;
    const { state } = textFor(lang);
    const said = found.status in state ? state[found.status as keyof typeof state] : found.status;
    return {
      method: 'notifications/claude/channel',
      params: {
        content: say.ended(field(found.task_name), task_id, said),
        // Names of letters, digits and underscores; others are left out.
        meta: { task_id, status: found.status },
      },
    };
  }
}

/** Wakes an agent in Claude Code: a channel notification when a task that it started has ended. */
import type { McpServer } from '@modelcontextprotocol/server';
import { field } from '../shared/format.ts';
import { isAway } from '../tasks/away.ts';
import { Problem } from '../tasks/problem.ts';
import { isOver } from '../tasks/view.ts';
import { textFor } from '../text/index.ts';
import type { Door } from './door.ts';
import { follow } from './follow.ts';
import { mcpText } from './text/index.ts';

/** The capability that a channel declares (https://code.claude.com/docs/en/channels-reference). */
export const CHANNEL = { 'claude/channel': {} };

/** The configuration may be unreadable while it is edited, for example. */
function isPassing(error: unknown): boolean {
  return isAway(error) || !(error instanceof Problem);
}

export class Channel {
  /** A repeated call names its task again. */
  private readonly watched = new Set<string>();
  /** Aborted when the client is gone: an open connection would keep the process alive. */
  private readonly closing = new AbortController();

  constructor(
    private readonly server: McpServer,
    private readonly door: Door,
  ) {
    // It has no listeners.
    // oxlint-disable-next-line unicorn/prefer-add-event-listener
    server.server.onclose = () => this.closing.abort();
  }

  /** Watches a task until it has ended; once. */
  watch(task_id: string): void {
    if (this.watched.has(task_id)) return;
    this.watched.add(task_id);
    // The client may be gone.
    void this.notify(task_id).catch(() => {});
  }

  private async notify(task_id: string): Promise<void> {
    const { lang } = this.door;
    const end = await this.endOf(task_id);
    if (!end) return;
    const { status, name } = end;
    const { state } = textFor(lang);
    const said = status in state ? state[status as keyof typeof state] : status;
    await this.server.server.notification({
      method: 'notifications/claude/channel',
      params: {
        content: mcpText(lang).ended(field(name), task_id, said),
        // Names of letters, digits and underscores; others are left out.
        meta: { task_id, status },
      },
    });
  }

  /** @returns how a task has ended; `undefined` if the client is gone before. */
  private async endOf(task_id: string): Promise<{ name: string; status: string } | undefined> {
    try {
      for await (const seen of follow(task_id, this.door, this.closing.signal, isPassing)) {
        if (!('task' in seen) || !isOver(seen.task)) continue;
        const { task_name: name, status, ended, missing_file: missing } = seen.task;
        return { name, status: ended !== undefined ? 'ended' : missing !== undefined ? 'result_gone' : status };
      }
    } catch (error) {
      return { name: task_id, status: (error as Problem).code };
    }
    return undefined;
  }
}

import { randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { callGatewayFromCli } from 'openclaw/plugin-sdk/gateway-runtime';
import type { Route } from '../../../src/shared/chat.ts';
import { isOutcome, type Outcome, type TaskView } from '../../../src/shared/task.ts';
import { TASK_ID } from '../../../src/shared/task-id.ts';
import { channelOf } from './channels.ts';
import type { Run } from './command-line.ts';
import type { Delivery } from './notifier.ts';
import { asData } from './safe-text.ts';

/** Pause between two looks at the tasks, and age of a task at its first line. Milliseconds. */
const EVERY_MS = 30_000;

/** Age at which a task is not followed any more. Milliseconds. */
const KEEP_MS = 24 * 3600 * 1000;

/** Longest call of the gateway, in milliseconds, without output. */
const EDIT_OPTIONS = { timeout: '10000', json: true } as const;

const SIGNS: Record<Outcome, string> = { done: '✅', failed: '❌', timed_out: '⏰', cancelled: '🚫' };

/** The messages of a chat. */
export interface Messages {
  post(route: Route, text: string): Promise<Delivery>;
  /** Throws if the message was not changed. */
  edit(route: Route, message_id: string, text: string): Promise<void>;
}

/** The line of a task, as a file: it outlives the gateway. */
interface Line {
  route: Route;
  /** When the task was started. Milliseconds since 1970. */
  since: number;
  /** Absent before the first line. */
  message_id?: string;
  /** Of the message (`Delivery`). */
  place?: string;
  text?: string;
  /** The first line is being sent. If this is still set after a restart, it may have been shown: no other one follows. */
  isSending?: true;
}

/**
 * Shows in the chat of a task how far it is, in one message that is edited. It is an extra: whatever fails here, the notification is
 * not touched.
 */
export class ProgressLines {
  private readonly folder: string;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  /** One thing at a time: neither is an end overwritten by progress, nor do many tasks run many processes. */
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly run: Run,
    private readonly messages: Messages,
    stateDir: string,
    private readonly everyMs = EVERY_MS,
  ) {
    this.folder = join(stateDir, 'kimi-dispatch', 'progress');
  }

  /** Follows a task. A message that is delivered again names one that is followed already. */
  follow(task_id: string, route: Route): void {
    if (!channelOf(route.channel).edits) return;
    this.next(async () => {
      if (await this.read(task_id)) return;
      await this.write(task_id, { route, since: Date.now() });
      this.resume();
    });
  }

  /** Follows the tasks that were followed before the gateway ended. */
  resume(): void {
    if (this.isStopped) return;
    this.timer ??= setTimeout(() => this.next(async () => await this.lookAtAll()), this.everyMs).unref();
  }

  stop(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** Replaces the line of a task that has ended. */
  ended(task_id: string, task_name: string, outcome: Outcome): void {
    this.next(async () => {
      const line = await this.read(task_id);
      if (line) await this.end(task_id, line, `${SIGNS[outcome]} ${task_name}`);
    });
  }

  /** @returns when everything so far is done. */
  async settled(): Promise<void> {
    await this.work;
  }

  private next(step: () => Promise<void>): void {
    // A file that cannot be written costs the line, nothing else.
    this.work = this.work.then(step).catch(() => {});
  }

  private async lookAtAll(): Promise<void> {
    this.timer = undefined;
    const names = await readdir(this.folder).catch(() => []);
    const tasks = names.filter((name) => TASK_ID.test(name));
    for (const task_id of tasks) await this.lookAt(task_id).catch(() => {});
    if (tasks.length > 0) this.resume();
  }

  private async lookAt(task_id: string): Promise<void> {
    const line = await this.read(task_id);
    if (!line || line.isSending || Date.now() - line.since > KEEP_MS) return await this.forget(task_id);
    const { exit, stdout } = await this.run(['status', task_id, '--json', '--route', JSON.stringify(line.route)]);
    if (exit !== 0) return;
    const { task_name, state, progress, map } = JSON.parse(stdout) as Pick<TaskView, 'task_name' | 'state'> &
      Partial<Record<'progress' | 'map', { text: string }>>;
    if (isOutcome(state)) return await this.end(task_id, line, `${SIGNS[state]} ${task_name}`);
    const said = [map?.text, progress?.text].filter(Boolean).join(' · ');
    if (said !== '' && Date.now() - line.since >= this.everyMs) {
      await this.show(task_id, line, `⏳ ${task_name}：${said}`);
    }
  }

  private async show(task_id: string, line: Line, text: string): Promise<void> {
    const { route, since, message_id, place = route.to } = line;
    if (text === line.text) return;
    if (message_id !== undefined) {
      await this.messages.edit({ ...route, to: place }, message_id, text);
      return await this.write(task_id, { ...line, text });
    }
    await this.write(task_id, { ...line, isSending: true });
    const sent = await this.messages.post(route, text);
    const { message_ids: [shown] = [], place: where } = sent;
    if (shown !== undefined) {
      await this.write(task_id, { ...line, text, message_id: shown, ...(where && { place: where }) });
    } else if (sent.outcome === 'failed' && !sent.isUncertain) {
      await this.write(task_id, { route, since });
    } else {
      await this.forget(task_id);
    }
  }

  /** The next look tries once more if the edit fails. */
  private async end(task_id: string, { route, message_id, place = route.to }: Line, text: string): Promise<void> {
    if (message_id !== undefined) await this.messages.edit({ ...route, to: place }, message_id, text);
    await this.forget(task_id);
  }

  private async read(task_id: string): Promise<Line | undefined> {
    try {
      return JSON.parse(await readFile(join(this.folder, task_id), 'utf8')) as Line;
    } catch {
      return undefined;
    }
  }

  private async write(task_id: string, line: Line): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    const aside = join(this.folder, `.${task_id}`);
    await writeFile(aside, JSON.stringify(line), { mode: 0o600 });
    await rename(aside, join(this.folder, task_id));
  }

  private async forget(task_id: string): Promise<void> {
    await rm(join(this.folder, task_id), { force: true });
  }
}

/** Edits messages through the gateway: a plugin has no other way to the editing of its channels. */
export function editIn(callGateway: typeof callGatewayFromCli): Messages['edit'] {
  return async ({ channel, to, account_id }, messageId, text) => {
    const inChat = channelOf(channel).edits === 'inChat' && { to };
    await callGateway('message.action', EDIT_OPTIONS, {
      channel,
      action: 'edit',
      params: { ...inChat, messageId, message: asData(text, channel) },
      ...(account_id && { accountId: account_id }),
      conversationReadOrigin: 'direct-operator',
      idempotencyKey: randomUUID(),
    });
  };
}

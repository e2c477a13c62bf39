import type { Client } from '@temporalio/client';
import type { Route } from '../shared/chat.ts';
import { EXIT } from '../service/exit.ts';
import type { Context } from './context.ts';
import { CliError } from './exit.ts';
import { newestTasks } from '../temporal/newest-tasks.ts';

const HOUR_MS = 3_600_000;

/**
 * Lets a chat start so many tasks in any hour (`KIMI_MAX_TASKS_PER_CHAT_HOUR`). The engine counts, so a restart forgets none;
 * two that start at the very same moment may both get the last place.
 *
 * @throws {CliError} where the chat has had its share, saying when it may start another.
 */
export async function checkChatLimit(client: Client, { config, taskQueue, say }: Context, route: Route): Promise<void> {
  const most = config.KIMI_MAX_TASKS_PER_CHAT_HOUR;
  if (most === 0) return;
  const started = await newestTasks(client, taskQueue, { since: HOUR_MS, route }, most);
  const first = started[most - 1];
  if (!first) return;
  const minutes = Math.max(Math.ceil((Date.parse(first.created_at) + HOUR_MS - Date.now()) / 60_000), 1);
  throw new CliError(EXIT.limited, say.chatLimit(most, minutes));
}

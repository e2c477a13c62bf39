import { setTimeout as pause } from 'node:timers/promises';
import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import { isAway } from '../tasks/away.ts';
import { Problem } from '../tasks/problem.ts';
import { hasResult } from '../tasks/view.ts';
import { resultToSend, type Door } from './door.ts';
import { progressOf, resultOf, saying } from './sentences.ts';
import { mcpText } from './text/index.ts';

/** How often the task is looked at, in milliseconds. */
const LOOK_MS = 1_000;

/**
 * Waits until a task has a result, with progress notifications where the client asked for them.
 *
 * Services that are away for a while, e.g. since they are started again, are waited for too.
 *
 * @returns the result, or the progress after that time
 * @throws what was wrong at the first look, or is still wrong at the end
 */
export async function waitFor(
  task_id: string,
  seconds: number,
  door: Pick<Door, 'open' | 'sending' | 'lang'>,
  { mcpReq }: ServerContext,
): Promise<CallToolResult> {
  const { open, lang } = door;
  const start = performance.now();
  const elapsed = (): number => (performance.now() - start) / 1_000;
  const report = reporter(mcpReq, seconds);
  let isFirst = true;
  for (;;) {
    const isLast = elapsed() >= seconds;
    try {
      const tasks = await open();
      const task = await tasks.find(task_id);
      if (task.ended !== undefined) throw new Problem('ended', { task_id, how: task.ended });
      if (hasResult(task)) {
        const { content, structuredContent: result } = resultOf(await resultToSend(door, tasks, task_id), lang);
        return { content, structuredContent: { ended: true, result } };
      }
      const progress = progressOf(task, lang);
      if (isLast) return saying('kimi_wait', mcpText(lang).stillOpen(task_id, progress), { ended: false, task });
      await report(elapsed(), progress);
    } catch (error) {
      if (isFirst || isLast || !isAway(error)) throw error;
    }
    isFirst = false;
    await pause(Math.max(0, Math.min(LOOK_MS, (seconds - elapsed()) * 1_000)), undefined, { signal: mcpReq.signal });
  }
}

type Report = (elapsed: number, message: string) => Promise<void>;

/** Progress has to increase with each notification. */
function reporter({ _meta: meta, notify }: ServerContext['mcpReq'], total: number): Report {
  const { progressToken } = meta ?? {};
  let before = -1;
  return async (elapsed, message) => {
    const progress = Math.round(elapsed * 10) / 10;
    if (progressToken === undefined || progress <= before) return;
    before = progress;
    await notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
  };
}

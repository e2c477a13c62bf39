import type { CallToolResult, ServerContext } from '@modelcontextprotocol/server';
import { anySignal } from '../service/any-signal.ts';
import { Problem } from '../tasks/problem.ts';
import { isOver } from '../tasks/view.ts';
import { resultToSend, type Door } from './door.ts';
import { follow, type Seen } from './follow.ts';
import { progressOf, resultOf, saying } from './sentences.ts';
import { mcpText } from './text/index.ts';

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
  door: Pick<Door, 'open' | 'changes' | 'sending' | 'lang'>,
  { mcpReq }: ServerContext,
): Promise<CallToolResult> {
  const { open, lang } = door;
  const report = reporter(mcpReq, seconds);
  const signal = anySignal([mcpReq.signal, AbortSignal.timeout(seconds * 1_000)]);
  let last: Seen | undefined;
  for await (const seen of follow(task_id, door, signal)) {
    if ('away' in seen && !last) throw seen.away;
    last = seen;
    if ('away' in seen) continue;
    const { task } = seen;
    if (task.ended !== undefined) throw new Problem('ended', { task_id, how: task.ended });
    if (isOver(task)) {
      const { content, structuredContent: result } = resultOf(await resultToSend(door, await open(), task_id), lang);
      return { content, structuredContent: { ended: true, result } };
    }
    await report(progressOf(task, lang));
  }
  mcpReq.signal.throwIfAborted();
  if (!last || 'away' in last) throw last?.away;
  const { task } = last;
  return saying('kimi_wait', mcpText(lang).stillOpen(task_id, progressOf(task, lang)), { ended: false, task });
}

/** Progress has to increase with each notification. */
function reporter({ _meta: meta, notify }: ServerContext['mcpReq'], total: number): (message: string) => Promise<void> {
  const { progressToken } = meta ?? {};
  const start = performance.now();
  let before = -1;
  return async (message) => {
    const progress = Math.round((performance.now() - start) / 100) / 10;
    if (progressToken === undefined || progress <= before) return;
    before = progress;
    await notify({ method: 'notifications/progress', params: { progressToken, progress, total, message } });
  };
}

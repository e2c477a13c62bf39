import { TaskEvents } from '../api/task-events.ts';
import type { Door } from '../mcp/door.ts';
import { KimiDispatch } from '../sdk/client.ts';
import { KimiDispatchError } from '../sdk/errors.ts';
import type { Standing, Tasks } from '../tasks/tasks.ts';
import { runningService } from './running-service.ts';

/**
 * @param open opens the operations
 * @returns what follows tasks: by the events of the running service; without one, by asking the engine now and then.
 */
export function taskChanges(open: () => Promise<Tasks>): Door['changes'] {
  const events = new TaskEvents(open);
  return (now, signal) => (runningService() ? fromService(now, signal) : events.changes(now, signal));
}

async function* fromService(now: Standing, signal: AbortSignal): AsyncGenerator<Standing, void> {
  let task = now;
  try {
    for await (const event of new KimiDispatch({ retryForMs: 0 }).stream(now.task_id, { signal, text: false })) {
      if (event.type === 'text') continue;
      task = event.type === 'progress' ? { ...task, progress: event.progress } : (event.task as Standing);
      yield task;
    }
  } catch (error) {
    // The caller asks again, which shows why.
    if (!(error instanceof KimiDispatchError)) throw error;
  }
}

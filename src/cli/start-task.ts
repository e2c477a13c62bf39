import { langOf } from '../config/early.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { newKey } from '../tasks/task-id.ts';
import type { NewTask, StartedTask, Tasks } from '../tasks/tasks.ts';
import { explain, textFor } from '../text/index.ts';
import { print } from './output/terminal.ts';
import { exitForFailure, taskIsStarted } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Latest return of `dispatch`, from the start of its process: under a second (docs/benchmarks.md). */
const RETURN_BY_MS = 900;

/** Shortest wait for the acceptance, on a machine so slow that the time is up before the wait begins. Milliseconds. */
const LEAST_WAIT_MS = 200;

/** Starts a task and says whether Kimi has accepted it. */
export async function startAndSay(tasks: Tasks, task: NewTask, say: CliText, json = false): Promise<Exit> {
  return sayStarted(await tasks.start(task, newKey(), acceptanceWaitMs()), say, json);
}

/** @returns how long to wait until Kimi has accepted a task, in milliseconds. */
export function acceptanceWaitMs(): number {
  // Node 20 loads a module for `performance.now()`.
  return Math.max(RETURN_BY_MS - process.uptime() * 1_000, LEAST_WAIT_MS);
}

/** @returns that the task was dispatched, is queued, or exceeds a budget. */
export function startedSentence(started: StartedTask, name: string, say: CliText): string {
  if (started.status === 'queued') return say.queued(name, textFor(langOf()).queuePosition(started.queued));
  if (started.status !== 'paused') return say.dispatched(name);
  return say.paused(name, started.task_id, textFor(langOf()).budget.pause(started.paused, Date.now()));
}

/** Says whether Kimi has accepted a task. */
export function sayStarted({ simulated, retired, ...started }: StartedTask, say: CliText, json = false): Exit {
  if (started.status !== 'refused') taskIsStarted();

  if (json) {
    print(JSON.stringify(started));
  } else if (started.status !== 'refused') {
    const retirement = retired && textFor(langOf()).detail(retired);
    print(startedSentence(started, started.task_name, say));
    print(say.taskId(started.task_id), process.stderr);
    if (started.status === 'pending') console.error(say.pending);
    if (retirement !== undefined) console.error(say.retiredNotice(retirement));
    if (simulated) console.error(say.simulatedNotice);
  } else {
    console.error(say.refused(started.task_name, explain(started.error, textFor(langOf()))));
    console.error(say.taskId(started.task_id));
  }
  return started.status === 'refused' ? exitForFailure(started.error.type) : EXIT.ok;
}

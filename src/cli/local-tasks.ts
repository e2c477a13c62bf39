import { EXIT } from '../service/exit.ts';
import { LocalTasks } from '../tasks/local.ts';
import { Problem } from '../tasks/problem.ts';
import type { Filter, NewTask, StartedTask, TaskList } from '../tasks/tasks.ts';
import { EngineUnreachable } from '../temporal/engine-unreachable.ts';
import { savedTasks } from '../temporal/task-list.ts';
import type { StackState } from '../stack/state.ts';
import { NothingRuns, noKey, openContext, readContext, upAgain, wasSimulated, type Context } from './context.ts';
import { CliError } from './exit.ts';

/** The operations in this process. Warns on standard error if the running services are of another build. */
export async function openLocalTasks(): Promise<LocalTasks> {
  return new TasksOfCommands(await openContext());
}

/** What only a command does: reads the results folder without the engine, and explains a missing key by the configuration. */
class TasksOfCommands extends LocalTasks {
  constructor(private readonly own: Context) {
    super(own);
  }

  /** Without the engine, lists the saved results: all of them are read, for which a service has no time. */
  override async list(filter: Filter, limit: number, cursor?: string): Promise<TaskList> {
    return await super.list(filter, limit, cursor).catch((error: unknown): TaskList => {
      // Only the engine knows the chat of a task.
      if (!(error instanceof EngineUnreachable) || filter.route) throw error;
      const tasks = savedTasks(this.own.results, filter, limit);
      if (tasks.length === 0) throw error;
      return { tasks: tasks.map((task) => ({ ...task, status: task.state })), from_disk: true };
    });
  }

  override async start(task: NewTask, key: string, waitMs: number): Promise<StartedTask> {
    const { stack, elsewhere, config, results } = this.own;
    return await super.start(task, key, waitMs).catch(async (error: unknown) => {
      const nothingRuns = !stack && !elsewhere && !config.KIMI_API_KEY;
      const isProblem = (code: string): boolean => error instanceof Problem && error.code === code;
      // The services that are not there would be a simulation again: it continues the task.
      if (nothingRuns && (error instanceof EngineUnreachable || isProblem('other_kimi'))) {
        if (await wasSimulated(this.own)) throw new NothingRuns(config.KIMI_HOME, await upAgain(this.own), results);
        // A newcomer needs the key first.
        throw new CliError(EXIT.config, noKey(this.own));
      }
      throw isProblem('no_api_key') ? new CliError(EXIT.config, noKey(this.own)) : error;
    });
  }
}

/** @returns the command that starts the services of this home. */
export async function startCommand(): Promise<string> {
  return await upAgain(await readContext());
}

/** @returns the services that run from this home; `undefined` if none do. */
export async function stackHere(): Promise<StackState | undefined> {
  return (await readContext()).stack;
}

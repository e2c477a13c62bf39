import {
  ScheduleAlreadyRunning,
  ScheduleNotFoundError,
  ScheduleOverlapPolicy,
  WorkflowNotFoundError,
  type Client,
  type ScheduleDescription,
  type ScheduleHandle,
  type ScheduleSpec,
} from '@temporalio/client';
import { isOfChat } from '../shared/access.ts';
import type { Route } from '../shared/chat.ts';
import { firstCharacters, isoSeconds } from '../shared/format.ts';
import { SCHEDULE_WORKFLOW, scheduleId, scheduleNameIn } from '../shared/names.ts';
import { promptOn, promptWithoutDate } from '../shared/schedule.ts';
import { QUESTION_CHARS } from '../shared/task.ts';
import type { TaskContext } from '../tasks/context.ts';
import { continued } from '../tasks/conversation.ts';
import { Problem } from '../tasks/problem.ts';
import { withReceiver } from '../tasks/receiver.ts';
import { checkTask } from '../tasks/request.ts';
import { nameFromPrompt } from '../tasks/task-name.ts';
import type { NewTask, StartedTask, Tasks } from '../tasks/tasks.ts';
import { schedulesOf } from '../temporal/schedule-list.ts';
import { newestTasks } from '../temporal/task-list.ts';
import { STORED_FROM_BYTES } from '../temporal/payloads/converter.ts';
import { textFor } from '../text/index.ts';
import { taskDue } from './due.ts';
import type { NewSchedule, Schedule, ScheduledTask, ScheduleMemo, ScheduleRun, ServiceSchedules } from './schedules.ts';
import { readTimes, type Times } from '../shared/times.ts';

/** How far back a schedule looks when the engine starts. Its workflow decides what becomes of what was missed. */
const LOOK_BACK = '365d';

/** Schedules in the engine. */
export class LocalSchedules implements ServiceSchedules {
  /** @param start see {@link Tasks.start} */
  constructor(
    private readonly context: TaskContext,
    private readonly start: Tasks['start'],
  ) {}

  async add(wanted: NewSchedule, key: string): Promise<Schedule> {
    const { context } = this;
    const { when, timezone = systemZone(), missed = 'last' } = wanted;
    const times = readTimes(when);
    if (!times) throw new Problem('unknown_times', { words: when });
    if (!isZone(timezone)) throw new Problem('unknown_timezone', { timezone });
    const { name, ...task } = await this.checked(wanted.task, timezone);
    const scheduled: ScheduledTask = {
      schedule: name,
      key,
      timezone,
      missed,
      task,
      ...(context.simulated && { simulated: true }),
    };
    const memo: ScheduleMemo = {
      when,
      timezone,
      missed,
      created_at: isoSeconds(Date.now()),
      question: firstCharacters(task.prompt, QUESTION_CHARS),
      key,
      ...(task.route && { route: task.route }),
      ...(task.owner !== undefined && { owner: task.owner }),
      ...(isStored(scheduled) && { stored: true }),
    };
    return await context.withClient(async (client) => {
      const spec = { ...specOf(times), timezone };
      const handle = await create(
        client,
        context,
        scheduled,
        spec,
        memo,
        wanted.task.name === undefined ? 1 : undefined,
      );
      const added = await this.describe(client, handle);
      // One that the same key added before may have been paused since: then it has no next due time either.
      if (added.next !== undefined || added.paused) return added;
      await handle.delete();
      throw new Problem('never_due', { words: when });
    });
  }

  async list(chat?: Route): Promise<Schedule[]> {
    const { context } = this;
    return await context.withClient(async (client) => {
      const found: Promise<Schedule | undefined>[] = [];
      for await (const { scheduleId: id } of schedulesOf(client)) {
        if (scheduleNameIn(context.taskQueue, id) === undefined) continue;
        // The engine's list lags behind: a removed schedule may be on it.
        found.push(this.describe(client, client.schedule.getHandle(id), chat).catch(undefinedIfGone));
      }
      const schedules = (await Promise.all(found)).filter((schedule) => schedule !== undefined);
      return schedules.toSorted((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
    });
  }

  async pause(name: string, chat?: Route): Promise<Schedule> {
    return await this.change(name, chat, async (handle) => await handle.pause());
  }

  async resume(name: string, chat?: Route): Promise<Schedule> {
    return await this.change(name, chat, async (handle) => await handle.unpause());
  }

  async run(name: string, key: string, waitMs: number, chat?: Route): Promise<StartedTask> {
    const { action } = await this.named(name, chat, async (_, handle) => await handle.describe());
    const [scheduled] = action.args as [ScheduledTask];
    return await this.start(taskDue(scheduled, isoSeconds(Date.now())), key, waitMs);
  }

  async ownerOf(name: string): Promise<string | undefined> {
    const { memo } = await this.named(name, undefined, async (_, handle) => await handle.describe());
    return (memo as unknown as ScheduleMemo).owner;
  }

  async remove(name: string, chat?: Route): Promise<void> {
    await this.named(name, chat, async (_, handle) => await handle.delete());
  }

  /** @returns the task as the schedule keeps it, with the schedule's name. @throws {Problem} if it could not be started now */
  private async checked(task: NewTask, timezone: string): Promise<NewTask & { name: string }> {
    const { context } = this;
    const name = task.name ?? nameFromPrompt(promptWithoutDate(task.prompt));
    const prompt = promptOn(task.prompt, isoSeconds(Date.now()), timezone);
    checkTask(context, await continued(context, { ...task, prompt, name }));
    const { route, lang = context.config.KIMI_LANG, ...rest } = await withReceiver(context, task);
    return { ...rest, name, lang, ...(route && { route: withoutMessage(route) }) };
  }

  private async change(
    name: string,
    chat: Route | undefined,
    work: (handle: ScheduleHandle) => Promise<void>,
  ): Promise<Schedule> {
    return await this.named(name, chat, async (client, handle) => {
      await work(handle);
      return await this.describe(client, handle);
    });
  }

  /** @param word name or id @throws {Problem} `unknown_schedule` */
  private async named<T>(
    word: string,
    chat: Route | undefined,
    work: (client: Client, handle: ScheduleHandle) => Promise<T>,
  ): Promise<T> {
    const { context } = this;
    const id = scheduleId(context.taskQueue, scheduleNameIn(context.taskQueue, word) ?? word);
    return await context.withClient(async (client) => {
      try {
        const handle = client.schedule.getHandle(id);
        if (chat) checkChat(await handle.describe(), chat);
        return await work(client, handle);
      } catch (error) {
        if (error instanceof ScheduleNotFoundError) throw new Problem('unknown_schedule', { name: word });
        throw error;
      }
    });
  }

  private async describe(client: Client, handle: ScheduleHandle, chat?: Route): Promise<Schedule> {
    const description = await handle.describe();
    if (chat) checkChat(description, chat);
    const { scheduleId: id, memo, state, info } = description;
    const { taskQueue } = this.context;
    const { key: _, stored: __, route: ___, ...given } = memo as unknown as ScheduleMemo;
    const name = scheduleNameIn(taskQueue, id) ?? '';
    const [next] = info.nextActionTimes;
    const [[task], run] = await Promise.all([
      newestTasks(client, taskQueue, { schedule: name }, 1),
      lastRun(client, info),
    ]);
    return {
      name,
      id,
      ...given,
      paused: state.paused,
      ...(next && !state.paused && { next: isoSeconds(next) }),
      ...(task && { last_task: task }),
      ...(run && { last_run: run }),
    };
  }
}

/** @throws {ScheduleNotFoundError} also for a schedule of another chat, so that its existence is not disclosed */
function checkChat({ scheduleId: id, memo }: ScheduleDescription, chat: Route): void {
  const { route } = memo as unknown as ScheduleMemo;
  if (!isOfChat(chat, route)) throw new ScheduleNotFoundError('of another chat', id);
}

/** A message starts one task only. */
function withoutMessage({ message: _, ...chat }: Route): Route {
  return chat;
}

/**
 * @param attempt which name is tried, if it is derived from the prompt: a chat gets the next one where the schedule of that
 *   name is not its own, which it could neither see nor remove
 * @throws {Problem} if the name is taken, or the engine does not accept the times
 */
async function create(
  client: Client,
  context: TaskContext,
  scheduled: ScheduledTask,
  spec: ScheduleSpec,
  memo: ScheduleMemo,
  attempt?: number,
): Promise<ScheduleHandle> {
  const { task } = scheduled;
  const name = (attempt ?? 1) === 1 ? scheduled.schedule : `${scheduled.schedule}-${attempt}`;
  const { taskQueue } = context;
  const id = scheduleId(taskQueue, name);
  try {
    return await client.schedule.create({
      scheduleId: id,
      spec,
      policies: { overlap: ScheduleOverlapPolicy.SKIP, catchupWindow: LOOK_BACK },
      action: {
        type: 'startWorkflow',
        workflowType: SCHEDULE_WORKFLOW,
        workflowId: id,
        taskQueue,
        args: [{ ...scheduled, schedule: name }],
        staticSummary: textFor(task.lang ?? 'zh-TW').schedule.summary(name),
      },
      memo: { ...memo },
    });
  } catch (error) {
    if (error instanceof ScheduleAlreadyRunning) {
      const handle = client.schedule.getHandle(id);
      const before = (await handle.describe()).memo as unknown as ScheduleMemo;
      if (before.key === memo.key) return handle;
      if (attempt !== undefined && memo.route && !isOfChat(memo.route, before.route))
        return await create(client, context, scheduled, spec, memo, attempt + 1);
      throw new Problem('schedule_exists', { name });
    }
    // The client's form of `INVALID_ARGUMENT`.
    if (!(error instanceof TypeError)) throw error;
    if (error.message.includes('time zone')) throw new Problem('unknown_timezone', { timezone: memo.timezone });
    throw new Problem('unknown_times', { words: memo.when, why: error.message });
  }
}

function specOf(times: Times): ScheduleSpec {
  if ('cron' in times) return { cronExpressions: times.cron };
  const { every_ms: every } = times;
  return { intervals: [{ every, offset: Date.now() % every }] };
}

function undefinedIfGone(error: unknown): undefined {
  if (!(error instanceof ScheduleNotFoundError)) throw error;
}

async function lastRun(client: Client, info: ScheduleDescription['info']): Promise<ScheduleRun | undefined> {
  const run = info.recentActions.at(-1)?.action.workflow;
  if (!run) return undefined;
  const handle = client.workflow.getHandle(run.workflowId, run.firstExecutionRunId);
  try {
    if ((await handle.describe()).status.name !== 'COMPLETED') return undefined;
    return (await handle.result()) as ScheduleRun;
  } catch (error) {
    if (error instanceof WorkflowNotFoundError) return undefined;
    throw error;
  }
}

/** @returns whether something of it is stored outside the engine. */
function isStored(scheduled: ScheduledTask): boolean {
  const { files, event } = scheduled.task;
  return (
    files !== undefined || event !== undefined || Buffer.byteLength(JSON.stringify(scheduled)) >= STORED_FROM_BYTES
  );
}

function systemZone(): string {
  return new Intl.DateTimeFormat().resolvedOptions().timeZone;
}

function isZone(timezone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: timezone }).format() !== '';
  } catch {
    return false;
  }
}

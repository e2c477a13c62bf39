/** Tasks that are started on time: what can be done with schedules, and what it returns. */
import type { Route } from '../shared/chat.ts';
import type { MissedPolicy } from '../shared/schedule.ts';
import type { ListedTask, NewTask, StartedTask } from '../tasks/tasks.ts';

/** A schedule to add. */
export interface NewSchedule {
  /** Five fields of cron, or words, e.g. `每天 8:00`, `every Monday 9:30`. */
  when: string;
  /** IANA name; the system's own if absent. */
  timezone?: string;
  /** `last` if absent. */
  missed?: MissedPolicy;
  /** What is started. The schedule has its name; `{{date}}` in its prompt is the date when it is due. */
  task: NewTask;
}

/** Input of the workflow `kimiSchedule`. Must not contain a secret. */
export interface ScheduledTask {
  /** Name of the schedule. */
  schedule: string;
  /** Unique to the schedule: one with the name of a removed schedule starts other tasks. */
  key: string;
  timezone: string;
  missed: MissedPolicy;
  task: NewTask;
  /** Answered by the simulated Kimi. */
  simulated?: true;
}

/** A schedule, and what became of it. Times are ISO 8601, UTC, whole seconds. */
export interface Schedule {
  name: string;
  /** Id in the engine. */
  id: string;
  /** As it was given. */
  when: string;
  timezone: string;
  missed: MissedPolicy;
  created_at: string;
  paused: boolean;
  /** When it is due next; absent while it is paused. */
  next?: string;
  /** Beginning of the prompt. */
  question: string;
  /** Name of the token that added it. */
  owner?: string;
  /** The newest task that it started. */
  last_task?: ListedTask;
  /** What it did when it was last due; absent while it does it, and past the engine's retention. */
  last_run?: ScheduleRun;
}

/** The memo of a schedule in the engine. */
export interface ScheduleMemo extends Pick<
  Schedule,
  'when' | 'timezone' | 'missed' | 'created_at' | 'question' | 'owner'
> {
  /** Of the request that added it: see {@link Schedules.add}. */
  key: string;
  /** The chat that its tasks notify. */
  route?: Route;
  /** Set if its files or its prompt are stored outside the engine: they are kept with it. */
  stored?: true;
}

/** What a schedule did when it was due. */
export interface ScheduleRun {
  /** When it was due: the last time if several had been missed. */
  due_at: string;
  /** The tasks that it started. */
  task_ids: string[];
  /** Due times that started no task, since nothing ran then and the schedule's policy leaves them out; absent if none. */
  missed?: number;
  /** The task of an earlier due time that was still in progress: no task was started. */
  overlapped?: string;
  /** Code of the problem because of which no task was started. */
  problem?: string;
}

/**
 * Every operation throws a `Problem` if it cannot be done, and `EngineUnreachable` without an engine. With a chat it knows the
 * schedules of that chat only: those whose tasks notify it.
 */
export interface Schedules {
  /** @param key adds one schedule only, however often it is used */
  add(schedule: NewSchedule, key: string): Promise<Schedule>;
  /** @returns all schedules, by name */
  list(chat?: Route): Promise<Schedule[]>;
  pause(name: string, chat?: Route): Promise<Schedule>;
  resume(name: string, chat?: Route): Promise<Schedule>;
  /** Starts the task now, whether or not the one before is in progress. @param key see `Tasks.start` */
  run(name: string, key: string, waitMs: number, chat?: Route): Promise<StartedTask>;
  remove(name: string, chat?: Route): Promise<void>;
}

/** The operations of a service. */
export interface ServiceSchedules extends Schedules {
  /** @returns the name of the token that added a schedule; `undefined` if no token did. @throws {Problem} `unknown_schedule` */
  ownerOf(name: string): Promise<string | undefined>;
}

/** Operations on tasks, and what they return: in this process, or by the API of the running service. */
import type { BudgetPause } from '../shared/budget.ts';
import type { Route } from '../shared/chat.ts';
import type { ErrorDetail } from '../shared/error-detail.ts';
import type { EventOptions } from '../shared/delivery.ts';
import type { QueuePosition } from '../shared/limits.ts';
import type { MapCounts, StoredRows } from '../shared/map.ts';
import type { MapRow } from '../results/map-result.ts';
import type { StreamProgress } from '../shared/relay.ts';
import type { Cost, Question, ResultFile } from '../shared/result.ts';
import type { Schedules, ServiceSchedules } from '../schedules/schedules.ts';
import type { TaskReference } from '../shared/task-id.ts';
import type { Usage } from './limits.ts';
import type { Kept } from './remove.ts';
import type { Row, Rows } from './rows.ts';
import type { Uploads } from './uploads.ts';
import type {
  Lang,
  Priority,
  ScheduleNote,
  TaskError,
  TaskFile,
  TaskRequest,
  TaskState,
  TaskView,
  Turn,
} from '../shared/task.ts';

/** A task to start. What is absent is as configured. */
export interface NewTask {
  prompt: string;
  /** Derived from the prompt if absent. */
  name?: string;
  model?: string;
  request?: TaskRequest;
  /** Files that were stored by {@link Tasks.keep}. */
  files?: TaskFile[];
  /** The task whose conversation is continued; name, model and options are its own, where none are given. */
  continue?: string;
  /** Set if options of the continued task do not apply, but its conversation and name. */
  own_options?: true;
  /** Questions and answers before the prompt, the oldest first. Not with `continue`. */
  conversation?: Turn[];
  /** Words of the program that starts it. */
  metadata?: Record<string, string>;
  /** False if the program that starts it asks for the answer itself: the gateway is not woken, and the inbox does not list it. */
  wake?: false;
  /** The program that is sent an event when it ends. Of a map: for the map. */
  notify?: { url: string };
  /** A task whose own receiver is sent it, if it has one and the engine still knows it. */
  notify_as?: string;
  /** How its end is reported; with the receiver of `notify`, once its address is stored. */
  event?: EventOptions;
  timeout_ms?: number;
  /** What it may cost at most, in the currency of the account's host. Of a map: each row. */
  budget?: number;
  priority?: Priority;
  resend_unknown?: true;
  route?: Route;
  lang?: Lang;
  /** The schedule that starts it. */
  schedule?: ScheduleNote;
  /** Name of the token that starts it. */
  owner?: string;
}

/** A map to start: a task for each row of a file. */
export interface NewMap extends Omit<NewTask, 'continue'> {
  /** As {@link Tasks.keepRows} returned them. `{{column}}` in the prompt is the row's value. */
  rows: StoredRows;
  /** A map that has ended: only its rows without an answer are asked. */
  retries?: string;
}

/** A started map. `known`: the same message, or the same key, started it before; `paused`: its first row exceeds a budget. */
export interface StartedMap extends Pick<
  StartedTask,
  'task_id' | 'task_name' | 'result_file' | 'simulated' | 'retired'
> {
  status: 'started' | 'known' | 'paused';
  /** Number of rows that are asked. */
  rows: number;
  paused?: BudgetPause;
}

/** A file that is to go with a prompt. */
export interface Attachment {
  /** Its name, without folders. */
  name: string;
  content: Buffer;
}

/** How a task was started. `pending`: the engine has the task, and Kimi has not accepted it yet. */
export type Accepted =
  | { status: 'accepted'; task_id: string; api_id: string }
  | { status: 'queued'; task_id: string; queued: QueuePosition }
  /** It exceeds a budget. */
  | { status: 'paused'; task_id: string; paused: BudgetPause }
  | { status: 'pending'; task_id: string }
  | { status: 'refused'; task_id: string; error: TaskError }
  /** The same message, or the same key, started it before. */
  | { status: 'known'; task_id: string; task_name: string };

/** A started task. */
export type StartedTask = Accepted & {
  task_name: string;
  /** Path of the result file that it will have. */
  result_file: string;
  /** Set if the simulated Kimi is used. */
  simulated?: true;
  /** Set in a simulation if Moonshot, unlike the simulated Kimi, would refuse the model. */
  retired?: ErrorDetail;
};

/** Conditions of a list; a task has to meet all of them. */
export interface Filter {
  status?: TaskState[];
  /** Prefix of its name. */
  name?: string;
  model?: string;
  /** Maximum age, in milliseconds. */
  since?: number;
  /** The chat that started it. */
  route?: Route;
  /** The schedule that started it. */
  schedule?: string;
  /** Name of the token that started it. */
  owner?: string;
}

/** A filter by callers of a service: `maps` lists only maps. */
export type CallerFilter = Filter & { maps?: true };

/** An entry of `list`. */
export interface ListedTask {
  task_id: string;
  task_name: string;
  state: TaskState;
  model: string;
  /** `null` before there is an answer. */
  tokens: number | null;
  created_at: string;
  /** The task whose conversation it continues. */
  continues?: string;
  /** Of a map: its rows by outcome. */
  map?: MapCounts;
  /** Set if the answer came after the task had timed out or was cancelled. */
  late?: true;
  /** Answered by the simulated Kimi. */
  simulated?: true;
}

export interface Retrying {
  attempt: number;
  why: string;
  /** Error type of the failure, e.g. `unreachable`; `explain` has a sentence for it. */
  type?: string;
  detail?: ErrorDetail;
  /** Start of the attempt, ISO 8601; absent while it is running. */
  next_attempt_at?: string;
}

/** The event of a task's end, on its way to its receiver. */
export interface EventDelivery {
  /** `webhook-id` */
  id: string;
  /** Where it is sent, without the path. */
  origin: string;
  /** `given_up`: a dead letter. */
  state: 'pending' | 'delivered' | 'given_up';
  /** When it was delivered or given up; of a pending one, when its delivery began. ISO 8601. */
  since: string;
  /** Of a pending one that failed before: the attempt, and why; of a dead letter, why. */
  retrying?: Partial<Retrying>;
}

/** A task, as the engine knows it. */
export interface Found {
  /** The chat that asked for it. */
  route?: Route;
  view: TaskView;
  /** False if no worker answered: the view holds only what the engine has recorded. */
  live: boolean;
  /** How the workflow was ended in the engine (terminated, reset, …): it will have no result. */
  ended?: string;
  /** An activity that is being retried, and its last failure. */
  retrying?: Retrying;
  /** Progress of the answer that a relay receives. */
  progress?: StreamProgress;
}

/** A listed task and its current state. */
export type LiveTask = ListedTask &
  Pick<Found, 'progress' | 'retrying'> & {
    status: TaskState;
    queue?: QueuePosition | undefined;
    paused?: BudgetPause | undefined;
  };

export interface TaskList {
  tasks: LiveTask[];
  /** Continues the list; absent at its end. */
  next?: string;
  /** The engine is out of reach: only saved results are listed. */
  from_disk?: true;
}

/** All that is known of a task. */
export type Standing = TaskView & {
  status: TaskState;
  map?: MapCounts | undefined;
  queue?: QueuePosition | undefined;
  paused?: BudgetPause | undefined;
  retrying?: Retrying | undefined;
  progress?: StreamProgress | undefined;
  cost?: Cost | undefined;
  /** Path of the result file; absent before there is one. */
  result_file?: string | undefined;
  /** Its events for programs: that of its end, and that of a late answer. Absent if there are none. */
  events?: EventDelivery[] | undefined;
  /** Address of the task in the Web UI. */
  web_ui?: string | undefined;
  /** {@link Found.live}; absent for a task past the engine's retention. */
  live?: boolean | undefined;
  /** {@link Found.ended} */
  ended?: string | undefined;
  /** Set if the answer came after the task had timed out or was cancelled. */
  late?: true | undefined;
  /** Path of a result file that was removed or is damaged. */
  missing_file?: string | undefined;
};

export interface Acknowledgement {
  /** The notification that was acknowledged. */
  notification: string;
  /** A later notification that is not: an answer has arrived since. */
  newer?: string;
}

export interface Cancellation {
  task_id: string;
  /** `stream_closed`: the task had timed out, and the connection that waited for a late answer was closed. */
  status: 'cancelled' | 'stream_closed';
  /** Whether a part of the answer had been received before the connection was closed. */
  received?: boolean;
}

export interface Allowance {
  task_id: string;
  status: 'allowed';
}

/** Every operation throws a {@link Problem} if it cannot be done, and `EngineUnreachable` without an engine. */
export interface Tasks {
  /**
   * Starts a task, and waits until Kimi has accepted it, at most `waitMs`.
   *
   * @param key starts one task only, however often it is used
   */
  start(task: NewTask, key: string, waitMs: number): Promise<StartedTask>;
  /** Stores a file for a task that is started next. */
  keep(file: Attachment): Promise<TaskFile>;
  /** Starts a map and returns; its rows are sent later. @param key as of `start` */
  startMap(map: NewMap, key: string): Promise<StartedMap>;
  /** Stores the rows of a file for a map that is started next. */
  keepRows(file: Attachment): Promise<StoredRows>;
  list(filter: Filter, limit: number, cursor?: string): Promise<TaskList>;
  find(task_id: string, chat?: Route): Promise<Standing>;
  /** Without what was asked, which may be as long as the answer. @param task_id the newest result if absent */
  result(task_id?: string, chat?: Route): Promise<ResultFile>;
  /** @returns what a task with a result was asked. */
  question(task_id: string, chat?: Route): Promise<Question>;
  /** @returns every result that is not acknowledged, oldest first. */
  unacknowledged(): Promise<ResultFile[]>;
  acknowledge(reference: TaskReference, chat?: Route): Promise<Acknowledgement>;
  cancel(task_id: string, chat?: Route): Promise<Cancellation>;
  /** Lets a task be sent that exceeds a budget. */
  allow(task_id: string, chat?: Route): Promise<Allowance>;
  /** Tasks that are started on time. */
  readonly schedules: Schedules;
}

/** A row of a map that has ended: what it was asked, and what became of it. */
export type EndedRow = MapRow & Pick<Row, 'values' | 'asked'>;

/** The operations that callers of a service have. */
export interface CallerTasks extends Tasks {
  list(filter: CallerFilter, limit: number, cursor?: string): Promise<TaskList>;
  limits(): Promise<Usage>;
  /** Stores rows that have options of their own. @param file which they were read from */
  storeRows(file: Pick<StoredRows, 'name' | 'sha256'>, rows: Rows): Promise<StoredRows>;
  /** Removes a task that has ended, a map with its rows. @returns why it is kept; `undefined` if it is removed */
  remove(task_id: string, chat?: Route): Promise<Kept | undefined>;
  /** @returns the rows of a map that has ended, in order. */
  rowsOf(task_id: string): AsyncIterable<EndedRow>;
  readonly uploads: Uploads;
}

/** The operations of a service, which has callers of several kinds. */
export interface ServiceTasks extends CallerTasks {
  /** @returns the name of the token that started a task; `undefined` if no token did, or there is no such task */
  ownerOf(task_id: string): Promise<string | undefined>;
  readonly schedules: ServiceSchedules;
}

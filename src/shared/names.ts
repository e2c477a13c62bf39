/** Names of the protocol: workflow types, signals, queries, updates, task queues, workflow ids, search attributes, failure types. */
// Not the whole package: every command loads these names.
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common/lib/search-attributes.js';

/** Default Temporal namespace (`TEMPORAL_NAMESPACE`). */
export const NAMESPACE = 'default';

/** Default task queue (`KIMI_TASK_QUEUE`): stacks that share a Temporal namespace have different ones. */
export const TASK_QUEUE = 'kimi-dispatch';

/** The workflow type of a task. Its workflow id is the task id. */
export const TASK_WORKFLOW = 'kimiTask';

/** The workflow type of one run of a schedule: it starts the tasks that are due. */
export const SCHEDULE_WORKFLOW = 'kimiSchedule';

/** @returns the id of a schedule in the engine. Stacks that share a namespace have different task queues. */
export function scheduleId(taskQueue: string, name: string): string {
  return `kimi-schedule:${taskQueue}:${name}`;
}

/** @returns the name in such an id; `undefined` if the id is that of anything else. No name has a colon. */
export function scheduleNameIn(taskQueue: string, id: string): string | undefined {
  const prefix = scheduleId(taskQueue, '');
  return id.startsWith(prefix) && !id.includes(':', prefix.length) ? id.slice(prefix.length) : undefined;
}

/** The workflow type of a row of a map: a task under another name, so that lists of tasks do not show it. */
export const ROW_WORKFLOW = 'kimiRow';

/** The workflow type of a map, which is listed as a task. Its workflow id is a task id. */
export const MAP_WORKFLOW = 'kimiMap';

/** The workflow type of the delivery of an event to a receiver. */
export const NOTIFY_WORKFLOW = 'kimiNotify';

/** @returns the workflow id of the delivery of a notification's event: one delivery, however often it is started. */
export function notifyWorkflowId(notification: string): string {
  return `notify-${notification}`;
}

/** Signal to a map, argument {@link RowReport}: the outcome of one of its rows. */
export const ROW_SIGNAL = 'row';

/** Signal to a map, argument {@link RowPause}: one of its rows exceeds a budget, or does no longer. */
export const ROW_PAUSED_SIGNAL = 'row-paused';

/** Signal to a task, argument {@link Callback}: Kimi's answer. Sent by the webhook. */
export const CALLBACK_SIGNAL = 'callback';

/** Query to a task → {@link TaskView}. */
export const STATUS_QUERY = 'status';

/** Update of a task → {@link Acceptance}: returns once Kimi has accepted the task or the limiter has queued it; throws the task's error. */
export const ACCEPTED_UPDATE = 'accepted';

/** Update of a task → {@link TaskView}: the agent has shown the result to its user. Rejected while there is no result. */
export const ACKNOWLEDGE_UPDATE = 'acknowledge';

/** Update of a task or a map → {@link TaskView}: it is sent, whatever it costs. Rejected unless it exceeds a budget. */
export const ALLOW_UPDATE = 'allow';

/** Signal to a task, argument {@link RelayReport}: progress of its relay's request to Kimi. */
export const RELAY_SIGNAL = 'relay';

/** Signal to a task, argument {@link Admission}: the limiter's answer to a request. */
export const ADMISSION_SIGNAL = 'admission';

/** The workflow type of the limiter. */
export const LIMITER_WORKFLOW = 'kimiLimiter';

/** Signals to the limiter. All but `configure` come from tasks. */
export const LIMITER_SIGNALS = {
  /** Arguments {@link Limits} of a worker's environment, and the agent's task queue if the limiter is shared. */
  configure: 'configure',
  /** Argument {@link LeaseRequest}: requests a lease, or the position in the queue. */
  request: 'request',
  /** Argument {@link SentReport}: a request is no longer on its way. */
  sent: 'sent',
  /** Argument {@link ReleaseReport}: the task has its outcome, or was cancelled. */
  release: 'release',
  /** Argument {@link Throttled}: Kimi answered 429 to a relay's request, which the relay sends again under the same lease. */
  throttled: 'turned-away',
} as const;

/** Query to the limiter → {@link LimiterView}. */
export const LIMITER_QUERY = 'limits';

/** Update of the limiter, argument a part of {@link Limits} → {@link LimiterView}. */
export const SET_LIMITS_UPDATE = 'setLimits';

/** @returns the workflow id of the limiter of one task queue; it runs on that queue. */
export function limiterId(taskQueue: string): string {
  return `kimi-limiter-${taskQueue}`;
}

const SHARED_LIMITER = 'kimi-shared-limiter-';

/** @returns the workflow id of a limiter that several agents share. It is also its task queue, which the workers of all agents poll. */
export function sharedLimiterId(name: string): string {
  return `${SHARED_LIMITER}${name}`;
}

/** @returns whether a workflow id is that of a shared limiter. */
export function isSharedLimiter(id: string): boolean {
  return id.startsWith(SHARED_LIMITER);
}

/** @returns the activity id of the relay's request for a task: one request, however often the task is dispatched. */
export function relayId(task_id: string): string {
  return `relay-${task_id}`;
}

/** @returns the API id that the relay returns for a task: always the same. */
export function relayApiId(task_id: string): string {
  return task_id.replace(/^kimi-/, 'cmpl-');
}

/** @returns the task queue of the relay's callbacks. */
export function relayQueue(taskQueue: string): string {
  return `${taskQueue}-relay`;
}

/** @returns the task queue of a relay's streams: each worker limits how many it runs concurrently. */
export function streamsQueue(relayQueue: string): string {
  return `${relayQueue}-streams`;
}

/** Search attributes of a task, as columns and filters in the Web UI. */
export const SEARCH_ATTRIBUTES = {
  status: defineSearchAttributeKey('KimiStatus', SearchAttributeType.KEYWORD),
  taskName: defineSearchAttributeKey('KimiTaskName', SearchAttributeType.KEYWORD),
  model: defineSearchAttributeKey('KimiModel', SearchAttributeType.KEYWORD),
  tokens: defineSearchAttributeKey('KimiTokens', SearchAttributeType.INT),
  /** The schedule that started it. */
  schedule: defineSearchAttributeKey('KimiSchedule', SearchAttributeType.KEYWORD),
  /** Name of the token that started it. */
  owner: defineSearchAttributeKey('KimiOwner', SearchAttributeType.KEYWORD),
} as const;

/** Types of the application failures that activities throw, and whether Temporal retries them. */
export const FAILURE = {
  /** Kimi rejected the request; no answer will come. Not retried. */
  refused: 'Refused',
  /** Kimi may or may not have the request. Not retried: it could be paid for twice. */
  outcomeUnknown: 'OutcomeUnknown',
  /** Kimi does not have the request. Retried. */
  notSent: 'NotSent',
  /** Kimi answered 429. Retried: by the limiter if there is one, otherwise by Temporal. */
  throttled: 'TurnedAway',
  /** A fallback (`KIMI_FALLBACK`) cannot answer the task. Retried with what is asked next. */
  unfit: 'Unfit',
  /** Another process of this machine still does the work. Retried until it ends. */
  held: 'Held',
  /** A streamed answer was interrupted. Retried: the relay resumes it. */
  interrupted: 'Interrupted',
  /** The webhook rejected a callback for good. Not retried. */
  callbackRefused: 'CallbackRefused',
  /** A callback was not accepted. Retried. */
  callbackFailed: 'CallbackFailed',
  /** The gateway rejected the wake (wrong token, wrong address). Not retried. */
  wakeRefused: 'WakeRefused',
  /** The stored rows of a map cannot be read any more. Not retried. */
  rowsGone: 'RowsGone',
  /** The gateway is unreachable or busy. Retried. */
  wakeFailed: 'WakeFailed',
  /** The receiver of an event wants no more (410), or its address may not be called. Not retried. */
  eventRefused: 'EventRefused',
  /** The receiver of an event is unreachable, or did not answer with 2xx. Retried. */
  eventFailed: 'EventFailed',
} as const;

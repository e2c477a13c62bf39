/** Names of the protocol: workflow types, signals, queries, updates, task queues, workflow ids, search attributes, failure types. */
import { defineSearchAttributeKey, SearchAttributeType } from '@temporalio/common';

/** Default namespace of the engine (`TEMPORAL_NAMESPACE` chooses another). */
export const NAMESPACE = 'default';

/** Default task queue. Another one (`KIMI_TASK_QUEUE`) keeps two stacks apart on one Temporal namespace. */
export const TASK_QUEUE = 'kimi-dispatch';

/** The workflow type of a task. Its workflow id is the task id. */
export const TASK_WORKFLOW = 'kimiTask';

/** Signal, argument {@link Callback}: Kimi's answer. Raised by the webhook endpoint. */
export const CALLBACK_SIGNAL = 'callback';

/** Query → {@link TaskView}: where the task stands. */
export const STATUS_QUERY = 'status';

/** Update → {@link Acceptance}: answers once Kimi has taken the task, throws what made it refuse. */
export const ACCEPTED_UPDATE = 'accepted';

/** Update → {@link TaskView}: the agent has shown the result to its user. Refused while there is none. */
export const ACKNOWLEDGE_UPDATE = 'acknowledge';

/** Signal to a task, argument {@link RelayReport}: what its relay has seen of the request to Kimi. */
export const RELAY_SIGNAL = 'relay';

/** Signal to a task, argument {@link Admission}: what the limiter decided. */
export const ADMISSION_SIGNAL = 'admission';

/** The workflow type of the limiter. */
export const LIMITER_WORKFLOW = 'kimiLimiter';

/** Signals to the limiter. All but `configure` come from tasks. */
export const LIMITER_SIGNALS = {
  /** Argument {@link Limits}: what a worker's environment says; where several agents share it, whose, by its task queue. */
  configure: 'configure',
  /** Argument {@link LeaseRequest}: asks for a lease, or where it stands in the queue. */
  request: 'request',
  /** Argument {@link SentReport}: a request is no longer on its way. */
  sent: 'sent',
  /** Argument {@link ReleaseReport}: the task has its outcome, or is no longer wanted. */
  release: 'release',
  /** Argument {@link Throttled}: Kimi was too busy for a request that had a lease, and that its relay sends again. */
  throttled: 'turned-away',
} as const;

/** Query to the limiter → {@link LimiterView}. */
export const LIMITER_QUERY = 'limits';

/** Update of the limiter, argument a part of {@link Limits} → {@link LimiterView}. */
export const SET_LIMITS_UPDATE = 'setLimits';

/** @returns the workflow id of the limiter of everything that runs on a task queue, where it runs too. */
export function limiterId(taskQueue: string): string {
  return `kimi-limiter-${taskQueue}`;
}

const SHARED_LIMITER = 'kimi-shared-limiter-';

/** @returns the workflow id of a limiter that several agents share. It is its task queue too, which the workers of all serve. */
export function sharedLimiterId(name: string): string {
  return `${SHARED_LIMITER}${name}`;
}

/** @returns whether several agents may share the limiter of a workflow id. */
export function isSharedLimiter(id: string): boolean {
  return id.startsWith(SHARED_LIMITER);
}

/** The workflow type of one request that the relay makes for a task. */
export const RELAY_WORKFLOW = 'kimiRelay';

/** @returns the workflow id of the relay's request for a task: one request a task, however often it is dispatched. */
export function relayId(task_id: string): string {
  return `relay-${task_id}`;
}

/** @returns the API id that the relay gives a task: always the same one. */
export function relayApiId(task_id: string): string {
  return task_id.replace(/^kimi-/, 'cmpl-');
}

/** @returns the task queue of the relay's workflows and deliveries, beside the one of the tasks. */
export function relayQueue(taskQueue: string): string {
  return `${taskQueue}-relay`;
}

/** @returns the task queue of the streams of a relay: how many run at once is limited for each worker. */
export function streamsQueue(relayQueue: string): string {
  return `${relayQueue}-streams`;
}

/** Search attributes of a task, as columns and filters in the Web UI. */
export const SEARCH_ATTRIBUTES = {
  status: defineSearchAttributeKey('KimiStatus', SearchAttributeType.KEYWORD),
  taskName: defineSearchAttributeKey('KimiTaskName', SearchAttributeType.KEYWORD),
  model: defineSearchAttributeKey('KimiModel', SearchAttributeType.KEYWORD),
  tokens: defineSearchAttributeKey('KimiTokens', SearchAttributeType.INT),
} as const;

/**
 * Types of the application failures that activities raise. `retried` says what Temporal does with them.
 */
export const FAILURE = {
  /** Kimi said no; nothing will come. Not retried. */
  refused: 'Refused',
  /** The request may or may not have reached Kimi. Not retried: it could be paid for twice. */
  outcomeUnknown: 'OutcomeUnknown',
  /** The request was certainly not accepted. Retried. */
  notSent: 'NotSent',
  /** Kimi was too busy to take it. Retried, but by the limiter where there is one. */
  throttled: 'TurnedAway',
  /** Another process of this machine has the work. Retried until it has ended. */
  held: 'Held',
  /** An answer broke off. The relay's workflow decides what to do. */
  interrupted: 'Interrupted',
  /** Nothing will ever take a callback. Not retried. */
  callbackRefused: 'CallbackRefused',
  /** A callback was not taken. Retried. */
  callbackFailed: 'CallbackFailed',
  /** The gateway said no (wrong token, wrong address). Not retried. */
  wakeRefused: 'WakeRefused',
  /** The gateway is out of reach or busy. Retried. */
  wakeFailed: 'WakeFailed',
} as const;

/** The invariants that hold under every fault. Pure: from observations to violations. */
import type { BudgetView } from '../../src/shared/budget.ts';
import type { Limits } from '../../src/shared/limits.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { notificationId, parseTaskId } from '../../src/shared/task-id.ts';
import type { Task, TaskRequest, TaskView } from '../../src/shared/task.ts';
import { EXIT } from '../../src/service/exit.ts';
import type { Wake } from './gateway.ts';
import type { Completion, Counts, Upload } from '../../src/simulator/events.ts';
import { JOB_INVARIANTS } from './check-jobs.ts';
import { SIZE_IN_FILE, type Kind } from './kinds.ts';
import { isAnswer, questionIn, roundsOf } from './relayed.ts';
import type { KimiEvent } from './stage.ts';
import { verdict, type Verdict } from './verdict.ts';

/** All times are milliseconds on one clock, that of the simulated Kimi. */
export interface Observed {
  limits: Limits;
  starts: Start[];
  commands: Command[];
  events: KimiEvent[];
  /** Requests and files at Moonshot's API. */
  completions: Completion[];
  uploads: Upload[];
  /** How the transfer of each upload ended. */
  receiving: Counts['receiving'];
  fibers: Counts['fibers'];
  batches: Counts['batches'];
  /** The account of the day, when all was over; absent without a budget. */
  budget: BudgetView | undefined;
  wakes: Wake[];
  /** Notifications that agents with `ack: 'agent'` found in the inbox and showed to their users, by notification id. */
  shown: { at: number; key: string }[];
  /** Each task as the engine knows it. */
  tasks: EngineTask[];
  /** Every file of a task in the results folder. */
  files: { task_id: string; result?: ResultFile; isPending: boolean }[];
  /** Results of rows of maps. */
  rows: ResultFile[];
  /** Each version of `latest.json` that was read, in order; `undefined` for one that could not be parsed. */
  latest: (Pick<ResultFile, 'task_id' | 'completed_at'> | undefined)[];
  /** Task ids in the inbox. */
  inbox: string[];
  /** Task ids of accepted callbacks that became dead letters. */
  deadLetters: string[];
}

/** One attempt to start a task, with its own task name. */
export interface Start {
  task_name: string;
  kind: Kind;
  prompt: string;
  /** Their texts. */
  documents: string[];
  request?: TaskRequest;
  /** Id of the task whose conversation it continues. */
  continues?: string;
  /** Marks of the rows of a map. */
  rows?: string[];
  /** Of a schedule: when it was due first, at the latest. */
  due_by?: string;
  /** `failed`: it ended with the error `why`. */
  said: 'accepted' | 'queued' | 'paused' | 'pending' | 'refused' | 'known' | 'unknown' | 'failed';
  task_id?: string;
  why?: string;
  took_ms: number;
}

/** A command that was repeated until it succeeded. */
export interface Command {
  what: 'cancel' | 'ack';
  /** Task id; for `ack` the notification id. */
  task_id: string;
  at: number;
  ended_at: number;
  /** Last exit code. */
  code: number;
  /** The attempts before. */
  failures: { code: number; said: string }[];
}

export interface EngineTask {
  task: Pick<Task, 'task_id' | 'task_name' | 'timeout_ms' | 'grace_ms' | 'resend_unknown' | 'ack'>;
  /** Workflow status, e.g. `RUNNING`, `COMPLETED`. */
  status: string;
  /** Answer to the status query; absent if no worker answered. */
  view?: TaskView;
  /** Pending activities with their attempt and last failure. */
  pending: string[];
}

/** Most requests for a task with `resend_unknown`: one and three resends. */
const MOST_SENT = 4;

/** Window of the rate limit, in milliseconds. */
const WINDOW_MS = 60_000;

/** How long after an acknowledgement a wake in flight may still arrive, in milliseconds. */
const IN_FLIGHT_MS = 10_000;

/** Characters of an earlier answer that are compared: the simulated Kimi keeps the beginning of each message. */
const ANSWER_CHARS = 200;

/** Longer than any run: a task with more grace accepts every answer of the run. Milliseconds. */
const LONG_GRACE_MS = 3_600_000;

const INVARIANTS: Record<string, (observed: Observed) => Omit<Verdict, 'name'>> = {
  'each start that was confirmed gave one task': startsGaveTasks,
  'each accepted callback is in the one result of its task': callbacksAreSaved,
  'each result matches what happened': resultsAreTrue,
  'each task was paid for once at most, each answer once': paidOnce,
  'the agent was notified of each result': agentsWereNotified,
  'no notification was shown twice': notifiedOnce,
  'no task is stuck': noneIsStuck,
  'each result is acknowledged, and the inbox is empty': allAcknowledged,
  'files are whole, and latest.json never went back': filesAreWhole,
  'no more requests in any 60 s than the limit': rateWasWithinLimit,
  'no more concurrent tasks at Kimi than the limit': concurrencyWasWithinLimit,
  'each document was used once, and nothing is left at Kimi': documentsAreGone,
  'each request had its question, documents and earlier turns': requestsAreWhole,
};

/** @param jobs of maps, batches, schedules and budgets, if they were another agent's */
export function check(observed: Observed, jobs = observed): Verdict[] {
  return [
    ...Object.entries(INVARIANTS).map(([name, invariant]) => ({ name, ...invariant(observed) })),
    ...Object.entries(JOB_INVARIANTS).map(([name, invariant]) => ({ name, ...invariant(jobs) })),
  ];
}

function startsGaveTasks({ starts, tasks }: Observed): Omit<Verdict, 'name'> {
  return verdict(starts, ({ task_name, said, task_id }) => {
    const ids = tasks.filter(({ task }) => task.task_name === task_name).map(({ task }) => task.task_id);
    if (ids.length > 1) return `one start of ${task_name} gave ${ids.length} tasks: ${ids.join(', ')}`;
    const isConfirmed = said !== 'failed' && said !== 'unknown';
    return isConfirmed && ids[0] !== task_id && `the start of ${task_id} was ${said}; the engine does not know it`;
  });
}

function callbacksAreSaved(observed: Observed): Omit<Verdict, 'name'> {
  const { tasks, events, files } = observed;
  const answered = tasks.filter(({ task }) => acceptedCallback(events, task.task_id) && !cameTooLate(observed, task));
  return verdict(answered, ({ task: { task_id } }) => {
    const results = files.filter((file) => file.task_id === task_id && !file.isPending);
    const [file] = results;
    if (!file) return `${task_id}: a callback was accepted, and there is no result`;
    const { result } = file;
    const answer = answerOf(events, task_id);
    if (!result || !answer) return `${task_id}: a callback was accepted, and the result cannot be read`;
    const isSaved =
      'content' in answer
        ? isAnswer(result, answer.content)
        : result.output === undefined &&
          result.error?.type === answer.error.type &&
          result.error.message === answer.error.message;
    return !isSaved && `${task_id}: a callback was accepted, and its content is not in the result (${result.status})`;
  });
}

function resultsAreTrue(observed: Observed): Omit<Verdict, 'name'> {
  const { tasks, files, events, commands, starts } = observed;
  return verdict(files.filter(isOfTask), ({ task_id, result }) => {
    const hasFile = starts.some((start) => start.task_id === task_id && start.kind === 'with a file');
    if (hasFile && result.output !== undefined && result.output.length !== SIZE_IN_FILE)
      return `${task_id}: Kimi was not sent its file`;
    const cancel = commands.find(({ what, task_id: id }) => what === 'cancel' && id === task_id);
    const answer = answerOf(events, task_id);
    const isFailure = answer && 'error' in answer;
    const isRefused = events.some(({ task_id: id, what }) => id === task_id && what === 'refused');
    const task = tasks.find((known) => known.task.task_id === task_id)?.task;
    if (task?.task_name !== result.task_name) return `${task_id}: the result is of another task, ${result.task_name}`;
    if (cancel?.code === EXIT.ok && result.status !== 'cancelled')
      return `${task_id}: cancel succeeded, but the result is ${result.status}`;
    if (result.output !== undefined && (!answer || isFailure || !isAnswer(result, answer.content)))
      return `${task_id}: the output is not what Kimi answered`;
    const isSo = {
      done: result.output !== undefined,
      failed: isFailure || isRefused,
      timed_out: !acceptedCallback(events, task_id) || cameTooLate(observed, task),
      cancelled: cancel !== undefined,
    }[result.status];
    return !isSo && `${task_id}: is ${result.status}, which no event explains`;
  });
}

function paidOnce({ tasks, events, files, starts }: Observed): Omit<Verdict, 'name'> {
  return verdict(tasks, ({ task: { task_id, resend_unknown } }) => {
    const paid = events.filter((event) => event.task_id === task_id && event.what === 'taken').length;
    const result = files.filter(isOfTask).find((file) => file.task_id === task_id)?.result;
    const start = starts.find((each) => each.task_id === task_id);
    // The relay resumes an answer that was interrupted.
    const most = resend_unknown ? MOST_SENT : 1 + (result?.interruptions ?? 0) + (start ? roundsOf(start) : 0);
    if (paid > most) return `${task_id}: Kimi accepted ${paid} requests`;
    return result?.status === 'done' && paid === 0 && `${task_id}: is done, and Kimi accepted no request`;
  });
}

function agentsWereNotified({ tasks, files, wakes, shown }: Observed): Omit<Verdict, 'name'> {
  return verdict(files.filter(isResult), ({ task_id, result }) => {
    const key = notificationId(result);
    // With `ack: 'agent'` the agent may find a result in the inbox before it is woken.
    const acknowledgesItself = tasks.some(({ task }) => task.task_id === task_id && task.ack === 'agent');
    const isNotified = (acknowledgesItself ? shown : wakes).some((notification) => notification.key === key);
    return !isNotified && `${task_id}: is ${result.status}, and the agent was not notified (${key})`;
  });
}

function notifiedOnce({ wakes, commands }: Observed): Omit<Verdict, 'name'> {
  const shown = wakes.filter((wake) => wake.shown);
  return verdict(shown, ({ at, key, text }) => {
    const before = shown.find((other) => other.text === text && other.at < at);
    if (!before) return false;
    // With `ack: 'agent'` wakes are repeated until the acknowledgement.
    const notification = parseTaskId(key)?.notification ?? key;
    if (notification === key) return `${key}: the notification was shown twice, also as ${before.key}`;
    const acknowledged = commands.some(
      ({ what, task_id, code, ended_at }) =>
        what === 'ack' &&
        notification === task_id &&
        code === EXIT.ok &&
        ended_at > before.at &&
        ended_at + IN_FLIGHT_MS < at,
    );
    return acknowledged && `${key}: the agent was woken again after it had acknowledged`;
  });
}

function noneIsStuck({ tasks, files }: Observed): Omit<Verdict, 'name'> {
  return verdict(tasks, ({ task: { task_id }, status, view, pending }) => {
    const hasResult = files.some((file) => file.task_id === task_id && file.result);
    if (hasResult && (status === 'COMPLETED' || (status === 'RUNNING' && isDone(view)))) return false;
    const where = view ? `${view.state}, ${view.step}` : 'no worker answered the query';
    return `${task_id}: ${status.toLowerCase()}, ${where}, ${hasResult ? 'with' : 'without'} a result; waits for: ${pending.join('; ') || 'nothing'}`;
  });
}

/** @returns whether an open task waits only for a late answer, which may never come. The relay brings one to each task that timed out. */
export function isDone(view: TaskView | undefined): boolean {
  const mayBeNone = view?.step === 'awaiting_late_answer' && !(view.relay && view.state === 'timed_out');
  return mayBeNone && view.acknowledged;
}

function allAcknowledged({ files, inbox }: Observed): Omit<Verdict, 'name'> {
  return verdict(files.filter(isResult), ({ task_id, result }) => {
    if (!result.acknowledged) return `${task_id}: is ${result.status} and not acknowledged`;
    return inbox.includes(task_id) && `${task_id}: is acknowledged, but still in the inbox`;
  });
}

function filesAreWhole({ files, latest }: Observed): Omit<Verdict, 'name'> {
  const whole = verdict(files, ({ task_id, result, isPending }) => {
    const isFinished = files.some((file) => file.task_id === task_id && file.result);
    if (isPending) return isFinished && `pending-${task_id}.json is there beside a result`;
    return !result && `${task_id}.json is damaged`;
  });
  const forwards = verdict([...latest.entries()], ([index, now]) => {
    if (!now) return `latest.json was damaged when it was read for the ${index + 1}. time`;
    const before = latest[index - 1];
    return (
      before &&
      before.completed_at > now.completed_at &&
      `latest.json went back from ${before.task_id} to ${now.task_id}`
    );
  });
  const results = files.filter(isResult).map(({ result }) => result);
  const newest = results
    .map(({ completed_at }) => completed_at)
    .toSorted()
    .at(-1);
  const last = latest.at(-1);
  const latestIsNewest = verdict(results.length > 0 ? [last] : [], (found) => {
    return (
      found?.completed_at !== newest &&
      `latest.json was completed at ${found?.completed_at}, the newest result at ${newest}`
    );
  });
  return {
    checked: whole.checked + forwards.checked + latestIsNewest.checked,
    violations: [...whole.violations, ...forwards.violations, ...latestIsNewest.violations],
  };
}

/** Counts every request that arrived, accepted or refused. */
function rateWasWithinLimit({ events, limits }: Observed): Omit<Verdict, 'name'> {
  const arrived = events.filter(({ what }) => what === 'arrived').map(({ at }) => at);
  return verdict([...arrived.entries()], ([index, at]) => {
    const within = arrived.slice(0, index + 1).filter((other) => other > at - WINDOW_MS).length;
    return within > limits.per_minute && `${within} requests in the 60 s before ${at} ms, ${limits.per_minute} allowed`;
  });
}

/** A task is at Kimi from the arrival of its request until a direct answer, its first accepted callback, its deadline, or its cancellation. */
function concurrencyWasWithinLimit({ tasks, events, commands, limits }: Observed): Omit<Verdict, 'name'> {
  const spans = tasks.flatMap(({ task: { task_id, timeout_ms } }) => {
    const taken = takenOf(events, task_id);
    const arrived = events.findLast(
      (event) => event.task_id === task_id && event.what === 'arrived' && taken && event.at <= taken.at,
    );
    if (!arrived) return [];
    const cancelled = commands.find((command) => command.what === 'cancel' && command.task_id === task_id)?.at;
    const answered = taken?.inPlace ? taken.at : acceptedCallback(events, task_id)?.at;
    const ends = [arrived.at + timeout_ms, answered, cancelled];
    return [{ task_id, from: arrived.at, to: Math.min(...ends.filter((end) => end !== undefined)) }];
  });
  return verdict(spans, ({ from }) => {
    const concurrent = spans.filter((other) => other.from <= from && other.to > from).map(({ task_id }) => task_id);
    return (
      concurrent.length > limits.concurrent &&
      `${concurrent.length} tasks at Kimi at ${from} ms, ${limits.concurrent} allowed: ${concurrent.join(', ')}`
    );
  });
}

function documentsAreGone({ starts, uploads, files }: Observed): Omit<Verdict, 'name'> {
  const reading = starts.filter((start) => start.task_id !== undefined && documentsOf(start, starts).length > 0);
  return verdict(reading, (start) => {
    const { task_id } = start;
    const own = uploads.filter(({ filename }) => filename.startsWith(`${task_id}.`));
    const left = own.filter(({ deleted }) => !deleted);
    if (left.length > 0) return `${task_id}: ${left.map(({ filename }) => filename).join(', ')} is left at Kimi`;
    const isDone = files.some((file) => file.task_id === task_id && file.result?.status === 'done');
    const wrong = documentsOf(start, starts).find((_, n) => {
      const used = own.filter(({ filename, read }) => filename.endsWith(`.${n + 1}.pdf`) && read > 0).length;
      return used > 1 || (isDone && used === 0);
    });
    return wrong !== undefined && `${task_id}: another number of uploads than one was used of "${wrong}"`;
  });
}

function requestsAreWhole({ completions, starts, files }: Observed): Omit<Verdict, 'name'> {
  const sent = starts.flatMap((start) =>
    completions.filter(({ mark }) => mark === start.task_name).map((completion) => ({ start, completion })),
  );
  return verdict(sent, ({ start, completion }) => {
    const expected = [...documentsOf(start, starts), ...turnsBefore(start, starts, files), start.prompt];
    const messages = questionIn(completion);
    const isWhole =
      messages.length === expected.length && messages.every(({ content }, n) => content.includes(expected[n] ?? ''));
    return !isWhole && `${start.task_name}: Kimi was sent ${messages.map(({ content }) => content).join(' | ')}`;
  });
}

/** @returns the documents of a task and of the conversation before it. */
function documentsOf({ documents, continues }: Start, starts: readonly Start[]): string[] {
  const before = starts.find(({ task_id }) => task_id !== undefined && task_id === continues);
  return [...(before ? documentsOf(before, starts) : []), ...documents];
}

/** @returns questions and answers; of an answer the first words. */
function turnsBefore({ continues }: Start, starts: readonly Start[], files: Observed['files']): string[] {
  const before = starts.find(({ task_id }) => task_id !== undefined && task_id === continues);
  if (!before) return [];
  const answer = files.find(({ task_id }) => task_id === continues)?.result?.output ?? 'no answer';
  return [...turnsBefore(before, starts, files), before.prompt, answer.slice(0, ANSWER_CHARS)];
}

/** The first callback that the webhook accepted with 2xx: from then on its answer must not be lost. */
function acceptedCallback(events: KimiEvent[], task_id: string): KimiEvent | undefined {
  return events.find(
    (event) => event.task_id === task_id && event.what === 'called back' && event.status >= 200 && event.status < 300,
  );
}

/**
 * Whether every accepted callback of a task stayed in the journal (response 202 `queued`) until the grace was over and became
 * a dead letter.
 */
function cameTooLate({ events, deadLetters }: Observed, { task_id, grace_ms }: EngineTask['task']): boolean {
  const wasSignalled = events.some(
    (event) => event.task_id === task_id && event.what === 'called back' && event.status === 200,
  );
  return !wasSignalled && grace_ms < LONG_GRACE_MS && deadLetters.includes(task_id);
}

function answerOf(events: KimiEvent[], task_id: string) {
  return takenOf(events, task_id)?.answer;
}

function takenOf(events: KimiEvent[], task_id: string) {
  return events.find((event) => event.task_id === task_id && event.what === 'taken') as
    | Extract<KimiEvent, { what: 'taken' }>
    | undefined;
}

function isResult<T extends Observed['files'][number]>(file: T): file is T & { result: ResultFile } {
  return file.result !== undefined;
}

/** Maps and the tasks of schedules have invariants of their own. */
function isOfTask<T extends Observed['files'][number]>(file: T): file is T & { result: ResultFile } {
  return isResult(file) && !file.result.map && !file.result.schedule;
}

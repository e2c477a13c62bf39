/** What has to hold, whatever was broken. Pure: from what was observed to what was violated. */
import type { Limits } from '../../src/shared/limits.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { notificationId, parseTaskId } from '../../src/shared/task-id.ts';
import type { Task, TaskView } from '../../src/shared/task.ts';
import { EXIT } from '../../src/service/exit.ts';
import type { Wake } from './gateway.ts';
import type { Kind } from './plan.ts';
import type { KimiEvent } from './stage.ts';

/** All times are milliseconds on one clock, that of the simulated Kimi. */
export interface Observed {
  limits: Limits;
  starts: Start[];
  commands: Command[];
  events: KimiEvent[];
  wakes: Wake[];
  /** What agents that acknowledge for themselves found in the inbox and showed to their users, by the key of the news. */
  shown: { at: number; key: string }[];
  /** What the engine knows of each task that it has. */
  tasks: EngineTask[];
  /** Every file in the results folder that is named after a task. */
  files: { task_id: string; result?: ResultFile; isPending: boolean }[];
  /** Each `latest.json` that was seen on the way, in order, and the last one; `undefined` where it could not be read. */
  latest: (Pick<ResultFile, 'task_id' | 'completed_at'> | undefined)[];
  /** Task ids of results that the inbox holds. */
  inbox: string[];
  /** Task ids of callbacks that were accepted and that nothing would take any more. */
  deadLetters: string[];
}

/** One attempt to start a task, under a name of its own. */
export interface Start {
  task_name: string;
  kind: Kind;
  /** `failed`: it ended with an error that says why. */
  said: 'accepted' | 'queued' | 'pending' | 'refused' | 'known' | 'unknown' | 'failed';
  task_id?: string;
  why?: string;
  took_ms: number;
}

/** A command that was run for a task until it worked. */
export interface Command {
  what: 'cancel' | 'ack';
  /** The task; for `ack` its news, by name. */
  task_id: string;
  at: number;
  ended_at: number;
  /** Exit status in the end. */
  code: number;
  /** What came of it before. */
  failures: { code: number; said: string }[];
}

export interface EngineTask {
  task: Pick<Task, 'task_id' | 'task_name' | 'timeout_ms' | 'grace_ms' | 'resend_unknown' | 'ack'>;
  /** `RUNNING`, `COMPLETED`, or how else it ended. */
  status: string;
  /** Where it says it stands; absent where no worker answered. */
  view?: TaskView;
  /** Activities that it waits for, with their attempt and what failed before. */
  pending: string[];
}

/** What became of one invariant. */
export interface Verdict {
  name: string;
  /** How many cases there were. */
  checked: number;
  /** One line each. */
  violations: string[];
}

/** How often a request may be sent where the user would rather pay twice: once, and three times again. */
const MOST_SENT = 4;

/** The window of the limit a minute, in milliseconds. */
const WINDOW_MS = 60_000;

/** How long after an acknowledgement a wake that was on its way may still arrive, in milliseconds. */
const ON_ITS_WAY_MS = 10_000;

/** No run lasts longer: a task with more grace than that takes any answer, in milliseconds. */
const LONG_GRACE_MS = 3_600_000;

const INVARIANTS: Record<string, (observed: Observed) => Omit<Verdict, 'name'>> = {
  'each start that was confirmed gave one task': startsGaveTasks,
  'each accepted callback is in the one result of its task': callbacksAreKept,
  'no result says what did not happen': resultsAreTrue,
  'each task was paid for once at most, each answer once': paidOnce,
  'the agent was told of each result': agentsWereTold,
  'no news was told twice': toldOnce,
  'no task is stuck': noneIsStuck,
  'what was told is marked, and the inbox is empty': toldIsMarked,
  'files are whole, and latest.json never went back': filesAreWhole,
  'no more requests in any 60 s than the limit': rateWasKept,
  'no more tasks at Kimi at once than the limit': concurrencyWasKept,
};

export function check(observed: Observed): Verdict[] {
  return Object.entries(INVARIANTS).map(([name, invariant]) => ({ name, ...invariant(observed) }));
}

function startsGaveTasks({ starts, tasks }: Observed): Omit<Verdict, 'name'> {
  return verdict(starts, ({ task_name, said, task_id }) => {
    const ids = tasks.filter(({ task }) => task.task_name === task_name).map(({ task }) => task.task_id);
    if (ids.length > 1) return `one start of ${task_name} gave ${ids.length} tasks: ${ids.join(', ')}`;
    const isConfirmed = said !== 'failed' && said !== 'unknown';
    return isConfirmed && ids[0] !== task_id && `the start of ${task_id} was ${said}; the engine does not know it`;
  });
}

function callbacksAreKept(observed: Observed): Omit<Verdict, 'name'> {
  const { tasks, events, files } = observed;
  const answered = tasks.filter(({ task }) => acceptedCallback(events, task.task_id) && !cameTooLate(observed, task));
  return verdict(answered, ({ task: { task_id } }) => {
    const results = files.filter((file) => file.task_id === task_id && !file.isPending);
    const [file] = results;
    if (!file) return `${task_id}: a callback was accepted, and there is no result`;
    const { result } = file;
    const answer = answerOf(events, task_id);
    if (!result || !answer) return `${task_id}: a callback was accepted, and the result cannot be read`;
    const isKept =
      'content' in answer
        ? result.output === answer.content
        : result.output === undefined &&
          result.error?.type === answer.error.type &&
          result.error.message === answer.error.message;
    return !isKept && `${task_id}: a callback was accepted, and its content is not in the result (${result.status})`;
  });
}

function resultsAreTrue(observed: Observed): Omit<Verdict, 'name'> {
  const { tasks, files, events, commands } = observed;
  return verdict(files.filter(isResult), ({ task_id, result }) => {
    const cancel = commands.find(({ what, task_id: id }) => what === 'cancel' && id === task_id);
    const answer = answerOf(events, task_id);
    const isFailure = answer && 'error' in answer;
    const isRefused = events.some(({ task_id: id, what }) => id === task_id && what === 'refused');
    const task = tasks.find((known) => known.task.task_id === task_id)?.task;
    if (task?.task_name !== result.task_name) return `${task_id}: the result is of another task, ${result.task_name}`;
    if (cancel?.code === EXIT.ok && result.status !== 'cancelled')
      return `${task_id}: was said to be cancelled, and is ${result.status}`;
    if (result.output !== undefined && (!answer || isFailure || answer.content !== result.output))
      return `${task_id}: the output is not what Kimi answered`;
    const isSo = {
      done: result.output !== undefined,
      failed: isFailure || isRefused,
      timed_out: !acceptedCallback(events, task_id) || cameTooLate(observed, task),
      cancelled: cancel !== undefined,
    }[result.status];
    return !isSo && `${task_id}: is ${result.status}, and nothing that happened to it says so`;
  });
}

function paidOnce({ tasks, events, files }: Observed): Omit<Verdict, 'name'> {
  return verdict(tasks, ({ task: { task_id, resend_unknown } }) => {
    const paid = events.filter((event) => event.task_id === task_id && event.what === 'taken').length;
    const most = resend_unknown ? MOST_SENT : 1;
    if (paid > most) return `${task_id}: Kimi accepted ${paid} requests`;
    const isDone = files.some((file) => file.task_id === task_id && file.result?.status === 'done');
    return isDone && paid === 0 && `${task_id}: is done, and Kimi accepted no request`;
  });
}

function agentsWereTold({ tasks, files, wakes, shown }: Observed): Omit<Verdict, 'name'> {
  return verdict(files.filter(isResult), ({ task_id, result }) => {
    const key = notificationId(result);
    // Who acknowledges for himself may find it before he is woken; showing it is up to him.
    const isAgents = tasks.some(({ task }) => task.task_id === task_id && task.ack === 'agent');
    const isTold = (isAgents ? shown : wakes).some((news) => news.key === key);
    return !isTold && `${task_id}: is ${result.status}, and the agent was not told (${key})`;
  });
}

function toldOnce({ wakes, commands }: Observed): Omit<Verdict, 'name'> {
  const shown = wakes.filter((wake) => wake.shown);
  return verdict(shown, ({ at, key, text }) => {
    const before = shown.find((other) => other.text === text && other.at < at);
    if (!before) return false;
    // An agent that acknowledges for itself is woken again until it does.
    const notification = parseTaskId(key)?.notification ?? key;
    if (notification === key) return `${key}: the news was shown twice, as ${before.key} too`;
    const acknowledged = commands.some(
      ({ what, task_id, code, ended_at }) =>
        what === 'ack' &&
        notification === task_id &&
        code === EXIT.ok &&
        ended_at > before.at &&
        ended_at + ON_ITS_WAY_MS < at,
    );
    return acknowledged && `${key}: the agent was woken again after it had acknowledged`;
  });
}

function noneIsStuck({ tasks, files }: Observed): Omit<Verdict, 'name'> {
  return verdict(tasks, ({ task: { task_id }, status, view, pending }) => {
    const hasResult = files.some((file) => file.task_id === task_id && file.result);
    const isOpenForLate = view?.step === 'awaiting_late_answer' && view.acknowledged;
    if (hasResult && (status === 'COMPLETED' || (status === 'RUNNING' && isOpenForLate))) return false;
    const where = view ? `${view.state}, ${view.step}` : 'no worker answers for it';
    return `${task_id}: ${status.toLowerCase()}, ${where}, ${hasResult ? 'with' : 'without'} a result; waits for: ${pending.join('; ') || 'nothing'}`;
  });
}

function toldIsMarked({ files, inbox }: Observed): Omit<Verdict, 'name'> {
  return verdict(files.filter(isResult), ({ task_id, result }) => {
    if (!result.acknowledged) return `${task_id}: is ${result.status} and not acknowledged`;
    return inbox.includes(task_id) && `${task_id}: is acknowledged, and still in the inbox`;
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
  const kept = verdict(results.length > 0 ? [last] : [], (found) => {
    return (
      found?.completed_at !== newest && `latest.json is of ${found?.completed_at}, and the newest result of ${newest}`
    );
  });
  return {
    checked: whole.checked + forwards.checked + kept.checked,
    violations: [...whole.violations, ...forwards.violations, ...kept.violations],
  };
}

/** Requests that arrived count, taken or refused. */
function rateWasKept({ events, limits }: Observed): Omit<Verdict, 'name'> {
  const arrived = events.filter(({ what }) => what === 'arrived').map(({ at }) => at);
  return verdict([...arrived.entries()], ([index, at]) => {
    const within = arrived.slice(0, index + 1).filter((other) => other > at - WINDOW_MS).length;
    return within > limits.per_minute && `${within} requests in the 60 s before ${at} ms, ${limits.per_minute} allowed`;
  });
}

/** A task is at Kimi from the arrival of its request to its answer in place, its first accepted callback, its deadline, or its cancellation. */
function concurrencyWasKept({ tasks, events, commands, limits }: Observed): Omit<Verdict, 'name'> {
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
    const atOnce = spans.filter((other) => other.from <= from && other.to > from).map(({ task_id }) => task_id);
    return (
      atOnce.length > limits.concurrent &&
      `${atOnce.length} tasks at Kimi at ${from} ms, ${limits.concurrent} allowed: ${atOnce.join(', ')}`
    );
  });
}

function verdict<T>(cases: T[], look: (one: T) => string | false | undefined): Omit<Verdict, 'name'> {
  return { checked: cases.length, violations: cases.map(look).filter((line) => typeof line === 'string') };
}

/** The first callback of a task that the webhook has answered for: from then on the product owes its result. */
function acceptedCallback(events: KimiEvent[], task_id: string): KimiEvent | undefined {
  return events.find(
    (event) => event.task_id === task_id && event.what === 'called back' && event.status >= 200 && event.status < 300,
  );
}

/**
 * Whether all that the webhook accepted for a task waited in the journal until the grace was over: the provider was told
 * `queued`, and the callback is kept as a dead letter.
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

/** What a task says to its user, in both languages. Loaded by workflows: plain strings and functions only. */
import { field } from '../shared/format.ts';
import type { QueuePosition } from '../shared/limits.ts';
import type { StreamProgress } from '../shared/relay.ts';
import { isTruncated, type ResultFile } from '../shared/result.ts';
import type { Lang, Outcome, Task, TaskError, TaskState, TaskStep, TaskView } from '../shared/task.ts';
import { en } from './en.ts';
import { zhTW } from './zh-TW.ts';

export interface Text {
  state: Record<TaskState, string>;
  step: Record<TaskStep, string>;
  /** Summaries of the activities in the Web UI. */
  activity: {
    dispatch(task: Task): string;
    recordPending: string;
    persist(status: string): string;
    wake: string;
    acknowledge: string;
    verifyCallback: string;
  };
  /** Summaries of the timers in the Web UI. Milliseconds. */
  timer: { deadline(ms: number): string; grace(ms: number): string };
  /**
   * What the agent is woken with (contract section 5). It names the task id: gateways take two events with one text for
   * one.
   */
  wake: Record<Outcome, (name: string, task_id: string) => string>;
  error: {
    timedOut(ms: number): string;
    cancelled: string;
    queueFull(limit: number): string;
    notAcknowledged: string;
    resultLost: string;
  };
  /** How far an answer is that streams in. */
  stream(progress: StreamProgress): string;
  /** `3rd, in about 2 min`. */
  queuePosition(position: QueuePosition): string;
  /** Sentences for error types, ours and Kimi's; what has none is shown in Kimi's words. */
  reasons: Record<string, string>;
  /** One line for a task in the Web UI. */
  summary(task: Task): string;
  prompt: string;
  /** The current details in the Web UI: labels, and what has passed. Times as `0:42`, moments in ISO 8601. */
  details: Record<
    'heading' | 'task' | 'state' | 'model' | 'tokens' | 'cost' | 'error' | 'wakeError' | 'advice' | 'result',
    string
  > & {
    passed: {
      admitted(wait: string): string;
      accepted(apiId: string): string;
      answered(took: string, of: string): string;
      saved(at: string): string;
      woken(at: string): string;
      acknowledged: string;
    };
    /** Until when it is waited at most. */
    until(limit: string, at: string): string;
    /** What to do, where the reason does not say it. */
    advise: Record<'failed' | 'mayFollow' | 'timedOut' | 'notWoken', string>;
  };
  /** The limiter in the Web UI and on the command line. */
  limiter: {
    summary: string;
    heading: string;
    perMinute: string;
    concurrent: string;
    queued: string;
    paused: string;
    /** How many, and the limit. Not a fraction: a limit that was lowered is less than what is under way. */
    use(used: number, limit: number): string;
    /** What one of the agents that share it has of it; `queued` as `use` has it. */
    agent(inFlight: number, queued: string, away: boolean): string;
  };
  /** A task that is done, and whose answer is cut off: its state, and what that means. */
  truncated: { state: string; sentence: string };
  /** Parts of the reply (contract section 5). */
  reply: {
    heading: Record<Outcome | 'truncated', string>;
    task(name: string): string;
    model(model: string): string;
    tokens(tokens: NonNullable<ResultFile['tokens']>): string;
    completedAt(time: string): string;
    reason: string;
    summary: string;
    whole(file: string): string;
    /** Stands before a message that may have been shown already. */
    maybeRepeated: string;
  };
}

const TEXTS: Record<Lang, Text> = { 'zh-TW': zhTW, en };

/** @returns a sentence a user understands, with the technical one behind it, which may be a stranger's. */
export function explain(error: TaskError, text: Text): string {
  const message = field(error.message);
  return isExplained(error, text) ? `${text.reasons[error.type]} (${message})` : message;
}

/** @returns whether there is such a sentence, which also says what to do. */
export function isExplained({ type }: TaskError, text: Text): boolean {
  return Object.hasOwn(text.reasons, type);
}

/** @returns where a task stands, as its user is told: an answer that is cut off is never called done. */
export function stateOf({ state, finish_reason }: Pick<TaskView, 'state' | 'finish_reason'>, text: Text): string {
  return state === 'done' && isTruncated({ finish_reason }) ? text.truncated.state : text.state[state];
}

export function textFor(lang: Lang): Text {
  return TEXTS[lang];
}

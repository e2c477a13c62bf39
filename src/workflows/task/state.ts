import { metricMeter, setCurrentDetails, upsertSearchAttributes, workflowInfo } from '@temporalio/workflow';
import type { BudgetPause, Estimate } from '../../shared/budget.ts';
import { isErrorCallback, type Callback, type ErrorCallback } from '../../shared/callback.ts';
import { isoSeconds } from '../../shared/format.ts';
import type { QueuePosition } from '../../shared/limits.ts';
import { taskMetrics } from '../../shared/metrics.ts';
import { SEARCH_ATTRIBUTES } from '../../shared/names.ts';
import { callsIn, type Rounds } from '../../shared/relay.ts';
import type { TaskResult } from '../../shared/result.ts';
import { viewOfAsked, type Task, type TaskState, type TaskStep, type TaskView } from '../../shared/task.ts';
import { textFor, type Text } from '../../text/index.ts';
import { currentDetails } from '../details.ts';
import { localFirstActivities } from '../local-first.ts';
import { taskActivities } from './activity-options.ts';
import { StageTimes } from './stage-times.ts';

/** State of one task workflow. */
export class TaskRun {
  readonly text: Text;
  /** Answer of the `status` query. */
  readonly view: TaskView;
  readonly times: StageTimes;
  readonly metrics = taskMetrics(metricMeter);
  protected readonly localFirst = localFirstActivities();
  readonly activities = taskActivities(this.localFirst);

  /** The first verified callback, or the answer that the dispatch call returned. */
  callback: Callback | undefined;
  /** Settles once every callback received so far is verified. */
  verified: Promise<void> = Promise.resolve();
  /** Whether Kimi has, or may have, received a request of this task. */
  wasSent = false;
  /** Whether Kimi itself, and not only the relay, has the request. */
  hasBegun: boolean;
  /** The calls of tools that the relay has reported. */
  rounds: Rounds | undefined;
  /** The last saved result. */
  saved: TaskResult | undefined;
  /** Id of the pending notification: the task id, or `<id>-late`. */
  notification: string;
  hasSavedLateAnswer = false;
  private deadlineMs: number | undefined;

  constructor(readonly task: Task) {
    const { task_id, task_name, model, lang, relay } = task;
    const { startTime } = workflowInfo();
    this.text = textFor(lang);
    this.times = new StageTimes(startTime.getTime());
    this.hasBegun = !relay;
    this.notification = task_id;
    this.view = {
      task_id,
      task_name,
      model,
      state: 'dispatching',
      step: 'dispatching',
      created_at: isoSeconds(startTime),
      acknowledged: false,
      ...viewOfAsked(task),
    };
  }

  /** When Kimi's time is up, in milliseconds since 1970. */
  get deadline(): number | undefined {
    return this.deadlineMs;
  }

  setDeadline(at: number): void {
    this.deadlineMs = at;
    this.view.deadline = isoSeconds(at);
  }

  setState(state: TaskState): void {
    const { tokens } = this.view;
    this.view.state = state;
    upsertSearchAttributes([
      { key: SEARCH_ATTRIBUTES.status, value: state },
      ...(tokens === undefined ? [] : [{ key: SEARCH_ATTRIBUTES.tokens, value: tokens }]),
    ]);
  }

  enterStep(step: TaskStep): void {
    this.view.step = step;
    this.updateDetails();
  }

  /** Writes the task's current details in the Web UI. */
  updateDetails(): void {
    const { text, rounds } = this;
    const uses = this.saved?.tool_uses;
    const tools = uses ? text.calls(callsIn(uses)) : rounds && text.rounds(rounds);
    setCurrentDetails(currentDetails(this.task, this.view, this.times.timings(), text, tools));
  }

  setQueuePosition(position: QueuePosition): void {
    this.view.queue = position;
    this.view.paused = undefined;
    if (this.view.state !== 'queued') this.setState('queued');
    this.enterStep('queued');
  }

  setPaused(pause: BudgetPause): void {
    this.view.paused = pause;
    this.view.queue = undefined;
    if (this.view.state !== 'paused') this.setState('paused');
    this.enterStep('paused');
  }

  leaveQueue(): void {
    if (!this.view.queue && !this.view.paused) return;
    this.view.queue = undefined;
    this.view.paused = undefined;
    this.setState('dispatching');
    this.enterStep('dispatching');
  }

  /** @returns what may be paid at most. @throws if no price is known */
  async mostCost(): Promise<Estimate> {
    return await this.activities.mostCost([this.task], this.text.activity.mostCost);
  }

  isAnswered(): boolean {
    return this.callback !== undefined;
  }

  /** @returns the relay's callback after a cancellation made it close its connection to Kimi. */
  closedByRelay(): ErrorCallback | undefined {
    const { callback, task } = this;
    if (!task.relay || !callback || !isErrorCallback(callback)) return undefined;
    return callback.error.type === 'cancelled' ? callback : undefined;
  }
}

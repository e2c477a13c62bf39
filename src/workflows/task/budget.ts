import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineSignal,
  defineUpdate,
  getExternalWorkflowHandle,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import type { BudgetPause, Estimate, Reservation } from '../../shared/budget.ts';
import { chatKey } from '../../shared/chat.ts';
import type { RowPause } from '../../shared/map.ts';
import { ALLOW_UPDATE, ROW_PAUSED_SIGNAL } from '../../shared/names.ts';
import { budgetNotification, repeatKey } from '../../shared/task-id.ts';
import type { TaskView } from '../../shared/task.ts';
import { readFailure } from '../failures.ts';
import type { TaskRun } from './state.ts';

const rowPausedSignal = defineSignal<[RowPause]>(ROW_PAUSED_SIGNAL);
const allowUpdate = defineUpdate<TaskView>(ALLOW_UPDATE);

/** What a task may cost. One that exceeds a budget is paused, and its user is asked: until it is allowed, nothing is sent. */
export class TaskBudget {
  isAllowed: boolean;
  private most: Estimate | undefined;
  /** Notifies the user; absent while there is nothing to ask. */
  private asking: CancellationScope | undefined;
  private asked = 0;
  private settled: Promise<void> = Promise.resolve();

  /** The map of a row knows that it is paused. */
  private isReported = false;

  /** @param onAllowed called when its user lets it be sent */
  constructor(
    private readonly run: TaskRun,
    private readonly onAllowed: () => void = () => {},
  ) {
    this.isAllowed = run.task.allowed ?? false;
    setHandler<TaskView, [], typeof allowUpdate>(
      allowUpdate,
      () => {
        this.isAllowed = true;
        this.onAllowed();
        return run.view;
      },
      {
        validator: () => {
          if (run.view.paused || this.isAllowed) return;
          throw ApplicationFailure.nonRetryable(`${run.task.task_id} does not wait for a budget`, 'not_paused');
        },
      },
    );
  }

  /** @returns what the task may cost at most. @throws if no price is known */
  async reservation(): Promise<Reservation> {
    const { task } = this.run;
    this.most ??= await this.run.mostCost();
    const { amount, currency } = this.most;
    const chat = task.route && { chat: chatKey(task.route) };
    return { amount, currency, ...chat, ...(this.isAllowed && { allowed: true }) };
  }

  /** Waits while the task may cost more than its own budget. */
  async hold(): Promise<void> {
    const { budget } = this.run.task;
    if (budget === undefined || this.isAllowed) return;
    const { amount, currency } = await this.reservation();
    const needs = this.most?.each ?? amount;
    if (needs <= budget) return;
    this.pause({ of: 'task', currency, budget, needs, spent: 0 });
    await condition(() => this.isAllowed);
  }

  /** Shows why the task is not sent, and asks its user unless it will be sent by itself soon. */
  pause(pause: BudgetPause): void {
    this.run.setPaused(pause);
    if (!pause.waits) this.ask(pause);
  }

  /** The task is sent, or queued: there is nothing to ask any more. Settles once its user is not being notified. */
  async end(): Promise<void> {
    this.asking?.cancel();
    this.asking = undefined;
    if (this.isReported) this.reportToMap();
    await this.settled;
  }

  private ask(pause: BudgetPause): void {
    const { task, activities, text, view } = this.run;
    // The map of a row asks.
    if (task.row) {
      if (!this.isReported) this.reportToMap(pause);
      return;
    }
    // A program that asks for the answer sees that it is paused.
    if (this.asking || task.wake === false) return;
    const first = budgetNotification(task.task_id);
    const key = this.asked === 0 ? first : repeatKey(first, this.asked);
    this.asked += 1;
    const chat = { lang: task.lang, ...(task.route && { route: task.route }), paused: { task_name: task.task_name } };
    const line = text.budget.ask(task.task_name, task.task_id, pause, task.route !== undefined, Date.now());
    this.asking = new CancellationScope();
    this.settled = this.asking
      .run(async () => void (await activities.wake([task.task_id, line, key, chat], text.activity.ask)))
      .catch((error: unknown) => {
        const failure = readFailure(error);
        if (failure) view.wake_error = failure;
        else if (!isCancellation(error)) throw error;
      });
  }

  private reportToMap(pause?: BudgetPause): void {
    const { row } = this.run.task;
    if (!row) return;
    this.isReported = pause !== undefined;
    const report = { number: row.number, ...(pause && { pause }) };
    const reporting = getExternalWorkflowHandle(row.map).signal(rowPausedSignal, report);
    // A map that has ended does not ask.
    this.settled = settledAll(this.settled, reporting);
  }
}

async function settledAll(...promises: Promise<void>[]): Promise<void> {
  await Promise.allSettled(promises);
}

import {
  ApplicationFailure,
  CancellationScope,
  condition,
  defineUpdate,
  isCancellation,
  setHandler,
} from '@temporalio/workflow';
import type { BudgetPause, Money, Reservation } from '../../shared/budget.ts';
import { chatKey } from '../../shared/chat.ts';
import { ALLOW_UPDATE } from '../../shared/names.ts';
import { budgetNotification, repeatKey } from '../../shared/task-id.ts';
import type { TaskView } from '../../shared/task.ts';
import { readFailure } from '../failures.ts';
import type { TaskRun } from './state.ts';

const allowUpdate = defineUpdate<TaskView>(ALLOW_UPDATE);

/** What a task may cost. One that exceeds a budget is paused, and its user is asked: until it is allowed, nothing is sent. */
export class TaskBudget {
  private isAllowed: boolean;
  private most: Money | undefined;
  /** Notifies the user; absent while there is nothing to ask. */
  private asking: CancellationScope | undefined;
  private asked = 0;
  private settled: Promise<void> = Promise.resolve();

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
    const { task, activities, text } = this.run;
    this.most ??= await activities.mostCost([task], text.activity.mostCost);
    return { ...this.most, ...(task.route && { chat: chatKey(task.route) }), ...(this.isAllowed && { allowed: true }) };
  }

  /** Waits while the task may cost more than its own budget. */
  async hold(): Promise<void> {
    const { budget } = this.run.task;
    if (budget === undefined || this.isAllowed) return;
    const { amount: needs, currency } = await this.reservation();
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
    await this.settled;
  }

  private ask(pause: BudgetPause): void {
    const { task, activities, text, view } = this.run;
    // The map of a row asks. A program that asks for the answer sees that it is paused.
    if (this.asking || task.row || task.wake === false) return;
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
}

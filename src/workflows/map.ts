import {
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { noCounts, rowsAsked, type MapInput, type MapProgress, type RowReport } from '../shared/map.ts';
import { ROW_SIGNAL, STATUS_QUERY } from '../shared/names.ts';
import type { Outcome, TaskError, TaskSummary, TaskView } from '../shared/task.ts';
import { readFailure } from './failures.ts';
import { mapActivities } from './task/activity-options.ts';
import { handleAcknowledgement, notify } from './task/notify.ts';
import { TaskRun } from './task/state.ts';

const rowSignal = defineSignal<[RowReport]>(ROW_SIGNAL);
const statusQuery = defineQuery<TaskView>(STATUS_QUERY);

/** Rows are not looked at while they report: this long, in milliseconds, without enough of them is a reason. One may have been terminated. */
const LOOK_AFTER_MS = { asking: 300_000, cancelling: 10_000 };

/** A longer history is continued by a new run: a worker that takes over replays it. */
const MAX_EVENTS = 250;

/**
 * A map: starts a task for each row, some at a time, and notifies once, when every one has its outcome. The rows are workflows of
 * their own, so that one which is answered late, or outlives the map, keeps its answer.
 */
export async function kimiMap(map: MapInput, before?: MapProgress): Promise<TaskSummary> {
  const run = new MapRun(map, before);
  setHandler(rowSignal, (report) => run.receive(report));
  setHandler(statusQuery, () => run.view);
  handleAcknowledgement(run);
  if (!before) run.setState('dispatched');
  run.enterStep('waiting');
  let isCancelled = false;
  try {
    await run.ask();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    isCancelled = true;
    await CancellationScope.nonCancellable(async () => await run.cancelRows());
  }
  await CancellationScope.nonCancellable(async () => {
    await run.save(isCancelled);
    await notify(run);
    run.enterStep('closed');
  });
  return { task_id: map.task.task_id, status: run.view.state as Outcome, acknowledged: run.view.acknowledged };
}

/** State of one map workflow. */
class MapRun extends TaskRun {
  private readonly rows: number[];
  /** Rows without an outcome. */
  private readonly open: Set<number>;
  private started: number;
  private readonly counts: MapProgress['counts'];
  private readonly its = mapActivities();
  /** Why no more rows are started. */
  private stopped: TaskError | undefined;

  constructor(
    private readonly map: MapInput,
    { started, open, counts }: MapProgress = { started: 0, open: [], counts: noCounts() },
  ) {
    super(map.task);
    this.rows = rowsAsked(map);
    this.open = new Set(open);
    this.started = started;
    this.counts = counts;
    this.view.created_at = map.created_at;
    this.showCounts();
  }

  receive({ number, status }: RowReport): void {
    // A report may be repeated, or be of a late answer.
    if (!this.open.delete(number)) return;
    this.counts[status] += 1;
    this.showCounts();
  }

  /** Starts the rows and waits for their outcomes. */
  async ask(): Promise<void> {
    const { map, rows, open } = this;
    // Several rows are started together, which costs less.
    const together = (): number => Math.min(Math.ceil(map.at_once / 2), rows.length - this.started);
    const mayStart = (): boolean => !this.stopped && together() > 0 && map.at_once - open.size >= together();
    const isDone = (): boolean => open.size === 0 && (this.stopped !== undefined || this.started === rows.length);
    while (!isDone()) {
      if (workflowInfo().historyLength > MAX_EVENTS || workflowInfo().continueAsNewSuggested) await this.continue();
      if (mayStart()) await this.start(rows.slice(this.started, this.started + map.at_once - open.size));
      else if (!(await condition(() => mayStart() || isDone(), LOOK_AFTER_MS.asking))) await this.look();
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(this.text.error.cancelled);
    }
  }

  /** Cancels the rows that have no outcome, and waits for it. */
  async cancelRows(): Promise<void> {
    const { open, task } = this;
    while (open.size > 0) {
      await this.its.cancelRows([task.task_id, [...open]]);
      if (!(await condition(() => open.size === 0, LOOK_AFTER_MS.cancelling))) await this.look();
    }
  }

  /** Saves the map's result, which adds up those of its rows. */
  async save(isCancelled: boolean): Promise<void> {
    const { map, view, text, times } = this;
    this.enterStep('saving');
    times.mark('kimi');
    const stop = { ...(isCancelled && { cancelled: true as const }), ...(this.stopped && { error: this.stopped }) };
    const saved = await this.its.saveMap([map, this.started, stop], text.activity.saveMap);
    times.mark('save');
    const { status, counts, error, tokens, completed_at, file } = saved;
    view.map = counts;
    view.error = error;
    view.tokens = tokens;
    view.completed_at = completed_at;
    view.result_file = file;
    this.setState(status);
  }

  private async start(numbers: number[]): Promise<void> {
    const { map, open } = this;
    // A row may report before its start is confirmed.
    for (const number of numbers) open.add(number);
    this.started += numbers.length;
    try {
      const starting = async () =>
        await this.its.startRows([map.task.task_id, map.order, numbers], this.text.activity.startRows(numbers.length));
      // A cancellation comes after it: which rows were started is known then.
      await CancellationScope.nonCancellable(starting);
    } catch (error) {
      this.stopped = readFailure(error);
      if (!this.stopped) throw error;
      this.started -= numbers.length;
      for (const number of numbers) open.delete(number);
      this.view.error = this.stopped;
    }
  }

  /** Asks for rows that have ended without a report. */
  private async look(): Promise<void> {
    const { open, task } = this;
    for (const report of await this.its.endedRows([task.task_id, [...open]])) this.receive(report);
  }

  private async continue(): Promise<never> {
    const { started, open, counts } = this;
    return await continueAsNew<typeof kimiMap>(this.map, { started, open: [...open], counts });
  }

  private showCounts(): void {
    this.view.map = { rows: this.rows.length, ...this.counts };
    this.updateDetails();
  }
}

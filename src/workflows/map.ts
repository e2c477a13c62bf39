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
import {
  noCounts,
  rowsAsked,
  type AnsweredRows,
  type MapInput,
  type MapProgress,
  type RowReport,
} from '../shared/map.ts';
import { ROW_SIGNAL, STATUS_QUERY } from '../shared/names.ts';
import { pendingOf } from '../shared/result.ts';
import type { Outcome, TaskError, TaskSummary, TaskView } from '../shared/task.ts';
import { readFailure } from './failures.ts';
import { RowBatches } from './map-batches.ts';
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
  let isCancelled = before?.cancelled ?? false;
  setHandler(rowSignal, (report) => run.receive(report));
  setHandler(statusQuery, () => run.view);
  handleAcknowledgement(run);
  if (!before) await run.begin();
  run.enterStep('waiting');
  try {
    if (!isCancelled) await run.ask();
  } catch (error) {
    if (!isCancellation(error)) throw error;
    isCancelled = true;
  }
  await CancellationScope.nonCancellable(async () => {
    if (isCancelled) await run.end();
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
  private readonly batches: RowBatches | undefined;
  private isEnding = false;

  constructor(
    private readonly map: MapInput,
    { started, open, counts, batches, cancelled }: MapProgress = { started: 0, open: [], counts: noCounts() },
  ) {
    super(map.task);
    this.rows = rowsAsked(map);
    this.open = new Set(open);
    this.started = started;
    this.counts = counts;
    this.view.created_at = map.created_at;
    if (map.batch) this.batches = new RowBatches(map, this.rows, this.text, batches);
    this.batches?.begin(cancelled ?? false);
    this.showCounts();
  }

  receive({ number, status }: RowReport): void {
    // A report may be repeated, or be of a late answer.
    if (!this.open.delete(number)) return;
    this.counts[status] += 1;
    this.showCounts();
  }

  /** Records that it is under way, where a list finds it while no service runs. */
  async begin(): Promise<void> {
    const { task, rows, view, text } = this;
    this.setState('dispatched');
    const pending = pendingOf({ ...task, map_rows: rows.length }, view.created_at);
    await CancellationScope.nonCancellable(
      async () => await this.its.recordPending([pending], text.activity.recordPending),
    );
  }

  /** Starts the rows and waits for their outcomes. */
  async ask(): Promise<void> {
    const { map, open, batches } = this;
    // Several rows are started together, which costs less.
    const together = (): number => Math.min(Math.ceil(map.at_once / 2), this.ready);
    const mayStart = (): boolean => !this.stopped && together() > 0 && map.at_once - open.size >= together();
    const isDone = (): boolean => open.size === 0 && (this.stopped !== undefined || this.isAllStarted);
    while (!isDone()) {
      const isLong = workflowInfo().historyLength > MAX_EVENTS || workflowInfo().continueAsNewSuggested;
      // A batch that is being made would be made by both runs.
      if (isLong && !batches?.isMaking) await this.continue();
      if (mayStart()) await this.start(map.at_once - open.size);
      else if (open.size === 0) await condition(() => mayStart() || isDone());
      else if (!(await condition(() => mayStart() || isDone(), LOOK_AFTER_MS.asking))) await this.look();
      if (CancellationScope.current().consideredCancelled) throw new CancelledFailure(this.text.error.cancelled);
    }
  }

  /** Ends what is in progress after a cancellation. What Kimi has answered in a batch is saved. */
  async end(): Promise<void> {
    this.isEnding = true;
    if (this.batches) await this.ask();
    else await this.cancelRows();
  }

  /** Cancels the rows that have no outcome, and waits for it. */
  private async cancelRows(): Promise<void> {
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
    const error = this.stopped ?? this.batches?.failure;
    const stop = { ...(isCancelled && { cancelled: true as const }), ...(error && { error }) };
    // Batches end in any order: rows without a result were not asked, or not answered.
    const started = this.batches && this.started < this.rows.length ? 0 : this.started;
    const saved = await this.its.saveMap([map, started, stop], text.activity.saveMap);
    await this.batches?.settled();
    times.mark('save');
    const { status, counts, tokens, completed_at, file } = saved;
    view.map = counts;
    view.error = saved.error;
    view.tokens = tokens;
    view.completed_at = completed_at;
    view.result_file = file;
    this.setState(status);
  }

  /** Rows that can be started now: with batches, those that Kimi has answered. */
  private get ready(): number {
    if (!this.batches) return this.rows.length - this.started;
    return this.batches.answered[0]?.numbers.length ?? 0;
  }

  private get isAllStarted(): boolean {
    return this.ready === 0 && (this.batches?.hasEnded ?? true);
  }

  /** Starts as many rows as are ready, at most so many. */
  private async start(most: number): Promise<void> {
    const { rows, batches } = this;
    const answered = batches?.answered[0];
    const numbers = answered ? answered.numbers.slice(0, most) : rows.slice(this.started, this.started + most);
    // A row may report before its start is confirmed.
    for (const number of numbers) this.open.add(number);
    this.started += numbers.length;
    if (answered) batches.answered.splice(0, 1, ...rest(answered, numbers.length));
    try {
      await this.startRows(numbers, answered?.claim);
    } catch (error) {
      this.stopped = readFailure(error);
      if (!this.stopped) throw error;
      this.started -= numbers.length;
      for (const number of numbers) this.open.delete(number);
      this.view.error = this.stopped;
    }
  }

  private async startRows(numbers: number[], answers: string | undefined): Promise<void> {
    const { task, order } = this.map;
    const summary = this.text.activity.startRows(numbers.length);
    const args = [task.task_id, order, numbers] as const;
    // A cancellation comes after it: which rows were started is known then.
    await CancellationScope.nonCancellable(
      async () => await this.its.startRows(answers === undefined ? [...args] : [...args, answers], summary),
    );
  }

  /** Asks for rows that have ended without a report. */
  private async look(): Promise<void> {
    const { open, task } = this;
    for (const report of await this.its.endedRows([task.task_id, [...open]])) this.receive(report);
  }

  private async continue(): Promise<never> {
    const { started, open, counts, batches, isEnding } = this;
    await batches?.settled();
    return await continueAsNew<typeof kimiMap>(this.map, {
      started,
      open: [...open],
      counts,
      ...(batches && { batches: batches.progress }),
      ...(isEnding && { cancelled: true }),
    });
  }

  private showCounts(): void {
    this.view.map = { rows: this.rows.length, ...this.counts };
    this.updateDetails();
  }
}

function rest({ claim, numbers }: AnsweredRows, started: number): AnsweredRows[] {
  return numbers.length > started ? [{ claim, numbers: numbers.slice(started) }] : [];
}

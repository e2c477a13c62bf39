import {
  CancellationScope,
  CancelledFailure,
  condition,
  continueAsNew,
  defineQuery,
  defineSignal,
  defineUpdate,
  isCancellation,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import {
  noCounts,
  rowsAsked,
  type AnsweredRows,
  type MapAcceptance,
  type MapInput,
  type MapProgress,
  type RowPause,
  type RowReport,
} from '../shared/map.ts';
import { ACCEPTED_UPDATE, ROW_PAUSED_SIGNAL, ROW_SIGNAL, STATUS_QUERY } from '../shared/names.ts';
import { pendingOf } from '../shared/result.ts';
import type { Outcome, TaskError, TaskSummary, TaskView } from '../shared/task.ts';
import { readFailure } from './failures.ts';
import { RowBatches } from './map-batches.ts';
import type { BudgetPause, Estimate } from '../shared/budget.ts';
import { mapActivities } from './task/activity-options.ts';
import { TaskBudget } from './task/budget.ts';
import { leaseFor, type Lease } from './task/lease.ts';
import { handleAcknowledgement, notify } from './task/notify.ts';
import { TaskRun } from './task/state.ts';

const rowSignal = defineSignal<[RowReport]>(ROW_SIGNAL);
const rowPausedSignal = defineSignal<[RowPause]>(ROW_PAUSED_SIGNAL);
const acceptedUpdate = defineUpdate<MapAcceptance>(ACCEPTED_UPDATE);
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
  setHandler(rowPausedSignal, async (report) => await run.receivePause(report));
  setHandler(statusQuery, () => run.view);
  setHandler(acceptedUpdate, async () => await run.acceptance());
  handleAcknowledgement(run);
  if (!before) await run.begin();
  if (!run.view.paused) run.enterStep('waiting');
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
  private readonly its = mapActivities(this.localFirst);
  /** Rows that exceed a budget: the map asks for all of them. */
  private readonly paused: Map<number, RowPause>;
  private readonly budget: TaskBudget | undefined;
  /** Of its batches. */
  private readonly lease: Lease | undefined;
  /** Why no more rows are started. */
  private stopped: TaskError | undefined;
  private readonly batches: RowBatches | undefined;
  private isEnding = false;
  /** Its batches may be made. */
  private isPermitted = false;
  private hasStartedRows: boolean;

  constructor(
    private readonly map: MapInput,
    progress: MapProgress = { started: 0, open: [], counts: noCounts() },
  ) {
    const { started, open, counts, batches, cancelled, allowed, paused = [] } = progress;
    super(allowed ? { ...map.task, allowed } : map.task);
    this.rows = rowsAsked(map);
    this.open = new Set(open);
    this.started = started;
    this.hasStartedRows = started > 0;
    this.counts = counts;
    this.view.created_at = map.created_at;
    this.paused = new Map(paused.map((row) => [row.number, row]));
    if (map.batch) {
      const lease = leaseFor(this, true);
      this.lease = lease;
      this.batches = new RowBatches(map, this.rows, this.text, async () => await this.permission(lease), batches);
      this.batches.begin(cancelled ?? false);
    } else this.budget = new TaskBudget(this, () => void this.allowRows([...this.paused.keys()]));
    this.showCounts();
  }

  receive({ number, status }: RowReport): void {
    // A report may be repeated, or be of a late answer.
    if (!this.open.delete(number)) return;
    this.counts[status] += 1;
    this.showCounts();
    if (this.paused.has(number)) void this.receivePause({ number });
  }

  /** A row exceeds a budget, or does no longer. */
  async receivePause(row: RowPause): Promise<void> {
    const { number, pause } = row;
    if (pause && this.open.has(number)) this.paused.set(number, row);
    else this.paused.delete(number);
    if (pause && this.budget?.isAllowed) await this.allowRows([number]);
    else if (this.paused.size > 0) this.budget?.pause(pause ?? this.firstPause);
    else {
      if (this.view.paused) this.leavePause();
      await this.budget?.end();
    }
  }

  /** Waits until its first rows are started, or its batches may be made. Rows say themselves that they exceed a budget. */
  async acceptance(): Promise<MapAcceptance> {
    const { view } = this;
    await condition(() => Boolean(view.paused ?? view.completed_at) || this.isPermitted || this.hasStartedRows);
    return view.paused ? { paused: view.paused } : {};
  }

  override async mostCost(): Promise<Estimate> {
    const { map, rows, text } = this;
    return await this.its.mostCostOfRows([map.task.task_id, map.order, rows], text.activity.mostCost);
  }

  /** Records that it is under way, where a list finds it while no service runs. */
  async begin(): Promise<void> {
    const { task, rows, view, text, map } = this;
    this.setState('dispatched');
    const retries = map.retries !== undefined && { retries: map.retries };
    const pending = pendingOf({ ...task, map_rows: rows.length, ...retries }, view.created_at);
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
    this.view.paused = undefined;
    await this.budget?.end();
    const saved = await this.its.saveMap([map, started, stop], text.activity.saveMap);
    await Promise.all([this.batches?.settled(), this.lease?.settle(saved.cost)]);
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
      this.hasStartedRows = true;
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
    const how = answers === undefined ? this.budget?.isAllowed && { allowed: true as const } : { answers };
    const args = [task.task_id, order, numbers] as const;
    // A cancellation comes after it: which rows were started is known then.
    await CancellationScope.nonCancellable(
      async () => await this.its.startRows(how ? [...args, how] : [...args], summary),
    );
  }

  /** Waits until its batches may be made: what all rows may cost is reserved. */
  private async permission(lease: Lease): Promise<void> {
    await lease.obtain();
    this.isPermitted = true;
    if (this.view.paused) this.leavePause();
  }

  private async allowRows(numbers: number[]): Promise<void> {
    if (numbers.length > 0) await this.its.allowRows([this.task.task_id, numbers]);
  }

  private get firstPause(): BudgetPause {
    return [...this.paused.values()][0]?.pause as BudgetPause;
  }

  private leavePause(): void {
    this.view.paused = undefined;
    this.setState('dispatched');
    this.enterStep('waiting');
  }

  /** Asks for rows that have ended without a report. */
  private async look(): Promise<void> {
    const { open, task } = this;
    for (const report of await this.its.endedRows([task.task_id, [...open]])) this.receive(report);
  }

  private async continue(): Promise<never> {
    const { started, open, counts, batches, isEnding, paused } = this;
    await this.budget?.end();
    await batches?.settled();
    return await continueAsNew<typeof kimiMap>(this.map, {
      started,
      open: [...open],
      counts,
      ...((this.isPermitted || this.budget?.isAllowed) && { allowed: true }),
      ...(paused.size > 0 && { paused: [...paused.values()] }),
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

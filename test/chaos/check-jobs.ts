/** The invariants of searches, maps, batches, budgets and schedules. Pure. */
import { paidIn } from '../../src/shared/budget.ts';
import { budgetNotification, parseTaskId } from '../../src/shared/task-id.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import type { Observed, Start } from './check.ts';
import { roundsOf } from './relayed.ts';
import { verdict, type Verdict } from './verdict.ts';

/** Sums of money are rounded to this, in CNY. */
const ROUNDED = 1e-6;

export const JOB_INVARIANTS: Record<string, (observed: Observed) => Omit<Verdict, 'name'>> = {
  'each tool was called once a round, and its use is in the result': toolsWereCalledOnce,
  'each batch was made once, and its input is gone at Kimi': batchesWereMadeOnce,
  'each row of a map has its answer, and was paid for once': rowsWerePaidOnce,
  'a map is notified once, its rows are not': mapsWereNotified,
  'each due time of a schedule started one task, which was paid for once': schedulesStartedTasks,
  'nothing is reserved of the budget, and what is spent is what tasks cost': budgetIsRight,
};

function toolsWereCalledOnce({ starts, fibers, files }: Observed): Omit<Verdict, 'name'> {
  const searching = starts.filter(({ task_id, request }) => task_id !== undefined && request?.tools);
  return verdict(searching, (start) => {
    const { task_id, task_name, request } = start;
    const own = fibers.filter(({ arguments: args }) => args.includes(`mark=${task_name} `));
    const most = roundsOf(start) * (request?.tools?.length ?? 0);
    if (own.length > most) return `${task_id}: ${own.length} calls of tools were run in place of ${most}`;
    const result = files.find((file) => file.task_id === task_id)?.result;
    const uses = result?.tool_uses ?? [];
    if (result?.status === 'done' && uses.length !== most) return `${task_id}: shows ${uses.length} uses of ${most}`;
    const paid = own.filter(({ billed }) => billed).length;
    const succeeded = uses.filter(({ failed }) => !failed).length;
    return succeeded > paid && `${task_id}: shows ${succeeded} results of tools, and ${paid} were paid for`;
  });
}

function batchesWereMadeOnce({ batches, uploads }: Observed): Omit<Verdict, 'name'> {
  return verdict(batches, ({ id, metadata: { task_id = '' } }) => {
    if (batches.some((other) => other.id !== id && other.metadata['task_id'] === task_id))
      return `${task_id}: more than one batch was made`;
    const isLeft = uploads.some(({ filename, deleted }) => filename === `batch-${task_id}.jsonl` && !deleted);
    return isLeft && `${task_id}: the input of its batch is left at Kimi`;
  });
}

function rowsWerePaidOnce(observed: Observed): Omit<Verdict, 'name'> {
  const { starts, files, rows, batches } = observed;
  const asked = starts.flatMap((start) => {
    const { task_id, rows: marks = [] } = start;
    const map = files.find((file) => file.task_id === task_id)?.result;
    const made = batches.filter(({ metadata }) => metadata['map'] === task_id).length;
    return marks.map((mark, n) => {
      const own = rows.filter(({ row }) => row?.map === task_id && row?.number === n + 1);
      return { start, mark, map, made, own };
    });
  });
  return verdict(asked, ({ start, mark, map, made, own: [row, ...others] }) => {
    const { task_id, prompt, request } = start;
    const about = `row ${mark} of ${task_id}`;
    if (!map?.map || map.map.rows !== start.rows?.length) return `${about}: the map has no result of every row`;
    if (!row || others.length > 0) return `${about}: has ${row ? others.length + 1 : 0} results`;
    const paid = observed.completions.filter((completion) => completion.mark === mark).length;
    const most = request?.batch ? 0 : 1 + (row.interruptions ?? 0);
    if (paid > most || made > 1) return `${about}: Kimi was asked ${paid} times, and ${made} batches were made`;
    const counted = rows.filter(
      ({ row: of, status, late }) => of?.map === task_id && status === 'done' && !late,
    ).length;
    if (counted !== map.map.done) return `${about}: the map counts ${map.map.done} answers, and has ${counted}`;
    if (row.status !== 'done') return false;
    if (paid + made === 0) return `${about}: is done, and Kimi was not asked`;
    return row.output !== answerTo(prompt.replaceAll('{{text}}', mark)) && `${about}: has another answer`;
  });
}

function mapsWereNotified({ files, rows, wakes }: Observed): Omit<Verdict, 'name'> {
  return verdict([...files.filter(({ result }) => result?.map), ...rows], ({ task_id }) => {
    const expected = rows.some((row) => row.task_id === task_id) ? 0 : 1;
    // A map that exceeds a budget has asked its user; a row never does.
    const asked = expected === 1 && budgetNotification(task_id);
    const shown = wakes.filter(({ shown: isShown, key }) => {
      const about = parseTaskId(key);
      return isShown && about?.task_id === task_id && about.notification !== asked;
    }).length;
    return shown !== expected && `${task_id}: ${shown} notifications were shown`;
  });
}

function schedulesStartedTasks({ starts, files, completions }: Observed): Omit<Verdict, 'name'> {
  const scheduled = starts.filter((start): start is Start & { due_by: string } => start.due_by !== undefined);
  return verdict(scheduled, ({ task_name, prompt, due_by }) => {
    const results = files.flatMap(({ result }) => (result?.schedule?.name === task_name ? [result] : []));
    const due = results.map(({ schedule }) => Date.parse(schedule?.due_at ?? '')).toSorted((a, b) => a - b);
    const [first] = due;
    if (first === undefined || first > Date.parse(due_by))
      return `${task_name}: no task was started that was due ${due_by}`;
    if (new Set(due).size < due.length) return `${task_name}: two tasks were started for one due time`;
    const interrupted = results.reduce((sum, { interruptions = 0 }) => sum + interruptions, 0);
    const paid = completions.filter(({ mark }) => mark === task_name).length;
    if (paid > results.length + interrupted) return `${task_name}: ${results.length} tasks were paid for ${paid} times`;
    const isOther = results.some(({ status, output }) => status === 'done' && output !== answerTo(prompt));
    return isOther && `${task_name}: a task has another answer`;
  });
}

function budgetIsRight({ budget, tasks, files, rows }: Observed): Omit<Verdict, 'name'> {
  // What an open task costs is not known.
  const isOver = tasks.every(({ status }) => status !== 'RUNNING');
  return verdict(budget && isOver ? [budget] : [], ({ spent, reserved, paused }) => {
    const results = files.flatMap(({ result }) => (result && !result.map ? [result] : []));
    const all = [...results, ...rows];
    const cost = all.reduce((sum, result) => sum + (result.cost?.amount ?? 0), 0);
    // What may have been paid counts as much as it may have been.
    const more = all.some((result) => paidIn(result, result).unknown) ? Infinity : 0;
    const isRight = spent > cost - ROUNDED && spent < cost + more + ROUNDED && reserved === 0 && paused.length === 0;
    return !isRight && `${spent} is spent, ${reserved} reserved, ${paused.length} tasks are paused; tasks cost ${cost}`;
  });
}

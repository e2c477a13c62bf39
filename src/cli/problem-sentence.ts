import { langOf } from '../config/early.ts';
import { EXIT, type Exit } from '../service/exit.ts';
import { tildePath } from '../service/files.ts';
import { Problem, type ProblemCode, type Problems } from '../tasks/problem.ts';
import { explain, textFor, type Text } from '../text/index.ts';
import { CliError, exitForRefusal } from './exit.ts';
import type { CliText } from './text/index.ts';

/** Without those that only the configuration explains, or that no command causes. */
type SaidCode = Exclude<ProblemCode, 'no_api_key' | 'not_allowed' | 'still_open' | 'needed'>;

const SENTENCES: { [Code in SaidCode]: (params: Problems[Code], say: CliText, text: Text) => [Exit, string] } = {
  unknown_task: ({ task_id }, say) => [EXIT.unknown_task, say.unknownTask(task_id)],
  no_results: (_, say) => [EXIT.unfinished, say.noResults],
  unfinished: ({ task_id }, say) => [EXIT.unfinished, say.unfinished(task_id)],
  ended: ({ task_id, how }, say) => [EXIT.cancelled, say.ended(task_id, how)],
  result_gone: ({ task_id, file }, say) => [EXIT.config, say.resultGone(task_id, tildePath(file))],
  already_ended: ({ task_id, state, how }, say, text) => [
    EXIT.finished,
    say.alreadyEnded(task_id, how ?? (state ? text.state[state] : '')),
  ],
  still_ending: ({ task_id }, say) => [EXIT.unfinished, say.stillEnding(task_id)],
  not_paused: ({ task_id }, say) => [EXIT.finished, say.notPaused(task_id)],
  no_worker: (_, say) => [EXIT.engine, say.noWorker],
  not_late: ({ task_id }, say) => [EXIT.unfinished, say.notLate(task_id)],
  chat_limit: ({ most, minutes }, say) => [EXIT.limited, say.chatLimit(most, minutes)],
  engine_silent: ({ task_id }, say) => [EXIT.engine, say.engineSilent(task_id)],
  engine_lost: ({ address }, say) => [EXIT.engine, say.engineGone(address)],
  unusable_request: ({ reason }, _, text) => [exitForRefusal(reason.type), explain(reason, text)],
  too_long: ({ bytes, most, continues }, say) => [EXIT.usage, say.usage.tooLong(bytes, most, continues)],
  no_question: ({ task_id }, say) => [EXIT.usage, say.noQuestion(task_id)],
  no_answer: ({ task_id, state }, say, text) => [EXIT.usage, say.noAnswer(task_id, text.state[state])],
  no_function_result: ({ call_id }, say) => [EXIT.usage, say.noFunctionResult(call_id)],
  unknown_call: ({ call_id }, say) => [EXIT.usage, say.unknownCall(call_id)],
  other_kimi: ({ task_id, simulated }, say) => [EXIT.config, say.otherKimi(task_id, simulated)],
  conversation_gone: ({ task_id, earlier }, say) => [EXIT.config, say.conversationGone(task_id, earlier)],
  unusable_file: ({ file, why, most }, say) => [EXIT.usage, say.usage.unusableFile(file, why, most)],
  too_many_files: ({ files, most }, say) => [EXIT.usage, say.usage.tooManyFiles(files, most)],
  files_too_large: ({ bytes, most, images }, say) => [EXIT.usage, say.usage.filesTooLarge(bytes, most, images)],
  unusable_rows: (params, say) => [EXIT.usage, say.maps.unusable(params)],
  unknown_column: ({ column, line, columns }, say) => [EXIT.usage, say.maps.unknownColumn(column, line, columns)],
  no_column: ({ columns }, say) => [EXIT.usage, say.maps.noColumn(columns)],
  unusable_row: ({ line, reason: { code, params } }, say, text) => {
    const why = sayProblem(new Problem(code, params as Problems[typeof code]), say, text);
    return [why?.exit ?? EXIT.usage, say.maps.row(line, why?.message ?? code)];
  },
  no_failed_rows: ({ task_id }, say) => [EXIT.finished, say.maps.noneFailed(task_id)],
  no_map: ({ task_id }, say) => [EXIT.usage, say.maps.noMap(task_id)],
  rows_gone: ({ task_id }, say) => [EXIT.config, say.maps.rowsGone(task_id)],
  no_prompt: (_, say) => [EXIT.usage, say.usage.noPrompt],
  key_reused: ({ task_id }, say) => [EXIT.usage, say.keyReused(task_id)],
  bad_name: (_, say) => [EXIT.usage, say.usage.badName],
  bad_receiver: ({ why }, say, text) => [
    EXIT.usage,
    say.usage.badReceiver(text.detail({ code: 'receiver_refused', why }) ?? why),
  ],
  unknown_schedule: ({ name }, say) => [EXIT.unknown_task, say.schedule.unknown(name)],
  schedule_exists: ({ name }, say) => [EXIT.usage, say.schedule.exists(name)],
  unknown_times: ({ words, why }, say) => [EXIT.usage, say.schedule.unknownTimes(words, why)],
  never_due: ({ words }, say) => [EXIT.usage, say.schedule.neverDue(words)],
  unknown_timezone: ({ timezone }, say) => [EXIT.usage, say.schedule.unknownTimezone(timezone)],
};

/** @returns whether there is a sentence for a problem. */
export function hasSentence(code: string): code is SaidCode {
  return Object.hasOwn(SENTENCES, code);
}

/** @returns the exit status and the sentence of a problem; `undefined` if there is none. */
export function sayProblem<Code extends ProblemCode>(
  { code, params }: Problem<Code>,
  say: CliText,
  text: Text,
): CliError | undefined {
  if (!hasSentence(code)) return undefined;
  const sentence = SENTENCES[code] as (params: Problems[Code], say: CliText, text: Text) => [Exit, string];
  return new CliError(...sentence(params, say, text));
}

/** @returns the exit status and the sentence of an error of commands and tasks; `undefined` for any other. */
export function sentenceOfOurs(error: unknown, say: CliText): CliError | undefined {
  if (error instanceof CliError) return error;
  return error instanceof Problem ? sayProblem(error, say, textFor(langOf())) : undefined;
}

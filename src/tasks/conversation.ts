/** Conversations: a task that continues another one is sent all its questions and answers. */
import { withoutThread } from '../shared/chat.ts';
import { askedModel, type ResultFile } from '../shared/result.ts';
import type { Turn } from '../shared/task.ts';
import type { TaskContext } from './context.ts';
import { checkChats, savedResult } from './look-up.ts';
import { Problem } from './problem.ts';
import type { NewTask } from './tasks.ts';

type Reading = Pick<TaskContext, 'results' | 'withClient' | 'simulated'>;

/**
 * Reads the conversation that a task continues, from the result files, each of which has one question and its answer.
 *
 * @returns the task with the conversation, and with the name and the settings of the task before it where none are given
 * @throws {Problem} if a part of it is missing, has no answer, or belongs to another chat
 */
export async function continued(context: TaskContext, task: NewTask): Promise<NewTask> {
  const { continue: last, route } = task;
  if (last === undefined) return task;
  // An answer is often the first message of a thread: there its task, which belongs to the chat around it, is continued.
  if (route) await checkChats(context, last, [route, withoutThread(route)]);
  const newest = await savedResult(context, last);
  const { prompt: _, files: __, metadata: ___, request, ...settings } = questionOf(context, newest);
  // What is paid for separately, takes a day, or was asked of a program is said again.
  const {
    images: _i,
    tools: _t,
    batch: _b,
    functions: _f,
    function_choice: _c,
    function_results: _r,
    ...options
  } = request ?? {};
  const conversation = await conversationTo(context, newest);
  if (task.own_options) return { name: newest.task_name, ...task, conversation };
  return {
    name: newest.task_name,
    model: askedModel(newest),
    ...settings,
    ...task,
    request: { ...options, ...task.request },
    conversation,
  };
}

/** @returns questions and answers up to this result, the oldest first. */
async function conversationTo(context: Reading, newest: ResultFile): Promise<Turn[]> {
  const turns = new Map<string, Turn[]>();
  let result: ResultFile | undefined = newest;
  // A file that was changed by hand could name a task twice.
  while (result && !turns.has(result.task_id)) {
    turns.set(result.task_id, turnsOf(context, result));
    const { continues: earlier }: ResultFile = result;
    if (earlier === undefined) break;
    result = await context.results.readIfSound(earlier);
    if (!result) throw new Problem('conversation_gone', { task_id: newest.task_id, earlier });
  }
  return [...turns.values()].toReversed().flat();
}

/** @returns what a task was asked with its answer, after the conversation that it was given. */
function turnsOf(context: Reading, result: ResultFile): Turn[] {
  const { task_id, output = '', reasoning, function_calls, status, simulated = false } = result;
  if (output.trim() === '' && !function_calls) throw new Problem('no_answer', { task_id, state: status });
  if (simulated !== context.simulated) throw new Problem('other_kimi', { task_id, simulated });
  const { prompt, request, files, conversation = [] } = questionOf(context, result);
  const turn: Turn = {
    prompt,
    ...(request?.images && { images: request.images }),
    ...(files && { files }),
    ...(request?.function_results && { function_results: request.function_results }),
    output,
    ...(reasoning && { reasoning }),
    ...(function_calls && { function_calls }),
  };
  return [...conversation, turn];
}

function questionOf({ results }: Reading, result: ResultFile) {
  const question = results.questionOf(result);
  if (!question) throw new Problem('no_question', { task_id: result.task_id });
  return question;
}

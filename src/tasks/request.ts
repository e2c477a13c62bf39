/** From what a caller wants to the input of a task's workflow. */
import { acknowledgedBy, limitsOf, taskTimeoutMs } from '../config/index.ts';
import { refuseIfSurelyTooLong } from '../kimi/context.ts';
import { KimiError } from '../kimi/errors.ts';
import { callsBack, isPriced, modelOf, resolveModel, unpriced } from '../kimi/models.ts';
import { requestFor, sentFiles } from '../kimi/request.ts';
import { MAX_PROMPT_BYTES, type FunctionResult, type Task, type TaskRequest, type Turn } from '../shared/task.ts';
import { checkFiles } from './files.ts';
import type { TaskContext } from './context.ts';
import { Problem } from './problem.ts';
import { checkReceiver } from './receiver.ts';
import { isTaskName, nameFromPrompt } from './task-name.ts';
import type { NewTask } from './tasks.ts';

/** A task with all that Kimi is asked for. */
export type CheckedTask = NewTask & Required<Pick<NewTask, 'name' | 'model'>>;

/**
 * @returns the task with its name and model.
 * @throws {Problem} if something is missing, is too long, or would be refused by Kimi.
 */
export function checkTask(
  context: Pick<TaskContext, 'config' | 'apiUrl' | 'relay' | 'simulated'>,
  task: NewTask,
): CheckedTask {
  const { config, apiUrl, relay, simulated } = context;
  const { prompt, request = {}, files = [], conversation = [] } = task;
  const { functions, function_results: results } = request;
  const { name = nameFromPrompt([...conversation, task].findLast((turn) => turn.prompt !== '')?.prompt ?? '') } = task;
  const allFiles = sentFiles({ files, conversation }, apiUrl);
  if (prompt.trim() === '' && !results) throw new Problem('no_prompt', {});
  if (!isTaskName(name)) throw new Problem('bad_name', {});
  checkFiles(allFiles);
  checkResults(conversation, results);
  checkReceiver(context, task);
  const texts = allFiles.filter(({ kind }) => kind === 'text').reduce((sum, { stored_bytes }) => sum + stored_bytes, 0);
  const bytes =
    Buffer.byteLength(prompt) +
    Buffer.byteLength(JSON.stringify(request)) -
    '{}'.length +
    texts +
    bytesOf(conversation);
  if (bytes > MAX_PROMPT_BYTES) {
    const { continue: continues } = task;
    throw new Problem('too_long', { bytes, most: MAX_PROMPT_BYTES, ...(continues !== undefined && { continues }) });
  }
  try {
    const model = resolveModel(task.model ?? config.KIMI_MODEL, apiUrl, simulated);
    const scanned = allFiles.find(({ kind }) => kind === 'pages');
    const { tools = [] } = request;
    if (tools.length > 0 && !(relay && apiUrl !== undefined && !callsBack(apiUrl))) {
      throw new KimiError('refused', 'no_tools', { code: 'no_tools', tools, ...(simulated && { simulated }) });
    }
    if (functions && !relay) {
      throw new KimiError('refused', 'no_functions', { code: 'no_functions', ...(simulated && { simulated }) });
    }
    if (functions && tools.length > 0) throw new KimiError('refused', 'bad_parameter', { code: 'functions_and_tools' });
    if (isKeptToBudget(context, task) && apiUrl !== undefined && !isPriced(model, apiUrl))
      throw unpriced(model, apiUrl);
    if (request.batch) checkBatch(model, request, relay && apiUrl !== undefined && !callsBack(apiUrl));
    // A model without pictures might answer without the document. Every model of Moonshot's takes them.
    if (scanned && !modelOf(model)) throw new Problem('unusable_file', { file: scanned.name, why: 'scanned' });
    refuseIfSurelyTooLong(requestFor({ model, prompt, request, files, conversation }, apiUrl));
    return { ...task, name, model };
  } catch (error) {
    if (!(error instanceof KimiError)) throw error;
    throw new Problem('unusable_request', { reason: error.taskError });
  }
}

/** @returns whether a task has a budget of its own, or one of a day. A simulation takes nothing from a budget. */
export function isKeptToBudget(
  { config, simulated }: Pick<TaskContext, 'config' | 'simulated'>,
  { budget = config.KIMI_BUDGET_PER_TASK }: Pick<NewTask, 'budget'>,
): boolean {
  return !simulated && (budget ?? limitsOf(config).budget) !== undefined;
}

/** Models that answer batches (Moonshot's documentation, 2026-11-29). */
const BATCH_MODELS = ['kimi-k2.6', 'kimi-k2.7-code'];

/** @throws {KimiError} `no_batch` */
function checkBatch(model: string, { tools = [], functions }: TaskRequest, isMoonshot: boolean): void {
  const why = isMoonshot
    ? (!BATCH_MODELS.includes(model) && { model }) ||
      (tools.length > 0 && { tools: true as const }) ||
      (functions && { functions: true as const })
    : {};
  if (why) throw new KimiError('refused', 'no_batch', { code: 'no_batch', ...why });
}

/** How long a batch may take before its task counts as timed out, in milliseconds: Kimi's window, and an hour. */
const BATCH_MS = 25 * 3_600_000;

/** Kimi refuses a question that leaves out the result of a call, or has one of a call that was not made. @throws {Problem} */
function checkResults(conversation: readonly Turn[], last: readonly FunctionResult[] = []): void {
  const given = [...conversation.map(({ function_results: results = [] }) => results), last];
  for (const [index, results] of given.entries()) {
    const ids = results.map(({ call_id }) => call_id);
    const calls = (conversation[index - 1]?.function_calls ?? []).map(({ id }) => id);
    const missing = calls.find((id) => !ids.includes(id));
    const unknown = ids.find((id) => !calls.includes(id));
    if (missing !== undefined) throw new Problem('no_function_result', { call_id: missing });
    if (unknown !== undefined) throw new Problem('unknown_call', { call_id: unknown });
  }
}

/** @returns the size of a conversation without its files. */
function bytesOf(conversation: readonly Turn[]): number {
  const texts = conversation.flatMap((turn) => [
    turn.prompt,
    ...(turn.images ?? []),
    ...(turn.function_results ?? []).map(({ output }) => output),
    turn.output,
    turn.reasoning ?? '',
    ...(turn.function_calls ?? []).map((call) => call.arguments),
  ]);
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text), 0);
}

function budgetOf({ KIMI_BUDGET_PER_TASK }: TaskContext['config'], task: CheckedTask): Pick<Task, 'budget'> {
  const { budget = KIMI_BUDGET_PER_TASK } = task;
  return budget === undefined ? {} : { budget };
}

/** @returns the input of the task's workflow. */
export function inputOf({ config, limiter, relay, simulated }: TaskContext, task: CheckedTask): Omit<Task, 'task_id'> {
  const { prompt, name, model, request, files = [], continue: continues, conversation } = task;
  return {
    task_name: name,
    prompt,
    model,
    timeout_ms: task.timeout_ms ?? (request?.batch ? BATCH_MS : taskTimeoutMs(config, relay)),
    grace_ms: config.KIMI_GRACE_MS,
    lang: task.lang ?? config.KIMI_LANG,
    ...(limiter && { limiter }),
    ...budgetOf(config, task),
    ...(task.priority && { priority: task.priority }),
    ...(task.resend_unknown && { resend_unknown: true }),
    ...(acknowledgedBy(config) === 'agent' && { ack: 'agent' }),
    ...(task.route && { route: task.route }),
    ...(relay && { relay: true }),
    ...(simulated && { simulated: true }),
    ...(request && Object.keys(request).length > 0 && { request }),
    ...(files.length > 0 && { files }),
    ...(continues !== undefined && { continues }),
    ...(conversation && { conversation }),
    ...(task.metadata && { metadata: task.metadata }),
    ...(task.wake === false && { wake: false }),
    ...(task.event && { event: task.event }),
    ...(task.schedule && { schedule: task.schedule }),
    ...(task.owner !== undefined && { owner: task.owner }),
  };
}

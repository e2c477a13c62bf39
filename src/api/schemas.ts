/** The shapes of the API. They validate requests, and the OpenAPI document is made from them. */
import * as z from 'zod';
import { CHANNEL, CHAT_WORD, LATEST_MESSAGE_MS, type Route } from '../shared/chat.ts';
import type { Question, ResultFile } from '../shared/result.ts';
import { NOTIFICATION } from '../shared/task-id.ts';
import { OUTCOMES, TASK_STATES, TOOLS } from '../shared/task.ts';
import { CURSOR } from '../tasks/local.ts';
import { NAME_RULE } from '../tasks/task-name.ts';
import { budget, budgetPause, queuePosition } from './wait-schemas.ts';
import { mapCounts, mapSummary, rowOf, storedRows } from './map-schemas.ts';
import { functionCall, metadata, priority, reported, taskFile, taskRequest, turn } from './question-schemas.ts';
import { eventDelivery, retrying } from './event-schemas.ts';
import { cost, detail, named, taskError, taskId, taskIdWord, time } from './schema-parts.ts';
import type { Acknowledgement, Cancellation, LiveTask, Standing, StartedMap, StartedTask } from '../tasks/tasks.ts';

const DAY_MS = 24 * 3_600_000;

/** Longest age, in milliseconds: the engine has no times before 1677. */
const OLDEST_MS = 100 * 366 * DAY_MS;

/** Longest wait for the acceptance of a task, in milliseconds. */
const LONGEST_WAIT_MS = 10_000;

const chatWord = z.string().regex(CHAT_WORD);
const modelName = z.string().regex(/^\S{1,128}$/);
const simulated = z.literal(true).describe('Set if the simulated Kimi is used.');
const owner = z.string().describe('Name of the token that started it; absent if no token did.');
const continues = taskId.describe('The task whose conversation it continues.');
const state = named('TaskState', 'State of a task.', z.enum(TASK_STATES));

export const route = named(
  'Route',
  'The chat that asks for a task and receives its answer.',
  z.strictObject({
    channel: z.string().regex(CHANNEL),
    to: chatWord,
    account_id: chatWord.optional(),
    thread_id: chatWord.optional(),
    session_key: chatWord.optional(),
    message: z.strictObject({ id: chatWord, at: z.int().min(0).max(LATEST_MESSAGE_MS) }).optional(),
  }) satisfies z.ZodType<Route>,
);

export const newTask = named(
  'NewTask',
  'A task to start. What is absent is as configured.',
  z.strictObject({
    prompt: z.string(),
    name: z.string().optional().describe(`Derived from the prompt if absent. ${NAME_RULE}`),
    model: modelName.optional(),
    request: taskRequest.optional(),
    files: z.array(taskFile).optional().describe('As POST /v1/files returned them.'),
    continue: taskId
      .optional()
      .describe('The task whose conversation is continued: its name, model and options apply where none are given.'),
    conversation: z
      .array(turn)
      .optional()
      .describe('Questions and answers before the prompt, the oldest first. Not with `continue`.'),
    metadata: metadata.optional(),
    ...reported,
    timeout_ms: z
      .int()
      .min(1)
      .max(DAY_MS)
      .optional()
      .describe('How long Kimi may take from its acceptance, behind the relay from the head of its answer.'),
    budget: budget.optional(),
    priority: priority.optional().describe('1 is sent first, 5 last; 3 by default.'),
    resend_unknown: z
      .boolean()
      .optional()
      .describe('Resends a request whose outcome is unknown, which may be paid for twice.'),
    route: route.optional(),
    lang: z.enum(['zh-TW', 'en']).optional().describe('Language of the notification.'),
    wait_ms: z
      .int()
      .min(0)
      .max(LONGEST_WAIT_MS)
      .default(900)
      .describe('How long to wait until Kimi has accepted the task.'),
  }),
);

export const followUp = named(
  'FollowUp',
  'A further question in the conversation of a task. What is absent is as in that task.',
  newTask.omit({ continue: true, conversation: true }),
);

export const newMap = named(
  'NewMap',
  'A map to start: the prompt is asked for each row, with its values in place of `{{column}}`.',
  newTask.omit({ continue: true, conversation: true, wait_ms: true }).extend({
    rows: storedRows.describe('As POST /v1/rows returned them.'),
    retries: taskId.optional().describe('A map that has ended: only its rows without an answer are asked.'),
  }),
);

const started = {
  task_id: taskId,
  task_name: z.string(),
  result_file: z.string().describe('Path of the result file that the task will have.'),
  simulated: simulated.optional(),
  retired: detail.optional().describe('Set in a simulation if Moonshot has retired the model.'),
};

export const startedTask = named(
  'StartedTask',
  'A started task: Kimi has accepted it, it waits, or Kimi has refused it. `paused`: it exceeds a budget. `pending`: it is saved, and Kimi has not accepted it yet. `known`: the same key or message had started it before.',
  z.discriminatedUnion('status', [
    z.object({ status: z.literal('accepted'), ...started, api_id: z.string() }),
    z.object({ status: z.literal('queued'), ...started, queued: queuePosition }),
    z.object({ status: z.literal('paused'), ...started, paused: budgetPause }),
    z.object({ status: z.literal('pending'), ...started }),
    z.object({ status: z.literal('refused'), ...started, error: taskError }),
    z.object({ status: z.literal('known'), ...started }),
  ]) satisfies z.ZodType<StartedTask>,
);

export const startedMap = named(
  'StartedMap',
  'A started map. `known`: the same key or message had started it before. `paused`: its first row exceeds a budget.',
  z.object({
    status: z.enum(['started', 'known', 'paused']),
    ...started,
    paused: budgetPause.optional(),
    rows: z.int().describe('Number of rows that are asked.'),
  }) satisfies z.ZodType<StartedMap>,
);

const fileNote = z.object({ name: z.string(), bytes: z.number() });
const fallback = z.object({
  asked_model: z.string().describe('The model that the task asked for.'),
  model: z.string(),
  effort: z.string().optional(),
  overloaded_ms: z.number(),
});
const progress = z.object({
  phase: z.enum(['batch', 'using_tools', 'reading', 'waiting', 'reasoning', 'answering']),
  tokens: z.number(),
  tail: z.string(),
  repeats: z.literal(true).optional(),
  fallback: fallback.optional(),
  rounds: z
    .object({ round: z.int(), calls: z.partialRecord(z.enum(TOOLS), z.int()), cost: cost.optional() })
    .optional()
    .describe('How often Kimi has called tools, how often each tool, and what it cost so far.'),
});

const scheduleNote = z
  .object({ name: z.string(), due_at: time, timezone: z.string(), missed: z.int().optional() })
  .describe('The schedule that started it. `missed`: earlier due times at which nothing ran.');

export const listed = named(
  'ListedTask',
  'A task of a list.',
  z.object({
    task_id: taskId,
    task_name: z.string(),
    state,
    status: state,
    model: z.string(),
    tokens: z.number().nullable(),
    created_at: time,
    continues: continues.optional(),
    map: mapCounts.optional(),
    late: z.literal(true).optional().describe('The answer came after the outcome.'),
    simulated: simulated.optional(),
    queue: queuePosition.optional(),
    paused: budgetPause.optional(),
    progress: progress.optional(),
    retrying: retrying.optional(),
  }) satisfies z.ZodType<LiveTask>,
);

export const taskList = named(
  'TaskList',
  'Tasks, the newest first.',
  z.object({
    tasks: z.array(listed),
    next: z.string().optional().describe('Cursor of the next page; absent at the end.'),
  }),
);

export const task = named(
  'Task',
  'All that is known of a task.',
  z.object({
    task_id: taskId,
    task_name: z.string(),
    model: z.string(),
    state,
    status: state,
    step: z.enum([
      'queued',
      'paused',
      'dispatching',
      'waiting',
      'saving',
      'waking',
      'acknowledging',
      'awaiting_acknowledgement',
      'awaiting_late_answer',
      'closed',
    ]),
    fallback: fallback.optional().describe('Set if another model was asked, as Kimi was overloaded.'),
    api_id: z.string().optional(),
    question: z.string().optional().describe('Beginning of the prompt.'),
    queue: queuePosition.optional(),
    paused: budgetPause.optional(),
    budget: budget.optional(),
    created_at: time,
    accepted_at: time.optional(),
    deadline: time.optional(),
    completed_at: time.optional(),
    tokens: z.number().optional(),
    cost: cost.optional(),
    result_file: z.string().optional(),
    finish_reason: z.string().optional(),
    files: z.array(fileNote).optional(),
    metadata: metadata.optional(),
    error: taskError.optional(),
    woken_at: time.optional(),
    acknowledged: z.boolean(),
    wake_error: taskError.optional(),
    events: z.array(eventDelivery).optional().describe('Its events for programs.'),
    relay: z.literal(true).optional(),
    retrying: retrying.optional(),
    progress: progress.optional(),
    web_ui: z.string().optional(),
    live: z.boolean().optional().describe('False if no worker answers.'),
    ended: z.string().optional().describe('How the task was ended in the engine: it will have no result.'),
    late: z.literal(true).optional().describe('The answer came after the outcome.'),
    simulated: simulated.optional(),
    continues: continues.optional(),
    schedule: scheduleNote.optional(),
    map: mapCounts.optional(),
    row: rowOf.optional(),
    owner: owner.optional(),
    missing_file: z.string().optional().describe('Path of a result file that was removed or is damaged.'),
  }) satisfies z.ZodType<Standing>,
);

export const result = named(
  'Result',
  'The result of a task, as in its result file, without what was asked.',
  z.looseObject({
    task_id: taskId,
    task_name: z.string(),
    status: z.enum(OUTCOMES),
    model: z.string(),
    output: z.string().optional().describe('Kimi’s answer; absent if there is none.'),
    reasoning: z.string().optional(),
    finish_reason: z
      .string()
      .optional()
      .describe('`length` if the answer is cut off, `tool_calls` if it asks for functions.'),
    function_calls: z.array(functionCall).optional().describe('Functions of the program that the answer asks for.'),
    fallback: fallback.optional().describe('Set if another model was asked, as Kimi was overloaded.'),
    tool_uses: z
      .array(
        z.object({
          tool: z.enum(TOOLS),
          input: z.string(),
          sources: z.array(z.string()).optional(),
          failed: z.literal(true).optional(),
          not_made: z.literal(true).optional().describe('The limit of calls was reached.'),
        }),
      )
      .optional()
      .describe('Tools that Kimi used, in order.'),
    error: taskError.optional(),
    cost: cost.optional(),
    simulated: simulated.optional(),
    continues: continues.optional(),
    schedule: scheduleNote.optional(),
    map: mapSummary.optional(),
    row: rowOf.optional(),
    owner: owner.optional(),
    created_at: time,
    completed_at: time,
    acknowledged: z.literal(true).optional(),
    acknowledged_at: time.optional(),
  }) satisfies z.ZodType<ResultFile>,
);

export const question = named(
  'Question',
  'What a task was asked, and how.',
  z.object({
    prompt: z.string(),
    request: taskRequest.optional(),
    files: z.array(taskFile).optional(),
    rows: storedRows.optional().describe('Of a map.'),
    conversation: z.array(turn).optional(),
    metadata: metadata.optional(),
    timeout_ms: z.int(),
    priority: priority.optional(),
    resend_unknown: z.literal(true).optional(),
    budget: budget.optional(),
  }) as unknown as z.ZodType<Question>,
);

export const resultList = named('ResultList', 'Results, the oldest first.', z.object({ results: z.array(result) }));

export const chatBody = named(
  'Chat',
  'The chat that a task has to belong to.',
  z.strictObject({ route: route.optional() }),
);

export const acknowledgement = named(
  'NewAcknowledgement',
  'The notification that the user has seen: the task by default; `<task id>-late` for an answer that came late.',
  z.strictObject({ notification: z.string().regex(NOTIFICATION).optional(), route: route.optional() }),
);

export const acknowledged = named(
  'Acknowledgement',
  'The acknowledged notification, and a newer one that is not acknowledged.',
  z.object({ notification: z.string(), newer: z.string().optional() }) satisfies z.ZodType<Acknowledgement>,
);

export const cancellation = named(
  'Cancellation',
  'The task is cancelled. `stream_closed`: it had timed out, and the connection that waited for a late answer is closed.',
  z.object({
    task_id: taskId,
    status: z.enum(['cancelled', 'stream_closed']),
    received: z.boolean().optional(),
  }) satisfies z.ZodType<Cancellation>,
);

export const removal = named(
  'Removal',
  'The task is removed, a map with its rows: its result, its question, and what the engine has of it.',
  z.object({ task_id: taskId, status: z.literal('removed') }),
);

export const problem = named(
  'Problem',
  'Problem Details (RFC 9457). `code` is stable; other members depend on it.',
  z.looseObject({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    code: z.string(),
    errors: z.array(z.object({ in: z.string(), path: z.string(), detail: z.string() })).optional(),
  }),
);

/** @returns the JSON of a query parameter; anything else is refused by the schema. */
function jsonOf(value: unknown): unknown {
  try {
    return JSON.parse(String(value));
  } catch {
    return value;
  }
}

const routeQuery = z.preprocess(jsonOf, route).optional();

export const listQuery = z.strictObject({
  status: z.preprocess((value) => String(value).split(','), z.array(z.enum(TASK_STATES))).optional(),
  name: z.string().min(1).max(256).optional().describe('Prefix of the name.'),
  model: modelName.optional(),
  since_ms: z.coerce.number().positive().max(OLDEST_MS).optional().describe('Maximum age.'),
  route: routeQuery,
  limit: z.coerce.number().int().min(1).max(10_000).default(20),
  cursor: z.string().regex(CURSOR).optional().describe('`next` of the previous page.'),
});

export const fileQuery = z.strictObject({ name: z.string().min(1).max(255).describe('Name of the file.') });

export const chatQuery = z.strictObject({ route: routeQuery });

export const eventsQuery = chatQuery.extend({
  text: z.literal('1').optional().describe('Adds the text of the answer: as it is received, or at the end.'),
});

export const resultsQuery = z.strictObject({ acknowledged: z.literal('false') });

export const taskParams = z.strictObject({ task_id: taskIdWord });

/** `Idempotency-Key`: visible characters. */
export const idempotencyKey = z.string().regex(/^[\x21-\x7E]{1,255}$/, 'is not 1 to 255 visible characters of ASCII');
export const keyHeader = z.object({ 'idempotency-key': idempotencyKey.optional() });

/** What the tools take and return: the words of the HTTP API, from its own schemas. */
import ms, { type StringValue } from 'ms';
import * as z from 'zod';
import { mapCounts } from '../api/map-schemas.ts';
import { taskRequest } from '../api/question-schemas.ts';
import { taskError } from '../api/schema-parts.ts';
import { newSchedule, schedule } from '../api/schedule-schemas.ts';
import * as schemas from '../api/schemas.ts';
import { queuePosition } from '../api/wait-schemas.ts';
import { MAX_ROWS } from '../shared/map.ts';
import { MAX_FILES, OUTCOMES } from '../shared/task.ts';
import type { McpText } from './text/index.ts';

/** Longest wait of one call, in seconds: clients give up after 60 (the SDK's default). */
const LONGEST_WAIT_S = 50;

const given = schemas.newTask.shape;
const options = taskRequest.shape;

const timeout = z
  .string()
  .regex(/^\d+(?:\.\d+)?(?:ms|s|m|h)$/, 'is no duration, e.g. 30m')
  .transform((time) => ms(time as StringValue))
  .pipe(given.timeout_ms.unwrap());

/** @returns the arguments of each tool, described in one language. */
export function inputsOf({ arguments: say }: McpText) {
  const task_id = schemas.taskParams.shape.task_id.describe(say.task_id);
  const asked = {
    name: given.name.describe(say.name),
    files: z.array(z.string().min(1)).max(MAX_FILES).optional().describe(say.files),
    system: options.system.describe(say.system),
    model: given.model.describe(say.model),
    thinking: options.thinking.describe(say.thinking),
    timeout: timeout.optional().describe(say.timeout),
    // Not the API's own: Gemini's interface refuses `propertyNames`.
    schema: z.looseObject({}).optional().describe(say.schema),
    tools: options.tools.describe(say.tools),
    batch: z.boolean().optional().describe(say.batch),
    budget: given.budget.describe(say.budget),
    key: schemas.idempotencyKey.optional().describe(say.key),
  };
  const prompt = given.prompt.regex(/\S/, 'is empty');
  const { files: _, ...ofMany } = asked;
  return {
    kimi_dispatch: z.strictObject({ prompt: prompt.describe(say.prompt), ...asked }),
    kimi_continue: z.strictObject({
      task_id,
      prompt: prompt.describe(say.nextPrompt),
      ...asked,
    }),
    kimi_map: z.strictObject({
      prompt: given.prompt.regex(/\{\{/, 'names no column, e.g. {{text}}').describe(say.mapPrompt),
      rows: z.array(z.looseObject({})).min(1).max(MAX_ROWS).optional().describe(say.rows),
      file: z.string().min(1).optional().describe(say.file),
      ...ofMany,
    }),
    kimi_schedule: z.strictObject({
      action: z.enum(['add', 'list', 'pause', 'resume', 'run', 'remove']).describe(say.action),
      when: newSchedule.shape.when.optional().describe(say.when),
      prompt: prompt.optional().describe(say.scheduledPrompt),
      timezone: newSchedule.shape.timezone.describe(say.timezone),
      ...ofMany,
      name: given.name.describe(say.schedule),
    }),
    kimi_status: z.strictObject({ task_id: task_id.optional() }),
    kimi_wait: z.strictObject({
      task_id,
      seconds: z.int().min(1).max(LONGEST_WAIT_S).default(LONGEST_WAIT_S).describe(say.seconds),
    }),
    kimi_result: z.strictObject({
      task_id: task_id.optional(),
      row: z.int().min(1).max(MAX_ROWS).optional().describe(say.row),
      offset: z.int().min(0).default(0).describe(say.offset),
    }),
    kimi_cancel: z.strictObject({ task_id }),
  };
}

type Inputs = ReturnType<typeof inputsOf>;
export type NewTaskArguments = z.output<Inputs['kimi_dispatch']> & { task_id?: string };
export type ScheduleArguments = z.output<Inputs['kimi_schedule']>;
/** The options of a task, a map or a schedule. */
export type AskedArguments = Omit<z.output<Inputs['kimi_map']>, 'prompt' | 'rows' | 'file' | 'key'>;

/** What an agent needs of an error: the text has its sentence. */
const error = taskError.omit({ detail: true }).optional();

const ofResult = schemas.result.pick({
  task_id: true,
  task_name: true,
  status: true,
  model: true,
  output: true,
  finish_reason: true,
  continues: true,
  simulated: true,
  completed_at: true,
}).shape;
const map = mapCounts.optional();
const answered = z.object({ ...ofResult, error, map, next_offset: z.int().optional() });

const ofTask = schemas.task.pick({
  task_id: true,
  task_name: true,
  model: true,
  state: true,
  step: true,
  queue: true,
  paused: true,
  created_at: true,
  deadline: true,
  completed_at: true,
  tokens: true,
  result_file: true,
  files: true,
  acknowledged: true,
  late: true,
  simulated: true,
  continues: true,
  map: true,
}).shape;
const progress = z.object({ phase: z.string(), tokens: z.number() }).optional();
const standing = z.object({ ...ofTask, error, progress });

const listed = z.object(
  schemas.listed.pick({ task_id: true, task_name: true, state: true, model: true, created_at: true, simulated: true })
    .shape,
);

const STARTED = schemas.startedTask.options.map(({ shape }) => shape.status.value);
/** To a client of the Tasks extension, the result is the answer. */
const dispatched = z.object({
  ...answered.partial().shape,
  task_id: ofResult.task_id,
  task_name: ofResult.task_name,
  status: z.enum([...STARTED, ...OUTCOMES]),
  result_file: z.string().optional(),
  queued: queuePosition.optional(),
});

export const OUTPUTS = {
  kimi_dispatch: dispatched,
  kimi_continue: dispatched,
  kimi_map: z.object(
    schemas.startedMap.pick({ task_id: true, task_name: true, status: true, rows: true, simulated: true }).shape,
  ),
  kimi_schedule: z.object({
    schedules: z.array(
      z.object(
        schedule.pick({ name: true, when: true, timezone: true, paused: true, next: true, question: true }).shape,
      ),
    ),
    started: listed.pick({ task_id: true, task_name: true }).optional(),
  }),
  kimi_status: z.object({ task: standing.optional(), tasks: z.array(listed).optional() }),
  kimi_wait: z.object({ ended: z.boolean(), task: standing.optional(), result: answered.optional() }),
  kimi_result: answered,
  kimi_cancel: schemas.cancellation,
};

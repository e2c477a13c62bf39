import { InvalidArgumentError, type Command } from 'commander';
import { langOf } from '../../config/early.ts';
import { EXIT, type Exit } from '../../service/exit.ts';
import { messageKey, type Route } from '../../shared/chat.ts';
import { oneLine } from '../../shared/format.ts';
import { MISSED_POLICIES, promptWithoutDate, type MissedPolicy } from '../../shared/schedule.ts';
import type { Schedule } from '../../schedules/schedules.ts';
import { keyAt, newKey } from '../../tasks/task-id.ts';
import { nameFromPrompt } from '../../tasks/task-name.ts';
import { textFor } from '../../text/index.ts';
import { conversationOf, keepFiles, readTask, type PromptOptions, type TaskOptions } from '../job.ts';
import { command, ending, printing, route } from '../options.ts';
import { table } from '../output/table.ts';
import { acceptanceWaitMs, sayStarted } from '../start-task.ts';
import { addTaskOptions } from '../task-options.ts';
import { openTasks } from '../tasks.ts';
import type { CliText } from '../text/index.ts';

/** Characters of the prompt in a list. */
const PROMPT_CHARS = 40;

interface AddOptions extends PromptOptions, TaskOptions {
  timezone?: string;
  missed?: MissedPolicy;
  json?: true;
}

interface ListOptions {
  route?: Route;
  json?: true;
}

export function scheduleCommand(say: CliText): Command {
  const { help } = say;
  const schedule = command('schedule', say, help.schedule, [
    `kimi-dispatch schedule add "${help.exampleWhen}" -p "${help.exampleDaily}" -n morning`,
    'kimi-dispatch schedule add "0 8 * * 1-5" -f prompt.md --timezone Asia/Taipei --missed skip',
    'kimi-dispatch schedule list',
    'kimi-dispatch schedule pause morning',
  ]).helpCommand(false);
  schedule.addCommand(addCommand(say));
  schedule.addCommand(
    command('list', say, help.scheduleList, ['kimi-dispatch schedule list --json | jq -r .[].next'])
      .option('--route <JSON>', help.ofRoute, route(say))
      .option('--json', help.json)
      .action(printing(async (options: ListOptions) => await list(options, say))),
  );
  const actions = { pause, resume, run, remove };
  const helps = {
    pause: help.schedulePause,
    resume: help.scheduleResume,
    run: help.scheduleRun,
    remove: help.scheduleRemove,
  };
  for (const [name, action] of Object.entries(actions)) {
    schedule.addCommand(
      command(name, say, helps[name as keyof typeof helps], [`kimi-dispatch schedule ${name} morning`])
        .argument('<NAME>', help.scheduleNamed)
        .option('--route <JSON>', help.ofRoute, route(say))
        .action(ending(async (word: string, { route: chat }: ListOptions) => await action(word, chat, say))),
    );
  }
  return schedule;
}

function missedPolicy(say: CliText): (value: string) => MissedPolicy {
  return (value) => {
    const known = MISSED_POLICIES.find((policy) => policy === value);
    if (!known) throw new InvalidArgumentError(say.usage.choices(MISSED_POLICIES.join(', ')));
    return known;
  };
}

function addCommand(say: CliText): Command {
  const { help } = say;
  const add = command('add', say, help.scheduleAdd, [
    `kimi-dispatch schedule add "${help.exampleWhen}" -p "${help.exampleDaily}"`,
  ])
    .argument('<WHEN>', help.scheduleWhen)
    .argument('[PROMPT]', help.schedulePrompt)
    .option('-p, --prompt <PROMPT>', help.prompt)
    .option('-f, --file <FILE>', help.file)
    .option('--timezone <ZONE>', help.scheduleTimezone)
    .option('--missed <POLICY>', help.scheduleMissed, missedPolicy(say))
    .option('--route <JSON>', help.route, route(say));
  return addTaskOptions(add, say)
    .option('--json', help.json)
    .action(
      ending(
        async (when: string, argument: string | undefined, options: AddOptions) =>
          await addSchedule(when, argument, options, say),
      ),
    );
}

async function addSchedule(
  when: string,
  argument: string | undefined,
  options: AddOptions,
  say: CliText,
): Promise<Exit> {
  const task = await readTask({ ...options, argument }, options, say);
  const tasks = await openTasks();
  const before = await conversationOf(options, async () => tasks, say);
  const files = await keepFiles(options, async (file) => await tasks.keep(file), say);
  const name = options.name ?? nameFromPrompt(promptWithoutDate(task.prompt));
  const timezone = options.timezone ?? new Intl.DateTimeFormat().resolvedOptions().timeZone;
  const added = await tasks.schedules.add(
    { when, timezone, ...(options.missed && { missed: options.missed }), task: { ...task, ...before, ...files, name } },
    keyOf(options.route),
  );
  if (options.json) console.log(JSON.stringify(added, null, 2));
  else console.log([say.schedule.added(added.name, added.when), ...nextLines(added, say)].join('\n'));
  return EXIT.ok;
}

/** A message adds one schedule, however often it is delivered. */
function keyOf(chat: Route | undefined): string {
  const word = messageKey(chat);
  return word !== undefined && chat?.message ? keyAt(word, chat.message.at) : newKey();
}

/** When it is due next, with the name of its time zone. */
function nextLines({ next, timezone }: Schedule, say: CliText): string[] {
  const words = textFor(langOf()).schedule;
  return next === undefined ? [] : [say.schedule.next(words.at(next, timezone, Date.now()), words.zone(timezone))];
}

async function list({ route: chat, json }: ListOptions, say: CliText): Promise<Exit> {
  const schedules = await (await openTasks()).schedules.list(chat);
  if (json) console.log(JSON.stringify(schedules, null, 2));
  else if (schedules.length === 0) console.log(say.schedule.none);
  else
    console.log(
      table(
        say.schedule.columns,
        schedules.map((schedule) => rowOf(schedule, say)),
      ),
    );
  return EXIT.ok;
}

function rowOf(schedule: Schedule, say: CliText): string[] {
  const { name, when, timezone, next, paused, question } = schedule;
  const words = textFor(langOf()).schedule;
  return [
    name,
    when,
    next === undefined
      ? paused
        ? say.schedule.isPaused
        : ''
      : say.schedule.inZone(words.at(next, timezone, Date.now()), words.zone(timezone)),
    lastOf(schedule, say),
    oneLine(question, PROMPT_CHARS),
  ];
}

/** The newest task, and why the last due time started none. */
function lastOf({ last_task: task, last_run: run, timezone }: Schedule, say: CliText): string {
  const text = textFor(langOf());
  const parts = task ? [say.schedule.lastTask(task.task_id, text.state[task.state])] : [];
  if (run) {
    const at = text.schedule.at(run.due_at, timezone, Date.now());
    if (run.overlapped !== undefined) parts.push(say.schedule.overlapped(at, run.overlapped));
    if (run.missed) parts.push(say.schedule.missed(at, run.missed));
    if (run.problem !== undefined) parts.push(say.schedule.problem(at, run.problem));
  }
  return say.schedule.all(parts);
}

async function pause(name: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const paused = await (await openTasks()).schedules.pause(name, chat);
  console.log(say.schedule.paused(paused.name));
  return EXIT.ok;
}

async function resume(name: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const resumed = await (await openTasks()).schedules.resume(name, chat);
  console.log([say.schedule.resumed(resumed.name), ...nextLines(resumed, say)].join('\n'));
  return EXIT.ok;
}

async function run(name: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  const { schedules } = await openTasks();
  return sayStarted(await schedules.run(name, newKey(), acceptanceWaitMs(), chat), say);
}

async function remove(name: string, chat: Route | undefined, say: CliText): Promise<Exit> {
  await (await openTasks()).schedules.remove(name, chat);
  console.log(say.schedule.removed(name));
  return EXIT.ok;
}

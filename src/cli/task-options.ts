import type { Command } from 'commander';
import type { Client } from '@temporalio/client';
import { acknowledgedBy, taskTimeoutMs } from '../config/index.ts';
import type { Route } from '../shared/chat.ts';
import type { Priority, Task } from '../shared/task.ts';
import { checkChatLimit, startTask, taskOfMessage, type Started } from './start.ts';
import { noKey, type Context } from './context.ts';
import { EXIT } from '../service/exit.ts';
import { CliError, taskIsStarted } from './exit.ts';
import type { Job, RequestOptions } from './job.ts';
import { duration, maxTokens, model, priority, repeated, temperature, thinking } from './options.ts';
import type { CliText } from './text/index.ts';

/** Options of both `dispatch` and `run`. */
export interface TaskOptions extends RequestOptions {
  timeout?: number;
  priority?: Priority;
  resendUnknown?: true;
  route?: Route;
}

export function addTaskOptions(command: Command, say: CliText): Command {
  const { help } = say;
  return command
    .option('-n, --name <NAME>', help.name)
    .option('-m, --model <MODEL>', help.model, model(say))
    .option('--system <FILE>', help.system)
    .option('--attach <FILE>', help.attach, repeated)
    .option('--thinking <HOW>', help.thinking, thinking(say))
    .option('--temperature <T>', help.temperature, temperature(say))
    .option('--max-tokens <N>', help.maxTokens, maxTokens(say))
    .option('--json-schema <FILE>', help.jsonSchema)
    .option('--timeout <TIME>', help.timeout, duration(say))
    .option('--priority <N>', help.priority, priority(say))
    .option('--resend-unknown', help.resendUnknown);
}

/**
 * Starts a task from options and configuration.
 *
 * @throws {CliError} if there is no key, the limit of the chat is reached, or the engine did not confirm
 */
export async function start(
  client: Client,
  context: Context,
  { prompt, name, model, request: wanted }: Job,
  options: TaskOptions,
  waitMs: number,
): Promise<Exclude<Started, { status: 'unknown' }>> {
  const { config, stack, taskQueue, limiter, relay, say } = context;
  // A stack elsewhere has its own key; its worker reports a missing one.
  if (stack && !stack.has_key) throw new CliError(EXIT.config, noKey(context));
  if (options.route) {
    const known = await taskOfMessage(client, options.route);
    if (known) {
      taskIsStarted();
      return known;
    }
    await checkChatLimit(client, context, options.route);
  }
  const request: Omit<Task, 'task_id'> = {
    task_name: name,
    prompt,
    model,
    timeout_ms: options.timeout ?? taskTimeoutMs(config, relay),
    grace_ms: config.KIMI_GRACE_MS,
    lang: config.KIMI_LANG,
    ...(limiter && { limiter }),
    ...(options.priority && { priority: options.priority }),
    ...(options.resendUnknown && { resend_unknown: true }),
    ...(acknowledgedBy(config) === 'agent' && { ack: 'agent' }),
    ...(options.route && { route: options.route }),
    ...(relay && { relay: true }),
    ...(wanted && { request: wanted }),
  };
  const started = await startTask(client, taskQueue, request, waitMs);
  if (started.status === 'unknown') throw new CliError(EXIT.engine, say.engineSilent(started.task_id));
  if (started.status !== 'refused') taskIsStarted();
  return started;
}

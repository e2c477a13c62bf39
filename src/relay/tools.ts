/** Tools of a task: Kimi calls them, Moonshot runs them, and their results go into the next request of the same answer. */
import type { Logger } from 'pino';
import { KimiError } from '../kimi/errors.ts';
import { NO_REASONING } from '../kimi/request.ts';
import { MAX_CALLS, MAX_ROUNDS, type RelayRequest } from '../shared/relay.ts';
import type { Tool, ToolUse } from '../shared/task.ts';
import type { ToolCall } from './answer.ts';
import type { Attempt } from './attempts.ts';
import type { Definition, KimiFormulas, Returned } from './kimi-formulas.ts';
import type { ReceivedStore } from './recordings.ts';

export interface ToolsDependencies {
  formulas: Pick<KimiFormulas, 'definitions' | 'run'>;
  received: Pick<ReceivedStore, 'toolsOf' | 'noteTools'>;
  log: Logger;
}

/** The functions of a tool. `builtin`: Moonshot's older search, which runs with the request after the call. */
export interface Offered {
  tool: Tool;
  builtin?: true;
  definitions: Definition[];
}

/** What is known of a call: that it was made, or what it returned. */
type RecordedCall = { asked: true } | { content: string; use?: ToolUse };

/** What is recorded of a task's tools. */
export interface RecordedTools {
  offered?: Offered[];
  /** By round and number, e.g. `0.1`. */
  calls: Record<string, RecordedCall>;
}

const BUILTIN: Definition = { type: 'builtin_function', function: { name: '$web_search' } };

/** Most addresses that are kept of a result. */
const MAX_SOURCES = 10;

/** Characters that are kept of arguments in an unknown form. */
const INPUT_CHARS = 200;

/** For the model. */
const TOO_MANY = `the limit of ${MAX_CALLS} calls is reached, so this one was not made: answer with what you have`;
const LOST = 'the result of this call was lost, and it is not repeated';

/**
 * Runs the calls of a model. A call is recorded before it is made, and its result when it is there: after a crash no call is made a
 * second time, since it may have been paid for. If its result was lost, Kimi is told so.
 */
export class Tools {
  constructor(private readonly dependencies: ToolsDependencies) {}

  /**
   * @param ended the rounds that ended with calls, in order
   * @param onUse called before each call that is made
   * @returns the body with the tools, and with the calls of the rounds and their results
   * @throws {KimiError} `refused`, `turned_away` or `not_sent`
   */
  async into(
    { task_id, tools = [] }: RelayRequest,
    ended: readonly Attempt[],
    body: RelayRequest['body'],
    signal: AbortSignal,
    onUse: (use: ToolUse) => void,
  ): Promise<RelayRequest['body']> {
    if (tools.length === 0) return body;
    const { received } = this.dependencies;
    const known = await received.toolsOf(task_id);
    if (!known.offered) {
      known.offered = await this.offer(tools, signal);
      await received.noteTools(task_id, known);
    }
    const messages = [...body.messages];
    for (const [round, { answer }] of ended.entries()) {
      messages.push(callingMessage(answer, (body.thinking as { type?: unknown } | undefined)?.type !== 'disabled'));
      for (const [number, call] of answer.toolCalls.entries()) {
        const content = await this.resultOf(task_id, known, `${round}.${number}`, call, signal, onUse);
        messages.push({ role: 'tool', tool_call_id: call.id, name: call.name, content });
      }
    }
    return {
      ...body,
      messages,
      tools: known.offered.flatMap(({ definitions }) => definitions),
      ...((ended.length >= MAX_ROUNDS || Object.keys(known.calls).length >= MAX_CALLS) && { tool_choice: 'none' }),
    };
  }

  /** @returns the calls of a task so far, in order. */
  async usesOf(task_id: string): Promise<ToolUse[]> {
    const { calls } = await this.dependencies.received.toolsOf(task_id);
    return Object.values(calls).flatMap((call) => ('use' in call && call.use ? [call.use] : []));
  }

  private async offer(tools: readonly Tool[], signal: AbortSignal): Promise<Offered[]> {
    return await Promise.all(
      tools.map(async (tool): Promise<Offered> => {
        try {
          return { tool, definitions: await this.dependencies.formulas.definitions(tool, signal) };
        } catch (error) {
          if (!(error instanceof KimiError)) throw error;
          // Nothing was paid.
          if (error.kind === 'outcome_unknown') throw error.asNotSent();
          if (error.kind !== 'refused' || !isAboutTool(error)) throw error;
          if (tool === 'search') return { tool, builtin: true, definitions: [BUILTIN] };
          throw new KimiError('refused', 'no_tool', { code: 'no_tool', tool, words: error.message }, { cause: error });
        }
      }),
    );
  }

  private async resultOf(
    task_id: string,
    known: RecordedTools,
    key: string,
    call: ToolCall,
    signal: AbortSignal,
    onUse: (use: ToolUse) => void,
  ): Promise<string> {
    const { received, log } = this.dependencies;
    const before = known.calls[key];
    if (before && 'content' in before) return before.content;
    const offered = known.offered?.find(({ definitions }) =>
      definitions.some((definition) => definition.function.name === call.name),
    );
    const use: ToolUse = { tool: offered?.tool ?? 'search', input: inputOf(call) };
    const keep = async (result: RecordedCall): Promise<void> => {
      known.calls[key] = result;
      await received.noteTools(task_id, known);
    };
    if (!before && Object.keys(known.calls).length >= MAX_CALLS) {
      const content = JSON.stringify({ error: TOO_MANY });
      await keep({ content, use: { ...use, failed: true, not_made: true } });
      return content;
    }
    if (offered?.builtin) {
      await keep({ content: call.arguments, use });
      return call.arguments;
    }
    let returned: Returned;
    if (!offered) returned = { failed: `there is no tool ${call.name}` };
    else if (before) returned = { failed: LOST };
    else {
      onUse(use);
      await keep({ asked: true });
      try {
        returned = await this.dependencies.formulas.run(offered.tool, call.name, call.arguments, signal);
        log.info(
          { task_id, tool: offered.tool, ...('failed' in returned && { failed: returned.failed }) },
          'ran a tool',
        );
      } catch (error) {
        if (!(error instanceof KimiError) || signal.aborted) throw error;
        if (error.kind !== 'outcome_unknown') {
          delete known.calls[key];
          await received.noteTools(task_id, known);
          throw error;
        }
        returned = { failed: LOST };
      }
    }
    const isFailed = 'failed' in returned;
    const content = 'failed' in returned ? JSON.stringify({ error: returned.failed }) : returned.content;
    const sources = 'clear' in returned && returned.clear ? addressesIn(returned.content) : [];
    await keep({ content, use: { ...use, ...(sources.length > 0 && { sources }), ...(isFailed && { failed: true }) } });
    return content;
  }
}

function callsTools({ tools = [] }: Pick<RelayRequest, 'tools'>, attempt: Attempt | undefined): boolean {
  if (tools.length === 0 || !attempt) return false;
  const { done, finish_reason, toolCalls } = attempt.answer;
  return done && finish_reason === 'tool_calls' && toolCalls.length > 0;
}

/** @returns the attempts that ended with calls, at most {@link MAX_ROUNDS}, and those of the round after them. */
export function roundsOf(
  request: Pick<RelayRequest, 'tools'>,
  attempts: readonly (Attempt | undefined)[],
): { ended: Attempt[]; current: readonly (Attempt | undefined)[] } {
  const ended: Attempt[] = [];
  let first = 0;
  for (const [index, attempt] of attempts.entries()) {
    if (!attempt || !callsTools(request, attempt) || ended.length === MAX_ROUNDS) continue;
    ended.push(attempt);
    first = index + 1;
  }
  return { ended, current: attempts.slice(first) };
}

/** @returns whether the last attempt ended with calls of tools, so that another request follows. */
export function endsRound(request: Pick<RelayRequest, 'tools'>, attempts: readonly (Attempt | undefined)[]): boolean {
  const { ended, current } = roundsOf(request, attempts);
  return ended.length > 0 && current.length === 0;
}

/** The answer with its calls, whole: a model that thinks refuses it without its reasoning (Moonshot's documentation). */
function callingMessage({ content, reasoning, toolCalls }: Attempt['answer'], thinks: boolean): object {
  return {
    role: 'assistant',
    content,
    ...((thinks || reasoning) && { reasoning_content: reasoning || NO_REASONING }),
    tool_calls: toolCalls.map(({ id, name, arguments: args }) => ({
      id,
      type: name.startsWith('$') ? 'builtin_function' : 'function',
      function: { name, arguments: args },
    })),
  };
}

/** Errors of the key and the account are not about the tool. */
function isAboutTool({ type }: KimiError): boolean {
  return /^(?:resource_not_found_error|invalid_request_error|permission_denied_error)$/.test(type);
}

function inputOf({ arguments: args }: ToolCall): string {
  try {
    const { query, url } = JSON.parse(args) as { query?: unknown; url?: unknown };
    const said = query ?? url;
    if (typeof said === 'string') return said.slice(0, INPUT_CHARS);
  } catch {
    // Shown as the model wrote it.
  }
  return args.slice(0, INPUT_CHARS);
}

function addressesIn(text: string): string[] {
  const found = text.match(/https?:\/\/[^\s"'<>()[\]{}\\]+/g) ?? [];
  return [...new Set(found.map((address) => address.replace(/[.,;:，。；]+$/, '')))].slice(0, MAX_SOURCES);
}

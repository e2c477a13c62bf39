/** The callback of a request, from all its attempts. */
import type { AnswerCallback, Callback, ErrorCallback, Usage } from '../shared/callback.ts';
import { relayApiId } from '../shared/names.ts';
import { callbackMetadata, MAX_ROUNDS, relayFailure, type RelayRequest } from '../shared/relay.ts';
import type { FunctionCall, TaskError } from '../shared/task.ts';
import { textOf, type Attempt } from './attempts.ts';
import { hasEnded } from './finish-reason.ts';
import { textOfMessages, tokensIn } from './token-estimate.ts';
import { roundsOf } from './tools.ts';

/** Errors for an answer that has ended incomplete, by `finish_reason`. */
const CUT: Partial<Record<string, [type: string, message: string]>> = {
  content_filter: ['content_filter', 'Kimi stopped its answer because it was considered high risk (content_filter)'],
  tool_calls: ['tool_calls', 'Kimi called a tool instead of answering, though the request offered none (tool_calls)'],
};

const TOO_MANY_CALLS: [type: string, message: string] = [
  'too_many_calls',
  `Kimi called tools again after ${MAX_ROUNDS} rounds, when it was to answer`,
];

/** @returns the callback for an answer that has ended: the answer, or an error with the partial text. */
export function answered(request: RelayRequest, attempts: readonly (Attempt | undefined)[]): Callback {
  const last = attempts.at(-1);
  const { content, reasoning } = textOf(attempts);
  const function_calls = functionCallsIn(request, last);
  const reason = last?.answer.finish_reason;
  const finish_reason = function_calls && reason !== 'length' ? 'tool_calls' : reason;
  if (finish_reason !== undefined && !hasEnded(finish_reason) && !function_calls) {
    const cut = request.tools && finish_reason === 'tool_calls' ? TOO_MANY_CALLS : CUT[finish_reason];
    const [type, message] = cut ?? ['unfinished_answer', `Kimi stopped its answer: ${finish_reason}`];
    return failed(request, { type, message }, attempts);
  }
  if (content === '' && finish_reason !== 'length' && !function_calls) {
    return failed(request, { type: 'empty_answer', message: `Kimi’s answer is empty (${finish_reason})` }, attempts);
  }
  // K3 was seen to reason about the rest, and to return none. Without a word the model has nothing to add: the answer is whole.
  const hasOnlyReasoned = last?.answer.content === '' && last.answer.reasoning !== '';
  if (last?.continues && hasOnlyReasoned && finish_reason === 'stop') {
    const message = 'the answer was interrupted, and Kimi returned no text for the rest';
    return failed(request, { type: 'interrupted', message }, attempts);
  }
  const callback: AnswerCallback = {
    id: relayApiId(request.task_id),
    model: last?.answer.model ?? request.body.model,
    usage: usageOf(request, attempts),
    choices: [
      {
        message: {
          content,
          ...(reasoning && { reasoning_content: reasoning }),
          ...(function_calls && { function_calls }),
        },
        ...(finish_reason !== undefined && { finish_reason }),
      },
    ],
    metadata: callbackMetadata(request),
  };
  const interruptions = interruptionsOf(request, attempts);
  return interruptions > 0 ? { ...callback, interruptions } : callback;
}

/** @returns the functions of the program that an answer asks for; the last one may be cut off with it. */
function functionCallsIn({ body }: RelayRequest, last: Attempt | undefined): FunctionCall[] | undefined {
  const { finish_reason: reason, toolCalls: calls = [] } = last?.answer ?? {};
  if (body.tools === undefined || calls.length === 0 || !(hasEnded(reason) || reason === 'tool_calls'))
    return undefined;
  // Some servers give them no ids, by which results are matched.
  return calls.map(({ id, ...call }, index) => ({ id: id || `call_${index}`, ...call }));
}

/** @returns the callback for a request without a complete answer, with the partial text. */
export function failed(
  request: RelayRequest,
  error: TaskError,
  attempts: readonly (Attempt | undefined)[] = [],
): ErrorCallback {
  const { content, reasoning } = textOf(attempts);
  const interruptions = interruptionsOf(request, attempts);
  const hasTokens = attempts.some((attempt) => attempt && (attempt.answer.tokens > 0 || attempt.answer.usage));
  return {
    ...relayFailure(request, error),
    ...(content !== '' && { partial: content }),
    ...(reasoning !== '' && { partial_reasoning: reasoning }),
    // A request that was refused or got no token may have cost nothing.
    ...(hasTokens && { usage: usageOf(request, attempts) }),
    ...(interruptions > 0 && { interruptions }),
  };
}

/** Requests that were followed by another, though Kimi had not called a tool. */
function interruptionsOf(request: RelayRequest, attempts: readonly (Attempt | undefined)[]): number {
  return Math.max(0, attempts.length - 1 - roundsOf(request, attempts).ended.length);
}

/** @returns the usage of all rounds together: each sends the whole conversation. */
export function usageOf(request: RelayRequest, attempts: readonly (Attempt | undefined)[]): Usage {
  const { ended, current } = roundsOf(request, attempts);
  const starts = [0, ...ended.map((attempt) => attempts.indexOf(attempt) + 1)];
  const rounds = starts.map((start, round) => attempts.slice(start, starts[round + 1]));
  // The last one is empty if it was not begun.
  return rounds
    .slice(0, current.length > 0 ? undefined : -1)
    .map((round) => usageOfRound(request, round))
    .reduce(addUsage);
}

function addUsage(one: Usage, other: Usage): Usage {
  const cached = (one.prompt_tokens_details?.cached_tokens ?? 0) + (other.prompt_tokens_details?.cached_tokens ?? 0);
  const reasoning =
    (one.completion_tokens_details?.reasoning_tokens ?? 0) + (other.completion_tokens_details?.reasoning_tokens ?? 0);
  return {
    prompt_tokens: one.prompt_tokens + other.prompt_tokens,
    completion_tokens: one.completion_tokens + other.completion_tokens,
    total_tokens: one.total_tokens + other.total_tokens,
    ...(cached > 0 && { prompt_tokens_details: { cached_tokens: cached } }),
    ...(reasoning > 0 && { completion_tokens_details: { reasoning_tokens: reasoning } }),
  };
}

/**
 * Usage of all attempts of a round together. Kimi reports usage only at the end of an answer: that of interrupted attempts is estimated, as is
 * all of a server that reports none.
 */
function usageOfRound({ body }: RelayRequest, attempts: readonly (Attempt | undefined)[]): Usage {
  const known = attempts.flatMap((attempt) => (attempt?.sent ? [attempt] : []));
  const last = attempts.at(-1);
  const counted = last?.answer.usage;
  const given = known.map((attempt) => (attempt.continues ? tokensBefore(attempt, attempts) : 0));
  const prompt = counted ? counted.prompt_tokens - (given.at(-1) ?? 0) : tokensIn(textOfMessages(body.messages));
  const sum = { prompt: 0, completion: 0 };
  for (const [index, attempt] of known.entries()) {
    const isCounted = attempt === last && counted !== undefined;
    sum.prompt += isCounted ? counted.prompt_tokens : Math.max(0, prompt) + (given[index] ?? 0);
    sum.completion += isCounted ? counted.completion_tokens : attempt.answer.tokens;
  }
  const [prompt_tokens, completion_tokens] = [Math.round(sum.prompt), Math.round(sum.completion)];
  return { ...counted, prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

/** @returns estimated tokens of the text that an attempt continues. */
function tokensBefore(attempt: Attempt, attempts: readonly (Attempt | undefined)[]): number {
  const { content, reasoning } = textOf(attempts.slice(0, attempts.indexOf(attempt)));
  return tokensIn(content) + tokensIn(reasoning);
}

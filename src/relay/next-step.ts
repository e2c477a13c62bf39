/** What the relay does after an interrupted answer. */
import { supportsPartialMode } from '../kimi/models.ts';
import type { RelayRequest } from '../shared/relay.ts';
import { requestsIn, textOf, type Attempt } from './attempts.ts';
import { hasEnded } from './finish-reason.ts';

/** What to do with an interrupted answer that cannot be continued (`KIMI_ON_INTERRUPT`). */
export type OnInterrupt = 'fail' | 'retry';

export type NextStep =
  /** `keeps`: the answer will begin with the text of this request, however it goes on. */
  | { do: 'ask'; continues: boolean; keeps: boolean; body: RelayRequest['body'] }
  /** The answer was complete before its relay was lost. */
  | { do: 'finish' }
  | { do: 'give up' };

/** How many requests in a row may be interrupted without any new text. */
const MAX_BARREN = 5;

/** How often an answer may be started over: each one is paid for. */
const MAX_RESTARTS = 3;

/** Limit of requests for one answer: each one pays for the text before it once more, as prompt. */
const MAX_REQUESTS = 20;

/**
 * Decides the next step from the attempts so far.
 *
 * Nothing is paid for twice unless the user has chosen that: a request that was certainly not sent is sent; if there is
 * text and the model can continue it, only the rest is requested.
 *
 * @param attempts by number; `undefined` for those that ran on another machine
 * @param hasRounds whether the answer may be one of several, each after calls of tools: it cannot be continued, whatever the model
 */
export function nextStep(
  body: RelayRequest['body'],
  attempts: readonly (Attempt | undefined)[],
  onInterrupt: OnInterrupt,
  hasRounds = false,
): NextStep {
  const isResumed = !hasRounds && supportsPartialMode(body.model, body);
  const keeps = !hasRounds && (isResumed || onInterrupt === 'fail');
  const startOver = { do: 'ask', continues: false, keeps, body } as const;
  if (attempts.length === 0) return startOver;
  const last = attempts.at(-1);
  // The answer is complete once the model has named its end, even if `[DONE]` was lost with the relay.
  const { done, finish_reason: reason } = last?.answer ?? {};
  const hasCalled = reason === 'tool_calls' && body.tools !== undefined;
  if (done || hasEnded(reason) || hasCalled) return { do: 'finish' };
  if (requestsIn(attempts) >= MAX_REQUESTS) return { do: 'give up' };

  const { content, reasoning } = textOf(attempts);
  if (content !== '' && isResumed) {
    const barren = attempts.length - 1 - attempts.findLastIndex((attempt) => attempt?.answer.content);
    if (barren >= MAX_BARREN) return { do: 'give up' };
    return { do: 'ask', continues: true, keeps, body: continuation(body, content, reasoning) };
  }
  if (last && !last.sent) return startOver;
  const restarts = attempts.filter((attempt) => !attempt?.continues).length;
  return onInterrupt === 'retry' && restarts <= MAX_RESTARTS ? startOver : { do: 'give up' };
}

/** Kimi's partial mode: the answer continues this message, without repeating it. */
function continuation(body: RelayRequest['body'], content: string, reasoning: string): RelayRequest['body'] {
  // Without its reasoning the model would reason again (Moonshot's documentation: messages are replayed whole).
  const prefix = { role: 'assistant', content, ...(reasoning && { reasoning_content: reasoning }), partial: true };
  return { ...body, messages: [...body.messages, prefix] };
}

import type { ApplicationFailure } from '@temporalio/activity';
import { HeldWork } from '../activities/held-work.ts';
import type { Callback } from '../shared/callback.ts';
import { readDetails } from '../shared/failure-details.ts';
import { FAILURE } from '../shared/names.ts';
import { RELAY_TRIES_MS, type RelayRequest } from '../shared/relay.ts';
import { messageOf } from '../text/error-details.ts';
import { requestsIn, type Attempt } from './attempts.ts';
import { answered, failed } from './callbacks.ts';
import { errorAfter, requestInUse, requestNow } from './fallback.ts';
import { nextStep, type NextStep, type OnInterrupt } from './next-step.ts';
import type { ReceivedStore } from './recordings.ts';
import { StreamedAnswer, type RequestDependencies } from './request.ts';
import { hasType, type RequestState } from './request-state.ts';
import { endsRound, roundsOf, type Tools } from './tools.ts';

export interface AnsweringDependencies extends Omit<RequestDependencies, 'received'> {
  received: ReceivedStore;
  tools: Pick<Tools, 'into' | 'usesOf'>;
  onInterrupt: OnInterrupt;
}

/** @returns the function that obtains the callback of a request: the answer, or the reason why there is none. It throws what the engine retries. */
export function createAnswering({ onInterrupt, ...dependencies }: AnsweringDependencies) {
  const { received, tools, metrics } = dependencies;
  const streams = new HeldWork<Callback>();

  /**
   * Continues after an earlier attempt. One that began on another machine may have sent its request; one without a heartbeat did not
   * begin.
   *
   * @returns the callback, if the lost attempt's request is still running in this process, or if it recorded a whole answer
   */
  async function recover(request: RelayRequest, state: RequestState): Promise<Callback | undefined> {
    const { task_id } = request;
    const { lost } = state;
    const running = lost && streams.join(task_id, lost);
    if (running || state.isFirstAttempt) return await running;
    state.catchUp((await received.countOf(task_id)) - 1);
    const recorded = await received.read(task_id, state.requests + 1);
    const last = recorded.at(-1);
    const isBetweenRounds = endsRound(request, recorded);
    state.catchUp(isBetweenRounds ? recorded.length : state.requests, roundsOf(request, recorded).ended.length);
    if (isBetweenRounds) return undefined;
    if (last?.answer.done) return answered(request, recorded);
    if (last?.sent ?? lost !== undefined) {
      state.interrupted('the relay that was receiving the answer was lost');
      metrics.interrupted();
    }
    return undefined;
  }

  /** Sends the next request to Kimi, if one is due. */
  async function stream(asked: RelayRequest, state: RequestState): Promise<Callback> {
    const { task_id } = asked;
    const before = await received.read(task_id, state.requests);
    const request = requestNow(asked, before, state);
    const step = stepAfter(request, before, onInterrupt);
    if (step.do === 'finish') return answered(request, before);
    if (step.do === 'give up') return givenUp(request, before, state.why);
    const streamed = new StreamedAnswer(dependencies, request, before, step);
    return await streams.begin(
      task_id,
      async (signal, beat) => await streamed.run(signal, beat, (requests, rounds) => state.catchUp(requests, rounds)),
      () => ({ ...streamed.progress, ...state.details }),
    );
  }

  return async (request: RelayRequest, state: RequestState): Promise<Callback> => {
    try {
      const callback = (await recover(requestInUse(request, state.fallback), state)) ?? (await stream(request, state));
      const tool_uses = request.tools ? await tools.usesOf(request.task_id) : [];
      return { ...callback, ...(tool_uses.length > 0 && { tool_uses }), ...state.fallenBack };
    } catch (error) {
      if (hasType(error, FAILURE.interrupted)) metrics.interrupted();
      else if (!state.isElsewhere(error) && state.triedForMs > RELAY_TRIES_MS) {
        return tooLate(request, error, await received.read(request.task_id, state.requests));
      }
      throw await errorAfter(error, request, state, received);
    }
  };
}

function stepAfter(
  request: RelayRequest,
  before: readonly (Attempt | undefined)[],
  onInterrupt: OnInterrupt,
): NextStep {
  return nextStep(request.body, roundsOf(request, before).current, onInterrupt, request.tools !== undefined);
}

function givenUp(
  request: RelayRequest,
  attempts: readonly (Attempt | undefined)[],
  why = 'the relay was lost',
): Callback {
  const detail = { code: 'not_resumed', why, requests: requestsIn(attempts) } as const;
  return failed(request, { type: 'interrupted', message: messageOf(detail), detail }, attempts);
}

/** @returns the callback for a request that was retried for too long. */
function tooLate(request: RelayRequest, error: unknown, attempts: readonly (Attempt | undefined)[]): Callback {
  const { message, details } = error as Partial<ApplicationFailure>;
  const end = `the relay tried for ${RELAY_TRIES_MS / 3_600_000} h, and gave up`;
  return failed(request, { type: 'error', ...readDetails(details), message: `${message}; ${end}` }, attempts);
}

/** Which request is sent while Kimi is overloaded: that of the task, or one of its fallbacks. */
import type { RelayRequest } from '../shared/relay.ts';
import { FAILURE } from '../shared/names.ts';
import { requestsIn, type Attempt } from './attempts.ts';
import type { ReceivedStore } from './recordings.ts';
import { hasType, type RequestState } from './request-state.ts';

/** The request that is sent. */
export type RequestInUse = RelayRequest & { isFallback?: true };

/** @returns the request that is sent: the task's for 0, else its nth fallback, whose messages are often those of the task. */
export function requestInUse(request: RelayRequest, number: number): RequestInUse {
  const body = request.fallback?.bodies[number - 1];
  if (!body) return request;
  const messages = body.messages.map((message) =>
    typeof message === 'number' ? request.body.messages[message] : message,
  );
  return { ...request, body: { ...body, messages }, isFallback: true };
}

/** @returns whether something else may be asked: nothing was paid, and nothing may have been. */
export function mayFallBack(attempts: readonly (Attempt | undefined)[]): boolean {
  return requestsIn(attempts) === 0;
}

/**
 * @param before the earlier requests for the answer
 * @returns how long Kimi has to be overloaded before something else is asked, in milliseconds; `undefined` if nothing else may be
 */
export function fallBackAfterMs(
  { fallback }: RelayRequest,
  before: readonly (Attempt | undefined)[],
): number | undefined {
  return mayFallBack(before) ? fallback?.after_ms : undefined;
}

/** @returns the request that is sent now: another one than before if Kimi has been overloaded for long enough. */
export function requestNow(
  request: RelayRequest,
  before: readonly (Attempt | undefined)[],
  state: RequestState,
): RequestInUse {
  const afterMs = fallBackAfterMs(request, before);
  if (afterMs !== undefined && state.overloadedForMs >= afterMs) fallBack(request, state);
  return requestInUse(request, state.fallback);
}

/** @returns the error for the engine, see {@link RequestState.afterFailure} */
export async function errorAfter(
  error: unknown,
  request: RelayRequest,
  state: RequestState,
  received: Pick<ReceivedStore, 'read'>,
): Promise<unknown> {
  if (!request.fallback) return state.afterFailure(error);
  // A model that cannot answer the task, e.g. as its documents are too long for it. Nothing was sent.
  if (hasType(error, FAILURE.unfit)) fallBack(request, state);
  const before = hasType(error, FAILURE.throttled) ? await received.read(request.task_id, state.requests) : [];
  return state.afterFailure(error, fallBackAfterMs(request, before));
}

/** Asks the next model from now on, and after the last one the task's own again. */
function fallBack(request: RelayRequest, state: RequestState): void {
  const { bodies = [] } = request.fallback ?? {};
  const number = (state.fallback + 1) % (bodies.length + 1);
  const { model, reasoning_effort: effort } = requestInUse(request, number).body;
  state.fallBack(number, {
    asked_model: request.body.model,
    model,
    ...(typeof effort === 'string' && { effort }),
  });
}

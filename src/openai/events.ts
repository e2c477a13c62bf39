/**
 * The events of a streamed response. Their numbers depend on the answer only, and not on when or in which pieces it arrived: a client
 * that comes back with the number of the last event that it has seen gets the rest, also after a restart.
 */
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { cutAt } from '../shared/format.ts';
import type { ResultFile } from '../shared/result.ts';
import { textChanged } from './chat.ts';
import type { Update } from './follow.ts';
import { callItems } from './functions.ts';
import { messageOf, statusOf, textOf, textPart, type ResponseObject } from './response-object.ts';

/** UTF-16 units of a delta: a few words. The last one may be shorter, and a surrogate pair begins the next one. */
const DELTA_UNITS = 16;

/** Events without `output_text`, which is made by OpenAI's clients. */
export type ResponseEvent = { type: ResponseStreamEvent['type']; sequence_number: number };

type Unnumbered = { type: ResponseStreamEvent['type']; [member: string]: unknown };

/** @param show the response in a state, or with its result */
export async function* eventsOf(
  updates: AsyncIterable<Update>,
  task_id: string,
  show: (outcome: 'queued' | 'dispatched' | ResultFile) => Promise<ResponseObject>,
): AsyncGenerator<ResponseEvent> {
  let sequence_number = 0;
  for await (const event of unnumbered(updates, task_id, show)) {
    yield { ...event, sequence_number };
    sequence_number += 1;
  }
}

async function* unnumbered(
  updates: AsyncIterable<Update>,
  task_id: string,
  show: (outcome: 'queued' | 'dispatched' | ResultFile) => Promise<ResponseObject>,
): AsyncGenerator<Unnumbered> {
  yield { type: 'response.created', response: await show('queued') };
  let hasBegun = false;
  const text = new TextEvents(task_id);
  for await (const update of updates) {
    // It is queued until it is allowed.
    if ('paused' in update) continue;
    if (!hasBegun) yield { type: 'response.in_progress', response: await show('dispatched') };
    hasBegun = true;
    if ('content' in update) yield* text.add(update.content);
    if (!('result' in update)) continue;
    const result = withReceived(update.result, text.received);
    const whole = textOf(result);
    if (!whole.startsWith(text.received)) {
      const { message, kind } = textChanged(task_id);
      yield { type: 'error', code: kind.code, message, param: null };
      return;
    }
    yield* text.add(whole.slice(text.received.length));
    const response = await show(result);
    yield* text.end(statusOf(result) === 'completed' ? 'completed' : 'incomplete');
    yield* callEvents(result, whole === '' ? 0 : 1);
    yield { type: lastEvent(statusOf(result)), response };
  }
}

/** The result of a task that was cancelled, or ran out of time, is saved before the part that was received. */
function withReceived(result: ResultFile, received: string): ResultFile {
  const isKept = result.status === 'done' || !received.startsWith(textOf(result));
  return isKept || received === '' ? result : { ...result, partial_output: received };
}

/** The events of calls, which come whole. @param first place of the first one in the output */
function* callEvents(result: ResultFile, first: number): Generator<Unnumbered> {
  for (const [index, item] of callItems(result).entries()) {
    const output_index = first + index;
    const { id: item_id, name, arguments: args } = item;
    const begun = { ...item, arguments: '', status: 'in_progress' };
    yield { type: 'response.output_item.added', output_index, item: begun };
    if (args !== '') yield { type: 'response.function_call_arguments.delta', item_id, output_index, delta: args };
    yield { type: 'response.function_call_arguments.done', item_id, output_index, name, arguments: args };
    yield { type: 'response.output_item.done', output_index, item };
  }
}

/** OpenAI has no event for a response that was cancelled. */
function lastEvent(status: ReturnType<typeof statusOf>): Unnumbered['type'] {
  return status === 'completed' || status === 'incomplete' ? `response.${status}` : 'response.failed';
}

class TextEvents {
  received = '';
  /** UTF-16 units that are in events. */
  private sent = 0;
  private readonly place: { item_id: string; output_index: number; content_index: number };

  constructor(private readonly task_id: string) {
    this.place = { item_id: `msg_${task_id}`, output_index: 0, content_index: 0 };
  }

  /** @returns the events of whole deltas. */
  *add(text: string): Generator<Unnumbered> {
    this.received += text;
    while (this.sent + DELTA_UNITS < this.received.length) yield* this.delta();
  }

  /** @returns the rest; nothing if there is no text. */
  *end(status: 'completed' | 'incomplete'): Generator<Unnumbered> {
    const { place, received: text } = this;
    if (text === '') return;
    if (this.sent < text.length) yield* this.delta();
    yield { type: 'response.output_text.done', ...place, text, logprobs: [] };
    yield { type: 'response.content_part.done', ...place, part: textPart(text) };
    const item = messageOf(this.task_id, text, status);
    yield { type: 'response.output_item.done', output_index: 0, item };
  }

  private *delta(): Generator<Unnumbered> {
    const { place } = this;
    if (this.sent === 0) {
      const item = messageOf(this.task_id, undefined, 'in_progress');
      yield { type: 'response.output_item.added', output_index: 0, item };
      yield { type: 'response.content_part.added', ...place, part: textPart('') };
    }
    const from = this.sent;
    this.sent = cutAt(this.received, from + DELTA_UNITS);
    yield { type: 'response.output_text.delta', ...place, delta: this.received.slice(from, this.sent), logprobs: [] };
  }
}

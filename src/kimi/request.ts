import type { Task } from '../shared/task.ts';
import { parametersFor, resolveModel, type ModelParameters } from './models.ts';

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

interface Message {
  role: 'system' | 'user';
  content: string | Part[];
}

/** What a model is asked: the body of a request, without what lets the answer find its way back. */
export type ChatRequest = { model: string; messages: Message[] } & ModelParameters;

/**
 * Makes a task's request, as it is sent to the API at an address.
 *
 * @param apiUrl `undefined` where nobody here knows where the task will be sent
 * @throws {KimiError} `retired_model` or `bad_parameter`, where it would be refused there
 */
export function requestFor(
  { model, prompt, request = {} }: Pick<Task, 'model' | 'prompt' | 'request'>,
  apiUrl: string | undefined,
): ChatRequest {
  const { system, images = [] } = request;
  const pictures = images.map((url): Part => ({ type: 'image_url', image_url: { url } }));
  return {
    model: resolveModel(model, apiUrl),
    messages: [
      ...(system === undefined ? [] : [{ role: 'system' as const, content: system }]),
      // The contract's form, unless there are pictures.
      { role: 'user', content: pictures.length > 0 ? [...pictures, { type: 'text', text: prompt }] : prompt },
    ],
    ...parametersFor(model, request),
  };
}

/** Tokens that the form of a message may add to its text; a guess on the safe side. */
const TOKENS_OF_FORM = 32;

/** @returns how many tokens the text of a request has at the most: none is shorter than a byte. Pictures are not counted. */
export function mostTokens({ messages }: ChatRequest): number {
  const texts = messages.flatMap(({ content }) => (typeof content === 'string' ? [content] : content.map(textOf)));
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + TOKENS_OF_FORM, 0);
}

function textOf(part: Part): string {
  return part.type === 'text' ? part.text : '';
}

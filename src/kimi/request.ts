/** The request of a task to a model. */
import { imageType } from '../documents/image-type.ts';
import type { FunctionCall, Task, TaskFile, TaskRequest, Turn } from '../shared/task.ts';
import { callsBack, checkImages, modelOf, parametersFor, resolveModel, type ModelParameters } from './models.ts';

type Part = { type: 'text'; text: string } | { type: 'image_url'; image_url: { url: string } };

interface Message {
  role: 'system' | 'user' | 'assistant' | 'tool';
  content: string | Part[];
  reasoning_content?: string;
  tool_calls?: { id: string; type: 'function'; function: Omit<FunctionCall, 'id'> }[];
  tool_call_id?: string;
}

/** Body of a request, without the callback's members. */
export type ChatRequest = { model: string; messages: Message[] } & ModelParameters;

/** What is stored of files, by the SHA-256 of the file; one without it is left out. */
export type FileContents = ReadonlyMap<string, Buffer>;

/**
 * @param apiUrl address of the API; `undefined` if it is not known
 * @param contents of the task's texts and pictures; documents are read by the relay
 * @returns the request of a task for that API, with the conversation that it continues
 * @throws {KimiError} `retired_model` or `bad_parameter`, if the API would refuse it
 */
export function requestFor(
  task: Pick<Task, 'model' | 'prompt' | 'request' | 'files' | 'conversation'>,
  apiUrl: string | undefined,
  contents: FileContents = new Map(),
): ChatRequest {
  const { model, prompt, request = {}, files = [], conversation = [] } = task;
  const { system, images = [], function_results } = request;
  const all = filesOf(task);
  checkImages(model, all.filter(isPictures).length + conversation.flatMap(imagesOf).length);
  // At Moonshot each file is a system message at the head, which its cache keeps for the next question. Other servers may take one
  // system message only.
  const isMoonshot = isAtMoonshot(apiUrl);
  const head = [...(isMoonshot ? textsOf(all, contents) : []), ...(system === undefined ? [] : [system])];
  const asked = (turn: Question) => questionMessages(turn, contents, isMoonshot);
  return {
    model: resolveModel(model, apiUrl),
    messages: [
      ...head.map((content): Message => ({ role: 'system', content })),
      ...conversation.flatMap((turn) => [...asked(turn), answerOf(model, turn, request)]),
      ...asked({ prompt, images, files, ...(function_results && { function_results }) }),
    ],
    ...parametersFor(model, request),
  };
}

/** @returns the files of a task and of the conversation before it; one that is in both, once, as it was stored last. */
export function filesOf({ files = [], conversation = [] }: Pick<Task, 'files' | 'conversation'>): TaskFile[] {
  const all = [...conversation.flatMap((turn) => turn.files ?? []), ...files];
  return [...new Map(all.map((file) => [file.sha256, file])).values()];
}

/** @returns the files of a request, each as often as it is sent: a picture with each question, at Moonshot any other file once. */
export function sentFiles(task: Pick<Task, 'files' | 'conversation'>, apiUrl: string | undefined): TaskFile[] {
  const { files = [], conversation = [] } = task;
  const all = [...conversation.flatMap((turn) => turn.files ?? []), ...files];
  if (!isAtMoonshot(apiUrl)) return all;
  return [...all.filter(isPictures), ...filesOf(task).filter((file) => !isPictures(file))];
}

function isAtMoonshot(apiUrl: string | undefined): boolean {
  return apiUrl !== undefined && !callsBack(apiUrl);
}

function imagesOf({ images = [] }: Pick<Turn, 'images'>): string[] {
  return images;
}

type Question = Pick<Turn, 'prompt' | 'images' | 'files' | 'function_results'>;

/** @returns what the functions returned that the answer before asks for, and the question, which may be absent then. */
function questionMessages(question: Question, contents: FileContents, isMoonshot: boolean): Message[] {
  const { prompt, function_results: results = [] } = question;
  return [
    ...results.map(({ call_id, output }): Message => ({ role: 'tool', tool_call_id: call_id, content: output })),
    ...(prompt === '' && results.length > 0 ? [] : [userMessage(question, contents, isMoonshot)]),
  ];
}

/** @returns the message of a question: a plain string as in docs/http-api.md, unless there are pictures. */
function userMessage(
  { prompt, images = [], files = [] }: Question,
  contents: FileContents,
  isMoonshot: boolean,
): Message {
  const pictures = [
    ...contentsOf(files, 'image', contents).map(([, content]) => dataUrl(content)),
    ...contentsOf(files, 'pages', contents).flatMap(([, content]) => JSON.parse(content.toString()) as string[]),
  ];
  const parts = [...images, ...pictures].map((url): Part => ({ type: 'image_url', image_url: { url } }));
  const text = [prompt, ...(isMoonshot ? [] : textsOf(files, contents))].join('\n\n');
  return { role: 'user', content: parts.length > 0 ? [...parts, { type: 'text', text }] : text };
}

/**
 * Stands for the reasoning of an answer that has none: Moonshot was seen to take an empty one for a missing one, and to accept a space
 * (llmgateway, pull request 2093).
 */
export const NO_REASONING = ' ';

/**
 * @returns the message of an earlier answer. A model that always thinks refuses one without its reasoning (Moonshot's documentation);
 *   K2.6 ignores it unless `thinking.keep` is set (its guide), but not of one that asks for functions; other servers may not know it.
 */
function answerOf(
  id: string,
  { output, reasoning, function_calls: calls }: Turn,
  { thinking }: Pick<TaskRequest, 'thinking'>,
): Message {
  const model = modelOf(id);
  const isWanted = model && (model.thinking !== 'switch' || (calls && thinking !== 'off'));
  return {
    role: 'assistant',
    content: output,
    ...(isWanted && { reasoning_content: reasoning || NO_REASONING }),
    ...(calls && {
      tool_calls: calls.map(({ id: call, ...rest }) => ({ id: call, type: 'function', function: rest })),
    }),
  };
}

function contentsOf(
  files: readonly TaskFile[],
  wanted: TaskFile['kind'],
  contents: FileContents,
): [file: TaskFile, content: Buffer][] {
  return files.flatMap((file): [TaskFile, Buffer][] => {
    const content = file.kind === wanted ? contents.get(file.sha256) : undefined;
    return content ? [[file, content]] : [];
  });
}

function textsOf(files: readonly TaskFile[], contents: FileContents): string[] {
  return contentsOf(files, 'text', contents).map(([{ name }, content]) => attachment(name, content));
}

/** @returns a picture as it is sent. */
export function dataUrl(content: Uint8Array): string {
  const bytes = Buffer.from(content);
  return `data:${imageType(bytes)};base64,${bytes.toString('base64')}`;
}

/** @returns whether a file is sent as pictures. */
export function isPictures({ kind }: Pick<TaskFile, 'kind'>): boolean {
  return kind === 'image' || kind === 'pages';
}

function attachment(name: string, content: Buffer): string {
  return `<attachment name=${JSON.stringify(name)}>\n${content.toString('utf8')}\n</attachment>`;
}

/** Upper estimate of the tokens that a message adds to its text. */
const MESSAGE_TOKENS = 32;

/** @returns an upper bound of the tokens of a request's text: each has at least one byte. Images are not counted. */
export function mostTokens({ messages, tools }: ChatRequest): number {
  const texts = messages.flatMap(({ reasoning_content: reasoning = '', tool_calls: calls = [], ...message }) => [
    reasoning,
    ...textsIn(message),
    ...calls.map((call) => JSON.stringify(call)),
  ]);
  if (tools) texts.push(JSON.stringify(tools));
  return texts.reduce((sum, text) => sum + Buffer.byteLength(text) + MESSAGE_TOKENS, 0);
}

/**
 * @returns a lower bound of the tokens of a request's text: Kimi's tokenizer, as published with K2, splits a text into words first, so
 * no token has two of them. Reasoning, which Kimi may leave out, and images are not counted.
 */
export function leastTokens({ messages }: ChatRequest): number {
  return messages.flatMap(textsIn).reduce((words, text) => words + (text.match(/\S+/g)?.length ?? 0), 0);
}

function textsIn({ content }: Pick<Message, 'content'>): string[] {
  return typeof content === 'string' ? [content] : content.map(textOf);
}

function textOf(part: Part): string {
  return part.type === 'text' ? part.text : '';
}

/** One completion: parsed, priced, and sent. */
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { Response } from 'express';
import { answerTo, firstTokens, pieces, reasoningOn, tokensIn } from './answers.ts';
import type { Directives } from './directives.ts';
import { refusal, type Refusal } from './errors.ts';
import type { Completion } from './events.ts';
import type { Formed } from './forms.ts';
import type { CompletionRequest } from './validation.ts';

/** A call of a tool, as it is sent. */
interface Call {
  id: string;
  type: 'function' | 'builtin_function';
  function: { name: string; arguments: string };
}

/** @returns the tokens of calls: their names count none here. */
export function callTokens({ calls }: Pick<Run, 'calls'>): number {
  return calls.reduce((sum, { function: { arguments: args } }) => sum + tokensIn(args), 0);
}

/** A completion in progress. */
export interface Run {
  id: string;
  created: number;
  request: CompletionRequest;
  directives: Directives;
  reasoning: string;
  content: string;
  /** Calls of tools, in place of an answer. */
  calls: Call[];
  finish_reason: 'stop' | 'length' | 'tool_calls';
  usage: object;
  counted: Completion;
  /** How it is interrupted; absent if it is not. */
  breaks: Directives['break'];
  /** Set if the directive `form` applies. */
  formed: Formed | undefined;
}

/** Sends a completion that is not streamed: no header is sent before the answer is complete. */
export async function sendAnswer(run: Run, response: Response, delayMs: number, gone: AbortSignal): Promise<void> {
  const { id, created, request, directives, reasoning, content, finish_reason, usage, counted, breaks } = run;
  await pause(directives.delay ?? delayMs, undefined, { signal: gone });
  if (breaks === 'error') {
    counted.ended = 'error';
    throw interruption(directives);
  }
  counted.generated = { reasoning_tokens: tokensIn(reasoning), content_tokens: tokensIn(content) };
  if (breaks) {
    counted.ended = breaks;
    if (breaks === 'stall') await pause(2 ** 31 - 1, undefined, { signal: gone });
    response.socket?.destroy();
    return;
  }
  counted.ended = 'answered';
  const message = {
    role: 'assistant',
    content,
    ...(request.thinks && { reasoning_content: reasoning }),
    ...(run.calls.length > 0 && { tool_calls: run.calls }),
  };
  const choices = [{ index: 0, message, finish_reason }];
  response.json({ id, object: 'chat.completion', created, model: request.model, choices, usage });
}

/**
 * Streams a completion in the order of a live capture: role, reasoning, content, finish with usage inside the choice; with
 * `include_usage` once more, with no choice and no fingerprint; `[DONE]`. Headers are sent with the first byte: no
 * measurement says when Kimi sends them.
 */
export async function streamAnswer(run: Run, response: Response, delayMs: number, gone: AbortSignal): Promise<void> {
  const { directives, counted, breaks } = run;
  const chunks = [...chunksOf(run)];
  const chunkMs = directives['chunk-delay'] ?? (directives.delay === undefined ? delayMs / chunks.length : 0);
  await pause(directives.delay ?? 0, undefined, { signal: gone });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' }).flushHeaders();
  const sent = { reasoning: '', content: '' };
  const start = performance.now();
  const last = breaks ? directives.after : undefined;
  for (const [n, { json, reasoning = '', content = '' }] of chunks.slice(0, last).entries()) {
    const early = start + n * chunkMs - performance.now();
    if (early > 0) await pause(early, undefined, { signal: gone });
    if (directives.comments) await write(response, ': simulated\n\n', gone);
    await write(response, `data: ${JSON.stringify(json)}\n\n`, gone);
    sent.reasoning += reasoning;
    sent.content += content;
    counted.generated = { reasoning_tokens: tokensIn(sent.reasoning), content_tokens: tokensIn(sent.content) };
  }
  counted.ended = breaks ?? 'answered';
  if (breaks === 'stall') await pause(2 ** 31 - 1, undefined, { signal: gone });
  else if (breaks === 'cut') response.socket?.destroySoon();
  else if (breaks === 'error') {
    counted.billed.completion_tokens = counted.generated.reasoning_tokens + counted.generated.content_tokens;
    // No recording shows how Kimi frames such an error.
    response.end(`data: ${JSON.stringify(interruption(directives).body)}\n\n`);
  } else response.end(breaks === 'eof' ? '' : 'data: [DONE]\n\n');
}

/** Sends an answer in a given form. */
export function sendFormed({ status = 200, headers, body }: Formed, response: Response, counted: Completion): void {
  counted.ended = 'formed';
  response.writeHead(status, headers);
  for (const piece of body) {
    if (piece === undefined) response.socket?.destroySoon();
    else response.write(piece);
  }
  if (!body.includes(undefined)) response.end();
}

interface Chunk {
  json: object;
  reasoning?: string;
  content?: string;
}

function* chunksOf({ id, created, request, directives, ...run }: Run): Generator<Chunk> {
  const head = { id, object: 'chat.completion.chunk', created, model: request.model };
  const chunk = (delta: object, end: object = { finish_reason: null }): object => ({
    ...head,
    choices: [{ index: 0, delta, ...end }],
    system_fingerprint: 'fpv0_simulated',
  });
  yield { json: chunk({ role: 'assistant', content: '' }) };
  for (const piece of pieces(run.reasoning)) yield { json: chunk({ reasoning_content: piece }), reasoning: piece };
  // As captured: the reasoning ends with an empty piece.
  if (request.thinks) yield { json: chunk({ reasoning_content: '' }) };
  for (const piece of pieces(run.content, directives.chunks)) yield { json: chunk({ content: piece }), content: piece };
  for (const [index, { function: called, ...call }] of run.calls.entries()) {
    yield { json: chunk({ tool_calls: [{ index, ...call, function: { name: called.name, arguments: '' } }] }) };
    for (const piece of pieces(called.arguments)) {
      yield { json: chunk({ tool_calls: [{ index, function: { arguments: piece } }] }) };
    }
  }
  yield { json: chunk({}, { finish_reason: run.finish_reason, usage: run.usage }) };
  if (request.includeUsage) yield { json: { ...head, choices: [], usage: run.usage } };
}

/** The error that interrupts an answer. */
function interruption({ error }: Directives): Refusal {
  return refusal(error ?? 'overloaded');
}

/** @returns the texts of an answer, cut to the token limit of the request. */
export function textsOf(
  request: CompletionRequest,
  directives: Directives,
): Pick<Run, 'reasoning' | 'content' | 'calls' | 'finish_reason'> {
  const calls = request.rounds < directives.calls ? callsOf(request) : [];
  const whole = {
    reasoning: request.thinks ? reasoningOn(request.asked, directives.reasoning) : '',
    content: calls.length > 0 && !directives.says ? '' : continuationOf(request, directives),
  };
  const reasoning = firstTokens(whole.reasoning, request.cap);
  const content = firstTokens(whole.content, request.cap - tokensIn(reasoning));
  const isCut = reasoning !== whole.reasoning || content !== whole.content;
  return { reasoning, content, calls, finish_reason: isCut ? 'length' : calls.length > 0 ? 'tool_calls' : 'stop' };
}

/** Each tool is called with the first line of the question. */
function callsOf({ asked, tools }: CompletionRequest): Call[] {
  return tools.map(({ type, function: { name, parameters } }, number) => {
    const [argument = 'query'] = parameters?.required ?? [];
    const args = JSON.stringify({ [argument]: asked.split('\n', 1)[0] });
    return { id: `${name}:${number}`, type, function: { name, arguments: args } };
  });
}

/** The part of the answer after the prefix; the whole answer if it does not begin with the prefix. */
function continuationOf({ asked, prefix, stop }: CompletionRequest, { size, repeat }: Directives): string {
  const whole = answerTo(asked, size) + '模擬的模型一再說同一句話。\n'.repeat(repeat);
  const rest = whole.startsWith(prefix) ? whole.slice(prefix.length) : whole;
  const ends = stop.map((word) => rest.indexOf(word)).filter((at) => at >= 0);
  return rest.slice(0, Math.min(...ends, rest.length));
}

/** Writes and waits until the data is sent: data in the buffer is lost when the connection is closed. */
async function write(response: Response, text: string, gone: AbortSignal): Promise<void> {
  gone.throwIfAborted();
  const error = await new Promise((resolve) => {
    response.write(text, resolve);
  });
  if (!error) return;
  // The client has disconnected: the `close` event of its connection aborts `gone`.
  if (!gone.aborted) await once(gone, 'abort');
  gone.throwIfAborted();
}

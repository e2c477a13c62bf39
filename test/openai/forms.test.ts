/** OpenAI's forms, without an engine. */
import OpenAI from 'openai';
import { anything, array, assert, asyncProperty, constantFrom, dictionary, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Webhook } from 'standardwebhooks';
import { BatchLines } from '../../src/openai/batch-lines.ts';
import { chatIn, completionOf } from '../../src/openai/chat.ts';
import { failureOf, inOpenAiForm, OpenAiError } from '../../src/openai/errors.ts';
import { eventsOf, type ResponseEvent } from '../../src/openai/events.ts';
import { outcomeOf, type Update } from '../../src/openai/follow.ts';
import { dialogueOf } from '../../src/openai/messages.ts';
import { pageOf } from '../../src/openai/pages.ts';
import { thinkingOf } from '../../src/openai/parameters.ts';
import { responseOf, type ResponseObject } from '../../src/openai/response-object.ts';
import { responseIn } from '../../src/openai/responses.ts';
import { webhookEventOf } from '../../src/openai/webhook-event.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { Problem } from '../../src/tasks/problem.ts';
import type { CallerTasks } from '../../src/tasks/tasks.ts';

const RESULT: ResultFile = {
  task_id: 'kimi-1707654321-12345',
  task_name: 'x',
  status: 'done',
  model: 'kimi-k2.6',
  output: '',
  created_at: '2026-02-17T15:30:00Z',
  completed_at: '2026-02-17T15:30:30Z',
};

async function show(outcome: Parameters<typeof responseOf>[1]): Promise<ResponseObject> {
  return await Promise.resolve(responseOf({ ...RESULT, request: {} }, outcome));
}

async function eventsFor(pieces: string[], result: ResultFile): Promise<(ResponseEvent & { delta?: string })[]> {
  async function* updates(): AsyncGenerator<Update> {
    for (const content of pieces) yield { content, reasoning: '' };
    yield await Promise.resolve({ result });
  }
  const events: ResponseEvent[] = [];
  for await (const event of eventsOf(updates(), RESULT.task_id, show)) events.push(event);
  return events;
}

describe('the events of a response', () => {
  it('are the same, with the same numbers, in whatever pieces its text arrived, and how much of it', async () => {
    const units = string({ unit: 'binary', maxLength: 60 });
    await assert(
      asyncProperty(array(units, { maxLength: 6 }), units, async (pieces, rest) => {
        const output = pieces.join('') + rest;
        const events = await eventsFor(pieces, { ...RESULT, output });
        expect(events).toEqual(await eventsFor([], { ...RESULT, output }));
        expect(events.map((event) => event.sequence_number)).toEqual(events.map((_, index) => index));
        const deltas = events.flatMap(({ delta }) => (delta === undefined ? [] : [delta]));
        expect(deltas.join('')).toBe(output);
        expect(deltas.every((delta) => delta.isWellFormed())).toBe(true);
      }),
    );
  });

  it('end with an error if the text that was sent is no part of the answer', async () => {
    const events = await eventsFor(['x'.repeat(40)], { ...RESULT, output: 'y' });
    expect(events.at(-1)).toMatchObject({ type: 'error', code: 'text_changed' });
  });

  it('have the functions that it asks for, as its output has them', async () => {
    const calls = [
      { id: 'f:0', name: 'f', arguments: '{"a":1}' },
      { id: 'g:1', name: 'g', arguments: '' },
    ];
    const asked = { ...RESULT, finish_reason: 'tool_calls', function_calls: calls };
    for (const output of ['I ask.', undefined]) {
      const result = { ...asked, output };
      const events = (await eventsFor([], result)) as (ResponseEvent & Record<string, unknown>)[];
      const whole = responseOf({ ...RESULT, request: {} }, result);
      const done = events.filter(({ type }) => type === 'response.output_item.done');
      expect(done.map(({ item }) => item)).toEqual(whole.output);
      expect(done.map(({ output_index: index }) => index)).toEqual(whole.output.map((_, index) => index));
      expect(whole.output.slice(-2)).toMatchObject(calls.map(({ id, ...call }) => ({ call_id: id, ...call })));
      expect(events.slice(-8).map(({ type }) => type.replace('response.', ''))).toEqual([
        'output_item.added',
        'function_call_arguments.delta',
        'function_call_arguments.done',
        'output_item.done',
        'output_item.added',
        'function_call_arguments.done',
        'output_item.done',
        'completed',
      ]);
    }
    expect(completionOf({ ...asked, output: undefined })).toMatchObject({
      choices: [{ message: { content: null, tool_calls: [{ id: 'f:0', type: 'function' }, {}] } }],
    });
  });

  it.each(['cancelled', 'timed_out'] as const)('of a task that is %s keep the text that was sent', async (status) => {
    const received = 'x'.repeat(40);
    const ended = { ...RESULT, status, output: undefined };
    const events = await eventsFor([received], ended);
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { output: [{ status: 'incomplete' }] } });
    expect(events).toEqual(await eventsFor([], { ...ended, partial_output: received }));
  });

  it.each<[string, Partial<ResultFile>, string[]]>([
    ['a cut answer', { output: 'a', finish_reason: 'length' }, ['response.output_item.done', 'response.incomplete']],
    ['a failure', { status: 'failed', output: undefined }, ['response.in_progress', 'response.failed']],
    [
      'one with a part',
      { status: 'failed', output: undefined, partial_output: 'a' },
      ['response.output_item.done', 'response.failed'],
    ],
    ['a cancellation', { status: 'cancelled', output: undefined }, ['response.in_progress', 'response.failed']],
  ])('of %s name its end', async (_, changes, last) => {
    const events = await eventsFor([], { ...RESULT, ...changes });
    expect(events.slice(-2).map(({ type }) => type)).toEqual(last);
  });
});

it('a client that would wait until a task is allowed is told so; it waits while running tasks may leave enough', async () => {
  const pause = { of: 'day', currency: 'CNY', budget: 10, needs: 6, spent: 5 } as const;
  const { task_id } = RESULT;
  const pauses = [{ ...pause, waits: true as const }, pause];
  const tasks = {
    result: async () => await Promise.reject(new Problem('unfinished', { task_id })),
    find: async () => await Promise.resolve({ state: 'paused', paused: pauses.shift() }),
  } as unknown as CallerTasks;
  await expect(outcomeOf(tasks, task_id, new AbortController().signal)).rejects.toMatchObject({
    status: 429,
    kind: { code: 'over_budget', isFinal: true },
  });
  expect(pauses).toEqual([]);
});

it.each([
  [{}, 'response.completed'],
  [{ finish_reason: 'length' }, 'response.incomplete'],
  [{ status: 'timed_out' }, 'response.failed'],
  [{ status: 'cancelled' }, 'response.cancelled'],
] as const)('the webhook of a result %o is unwrapped by OpenAI’s package as %s', async (changes, type) => {
  const secret = `whsec_${Buffer.from('a-secret-of-24-characters').toString('base64')}`;
  const event = webhookEventOf({ ...RESULT, ...changes });
  const payload = JSON.stringify(event);
  const at = new Date();
  const headers = {
    'webhook-id': event.id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(event.id, at, payload),
  };
  const openai = new OpenAI({ apiKey: 'x', webhookSecret: secret });
  const data = { id: 'resp_kimi-1707654321-12345' };
  expect(await openai.webhooks.unwrap(payload, headers)).toMatchObject({ type, data, created_at: 1_771_342_230 });
});

it.each([
  ['resource_not_found_error', 404, 'model_not_found'],
  ['retired_model', 404, 'model_not_found'],
  ['interrupted', 500, 'interrupted'],
])('a failure of the type %s has its own code', (type, status, code) => {
  const detail = { code: 'not_resumed', why: 'the relay was lost', requests: 1 } as const;
  const error = { type, message: 'kimi-dispatch retry asks it as a new task', detail };
  const failed: ResultFile = { ...RESULT, status: 'failed', output: undefined, error };
  expect(failureOf(failed)).toMatchObject({ status, kind: { code, isFinal: true } });
  const { error: shown } = responseOf({ ...RESULT, request: {} }, failed);
  expect(shown).toMatchObject({ code });
  for (const said of [failureOf(failed).message, shown?.message]) {
    expect(said).toContain('the relay was lost');
    expect(said).not.toContain('kimi-dispatch ');
  }
});

it('a body that is too large is refused with 413', () => {
  const refusal = inOpenAiForm(Object.assign(new Error('request entity too large'), { status: 413 }));
  expect(refusal).toMatchObject({ status: 413, kind: { code: 'body_too_large' } });
});

function withPart(part: object): object[] {
  return [{ role: 'user', content: [part] }];
}

const NO_TOKENS = { prompt: 0, completion: 0, total: 0 };

/** No file comes with these requests. */
const NO_TASKS = {} as CallerTasks;

describe('a request', () => {
  it('for a response becomes a task', async () => {
    const { task, ...how } = await responseIn(
      {
        model: 'kimi-k3',
        input: 'x',
        background: true,
        max_output_tokens: 9,
        temperature: 1,
        reasoning: { effort: 'medium', summary: 'auto' },
        text: { format: { type: 'json_schema', name: 'a', schema: { type: 'object' } }, verbosity: 'medium' },
        tools: [{ type: 'web_search' }, { type: 'code_interpreter', container: { type: 'auto' } }],
        service_tier: 'flex',
        previous_response_id: 'resp_kimi-1-2',
        truncation: null,
      },
      NO_TASKS,
    );
    expect(how).toEqual({ background: true, stream: false });
    expect(task).toEqual({
      model: 'kimi-k3',
      prompt: 'x',
      continue: 'kimi-1-2',
      event: { form: 'openai' },
      own_options: true,
      wake: false,
      request: {
        temperature: 1,
        max_tokens: 9,
        thinking: 'high',
        json_schema: { type: 'object' },
        tools: ['search', 'code'],
        batch: true,
      },
    });
  });

  it('for a chat completion may search the web', async () => {
    const messages = [{ role: 'user', content: 'x' }];
    const { task } = await chatIn({ model: 'kimi-k3', messages, web_search_options: {} }, NO_TASKS);
    expect(task.request).toEqual({ tools: ['search'] });
  });

  it('with functions, their calls and what they returned becomes a task of either form', async () => {
    const f = { name: 'f', description: 'F', parameters: { type: 'object' }, strict: true };
    const call = { name: 'f', arguments: '{}' };
    const said = { role: 'user', content: 'x' };
    const chat = await chatIn(
      {
        model: 'kimi-k3',
        messages: [
          said,
          {
            role: 'assistant',
            content: null,
            reasoning_content: 'hm',
            tool_calls: [{ id: 'f:0', type: 'function', function: call }],
          },
          { role: 'tool', tool_call_id: 'f:0', content: [{ type: 'text', text: '20' }] },
          { role: 'user', content: 'y' },
        ],
        tools: [{ type: 'function', function: f }],
        tool_choice: 'required',
        parallel_tool_calls: true,
      },
      NO_TASKS,
    );
    const results = [{ call_id: 'f:0', output: '20' }];
    const turn = { prompt: 'x', output: '', function_calls: [{ id: 'f:0', ...call }] };
    expect(chat.task).toMatchObject({
      prompt: 'y',
      conversation: [{ ...turn, reasoning: 'hm' }],
      request: { functions: [f], function_choice: 'required', function_results: results },
    });
    const response = await responseIn(
      {
        model: 'kimi-k3',
        input: [
          said,
          { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'I ask.' }] },
          { type: 'function_call', call_id: 'f:0', id: 'fc_1', status: 'completed', ...call },
          { type: 'function_call_output', call_id: 'f:0', output: '20' },
        ],
        tools: [{ type: 'function', name: 'g', parameters: null, strict: null }],
        tool_choice: { type: 'function', name: 'g' },
      },
      NO_TASKS,
    );
    expect(response.task).toMatchObject({
      prompt: '',
      conversation: [{ ...turn, output: 'I ask.' }],
      request: { functions: [{ name: 'g' }], function_choice: { name: 'g' }, function_results: results },
    });
    const none = await responseIn(
      { model: 'kimi-k3', input: 'x', tools: [{ type: 'web_search' }], tool_choice: 'none' },
      NO_TASKS,
    );
    expect(none.task.request).toEqual({});
  });

  it.each<[string, object]>([
    ['tool_choice', { tool_choice: 'required' }],
    ['tool_choice', { tools: [{ type: 'function', name: 'f' }], tool_choice: { type: 'function', name: 'g' } }],
    ['tools', { tools: ['f', 'g', 'f'].map((name) => ({ type: 'function', name })) }],
    ['parallel_tool_calls', { tools: [{ type: 'function', name: 'f' }], parallel_tool_calls: false }],
    ['tools[0].name', { tools: [{ type: 'function', name: '1' }] }],
    ['store', { background: true, store: false }],
    ['service_tier', { service_tier: 'flex' }],
    ['service_tier', { service_tier: 'priority' }],
    ['tools[0].type', { tools: [{ type: 'file_search' }] }],
    ['tools[0].filters', { tools: [{ type: 'web_search', filters: {} }] }],
    ['conversation', { conversation: 'conv_1' }],
    ['text.format.type', { text: { format: { type: 'json_object' } } }],
    ['input[0].id', { input: [{ type: 'item_reference', id: 'msg_1' }] }],
    ['input[0]', { input: withPart({ type: 'input_file', file_data: 'YQ==' }) }],
  ])('that Kimi cannot answer as it is asked is refused, naming %s', async (param, changes) => {
    const request = responseIn({ model: 'kimi-k3', input: 'x', ...changes }, NO_TASKS);
    await expect(request).rejects.toMatchObject({ status: 400, kind: { param } });
  });

  it('of any form is read, or refused in OpenAI’s', async () => {
    const names = ['model', 'input', 'messages', 'tools', 'text', 'response_format', 'reasoning', 'metadata', 'stream'];
    const body = dictionary(constantFrom(...names), anything());
    await assert(
      asyncProperty(body, async (json) => {
        for (const read of [responseIn, chatIn]) {
          const refusal = await read(json, NO_TASKS).then(
            () => undefined,
            (error: unknown) => error,
          );
          expect(refusal === undefined || refusal instanceof OpenAiError, String(refusal)).toBe(true);
        }
      }),
    );
  });
});

/** A request in a batch's file. */
function line(changes: object, body: object = {}): string {
  const asked = {
    custom_id: 'a',
    method: 'POST',
    url: '/v1/responses',
    body: { model: 'kimi-k2.6', input: 'x', ...body },
  };
  return JSON.stringify({ ...asked, ...changes });
}

it('that lacks what is required, or has what the model refuses, says so in OpenAI’s words', async () => {
  const missing = { status: 400, kind: { code: 'missing_required_parameter' } };
  await expect(responseIn({}, NO_TASKS)).rejects.toMatchObject({
    ...missing,
    message: expect.stringContaining('Missing required parameter: '),
  });
  await expect(responseIn({ model: 'kimi-k3' }, NO_TASKS)).rejects.toMatchObject({
    ...missing,
    message: "Missing required parameter: 'input'",
  });
  await expect(chatIn({ messages: [{ role: 'user', content: 'x' }] }, NO_TASKS)).rejects.toMatchObject({
    ...missing,
    message: "Missing required parameter: 'model'",
  });
  await expect(responseIn([], NO_TASKS)).rejects.toMatchObject({ message: "Invalid 'body': send a JSON object" });
  const message = 'kimi-k3 accepts only temperature 1; leave --temperature out';
  const reason = {
    type: 'bad_parameter',
    message,
    detail: { code: 'temperature', model: 'kimi-k3', only: 1 },
  } as const;
  expect(inOpenAiForm(new Problem('unusable_request', { reason }))?.body.error).toMatchObject({
    message: 'kimi-k3 accepts only temperature 1; leave temperature out',
    param: 'temperature',
  });
});

describe('a request of a batch', () => {
  it.each<[string | undefined, string, string[]]>([
    ['body', 'Line 2: .*is not JSON', [line({}), '{']],
    ['custom_id', 'Line 3: .*a is that of an earlier line', [line({}), '', line({})]],
    ['custom_id', 'Line 1: ', [line({ custom_id: undefined })]],
    ['method', 'Line 1: .*has to be POST', [line({ method: 'GET' })]],
    ['url', 'Line 1: .*the endpoint of the batch, /v1/responses', [line({ url: '/v1/embeddings' })]],
    ['body.model', 'Line 2: .*one model.*kimi-k2.6', [line({}), line({ custom_id: 'b' }, { model: 'kimi-k2.7-code' })]],
    ['body.model', 'Line 1: .*is missing', [line({}, { model: null })]],
    ['body.stream', 'Line 1: ', [line({}, { stream: true })]],
    ['body.background', 'Line 1: ', [line({}, { background: true })]],
    ['body.previous_response_id', 'Line 1: ', [line({}, { previous_response_id: 'resp_kimi-1-2' })]],
    ['seed', 'Line 1: ', [line({}, { seed: 1 })]],
    ['input_file_id', 'has no requests', ['', '\r']],
  ])('that it cannot carry refuses the batch, naming %s and the line', async (param, message, lines) => {
    const reading = async (): Promise<void> => {
      const rows = new BatchLines(NO_TASKS, '/v1/responses').rows(Buffer.from(lines.join('\n')));
      for await (const _ of rows);
    };
    const refusal = await reading().catch((error: unknown) => error);
    expect(refusal).toMatchObject({ status: 400, message: expect.stringMatching(message), kind: { param } });
  });
});

it('the webhook of a batch is OpenAI’s', () => {
  const map = { rows: 1, done: 0, failed: 1, timed_out: 0, cancelled: 0, tokens: NO_TOKENS, cost: [] };
  const failure = { number: 1, task_id: 'kimi-1-2', status: 'failed' as const };
  const event = (type: string) =>
    webhookEventOf({
      ...RESULT,
      status: 'failed',
      map: { ...map, failures: [{ ...failure, error: { type, message: '' } }] },
    });
  expect(event('batch_expired')).toMatchObject({ type: 'batch.expired', data: { id: `batch_${RESULT.task_id}` } });
  expect(event('bad_parameter').type).toBe('batch.completed');
});

describe('messages', () => {
  it('become a system prompt, a conversation and a question', () => {
    const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'low' } };
    const { system, turns, question } = dialogueOf(
      [
        { role: 'developer', content: 'be brief' },
        { role: 'user', content: [{ type: 'text', text: 'one' }, image] },
        { role: 'user', content: 'more' },
        { role: 'assistant', content: 'two', refusal: null, tool_calls: [], reasoning_content: 'hm' },
        {
          role: 'user',
          content: [{ type: 'file', file: { filename: '../a.txt', file_data: 'data:text/plain;base64,YQ==' } }],
        },
      ],
      'messages',
      'be kind',
    );
    expect(system).toBe('be kind\n\nbe brief');
    expect(turns).toMatchObject([
      {
        question: { texts: ['one', 'more'], images: [image.image_url.url] },
        answer: { texts: ['two'], reasoning: 'hm' },
      },
    ]);
    expect(question.files).toEqual([{ name: 'a.txt', content: Buffer.from('a') }]);
  });

  const user = { role: 'user', content: 'x' };
  it.each<[string, unknown[]]>([
    ['messages[1].role', [user, { role: 'system', content: 'x' }, user]],
    ['messages[0].role', [{ role: 'assistant', content: 'x' }, user]],
    ['messages[0].tool_call_id', [{ role: 'tool', content: 'x' }]],
    ['messages[1].tool_calls[0].id', [user, { role: 'assistant', content: 'x', tool_calls: [{}] }]],
    ['messages[0].name', [{ ...user, name: 'Ann' }]],
    ['messages', [user, { role: 'assistant', content: 'x' }]],
    ['messages[0].content[0].image_url.url', withPart({ type: 'image_url', image_url: { url: 'https://a.b/c.png' } })],
    ['messages[0].content[0].file_id', withPart({ type: 'input_file', file_data: 'YQ==', file_id: 'file-1' })],
    ['messages[0].content[0].file_data', withPart({ type: 'input_file', file_data: '%' })],
    ['messages[0].content[0].type', withPart({ type: 'input_audio', input_audio: {} })],
    ['messages[0].content[0].text', withPart({ type: 'text', text: 1 })],
  ])('that a task cannot carry are refused, naming %s', (param, messages) => {
    const refusal = (): unknown => {
      try {
        return dialogueOf(messages, 'messages');
      } catch (error) {
        return error instanceof OpenAiError ? error.body.error : error;
      }
    };
    expect(refusal()).toMatchObject({ param, type: 'invalid_request_error' });
  });
});

it.each([
  ['kimi-k3', 'minimal', 'low'],
  ['kimi-k3', 'medium', 'high'],
  ['kimi-k3', 'xhigh', 'max'],
  ['kimi-k3', 'none', 'off'],
  ['kimi-k2.6', 'high', 'on'],
  ['another', 'medium', 'medium'],
])('for %s, the effort %s is %s', (model, word, thinking) => {
  expect(thinkingOf(model, word)).toEqual({ thinking });
});

it.each<[object, string, boolean, number]>([
  [{}, 'cba', false, 3],
  [{ limit: '1' }, 'c', true, 2],
  [{ limit: '1', after: 'c' }, 'b', true, 3],
  [{ limit: '2', after: 'c' }, 'ba', false, 3],
  [{ after: 'gone' }, '', false, 3],
  [{ limit: '2', order: 'asc' }, 'ab', true, 3],
  [{ limit: '2', order: 'asc', after: 'b' }, 'c', false, 3],
])('a page of %o has %s, and reads no more than it needs', async (query, ids, has_more, most) => {
  let read = 0;
  async function* newestFirst() {
    for (const id of 'cba') {
      read += 1;
      yield await Promise.resolve({ id });
    }
  }
  const page = await pageOf(newestFirst(), query);
  expect({ ids: page.data.map(({ id }) => id).join(''), has_more: page.has_more, read }).toEqual({
    ids,
    has_more,
    read: most,
  });
  expect([page.first_id, page.last_id]).toEqual([ids.at(0) ?? null, ids.at(-1) ?? null]);
});

/** OpenAI's endpoints, used by OpenAI's own package: Kimi in the background, durable, and paid once. */
import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, { APIError, BadRequestError, NotFoundError, toFile } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { answerTo } from '../../src/simulator/answers.ts';
import { TASK_ID_IN } from '../../src/shared/task-id.ts';
import { createBatch, endedBatch, linesOf, MODEL, serveOpenAi } from '../support/openai.ts';
import type { RelayedWorld } from '../support/relay.ts';
import { shared } from '../support/resources.ts';

const stage = shared(serveOpenAi);

function billed({ counts }: RelayedWorld, prompt: string): number {
  return counts.completions.filter(({ messages }) => messages.at(-1)?.content === prompt).length;
}

async function settled(id: string): Promise<OpenAI.Responses.Response> {
  const { openai } = stage();
  for (;;) {
    const response = await openai.responses.retrieve(id);
    if (!['queued', 'in_progress'].includes(response.status ?? '')) return response;
    await pause(100);
  }
}

describe('a response in the background', () => {
  it('is returned at once, polled, followed up, deleted, and wakes nobody', async () => {
    const { openai, other, world, tasks } = stage();
    const asked = { model: MODEL, background: true, instructions: 'be brief', metadata: { order: '4711' } };
    const created = await openai.responses.create({ ...asked, input: 'first [[simulate: delay=500]]' });
    expect(created).toMatchObject({ object: 'response', background: true, metadata: { order: '4711' } });
    expect(['queued', 'in_progress']).toContain(created.status);
    const done = await settled(created.id);
    // The simulated answer quotes the first line that it was sent.
    const output = answerTo('be brief');
    expect(done).toMatchObject({ status: 'completed', instructions: 'be brief', metadata: { order: '4711' } });
    expect(done.output_text).toBe(output);
    expect(done.usage?.total_tokens).toBeGreaterThan(0);
    expect(done.created_at).toBe(created.created_at);

    // Its instructions are not those of the next one.
    const next = await openai.responses.create({ model: MODEL, input: 'second', previous_response_id: created.id });
    expect(next).toMatchObject({ status: 'completed', previous_response_id: created.id, instructions: null });
    const { messages = [] } = world.counts.completions.at(-1) ?? {};
    expect(messages.map(({ role, content }) => [role, content.slice(0, 5)])).toEqual([
      ['user', 'first'],
      ['assistant', output.slice(0, 5)],
      ['user', 'secon'],
    ]);
    expect([world.counts.wakes, await tasks.unacknowledged()]).toEqual([[], []]);
    await expect(other.responses.delete(next.id)).rejects.toBeInstanceOf(NotFoundError);
    // Its workflow ends a moment later.
    await expect.poll(async () => await openai.responses.delete(next.id).then(() => 'deleted', String)).toBe('deleted');
    await expect(openai.responses.retrieve(next.id)).rejects.toBeInstanceOf(NotFoundError);
  });

  it('that another token looks at is not acknowledged by that', async () => {
    const { openai, admin, tasks } = stage();
    const { id } = await openai.responses.create({ model: MODEL, background: true, input: 'looked at' });
    const acknowledge = vi.spyOn(tasks, 'acknowledge');
    onTestFinished(() => acknowledge.mockRestore());
    await expect.poll(async () => (await admin.responses.retrieve(id)).status).toBe('completed');
    await pause(300);
    expect(acknowledge).not.toHaveBeenCalled();
    await openai.responses.retrieve(id);
    await expect.poll(async () => (await tasks.result(id.replace('resp_', ''))).acknowledged).toBe(true);
  });

  it('is cancelled, more than once', async () => {
    const { openai } = stage();
    const { id } = await openai.responses.create({
      model: MODEL,
      background: true,
      input: 'x [[simulate: delay=60000]]',
    });
    await expect(openai.responses.delete(id)).rejects.toMatchObject({ status: 400, code: 'not_deleted' });
    expect(await openai.responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    expect(await openai.responses.cancel(id)).toMatchObject({ id, status: 'cancelled' });
    await expect(openai.responses.retrieve('resp_kimi-1-1')).rejects.toBeInstanceOf(NotFoundError);
    await expect(openai.responses.retrieve('x')).rejects.toBeInstanceOf(NotFoundError);
  });

  it('is streamed while it is received, and from any event again', async () => {
    const { openai } = stage();
    const input = 'streamed [[simulate: chunks=30 chunk-delay=100]]';
    const stream = await openai.responses.create({ model: MODEL, background: true, stream: true, input });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of stream) {
      seen.push(event);
      if (event.type === 'response.output_text.delta') break;
    }
    const [first] = seen;
    const id = first?.type === 'response.created' ? first.response.id : '';
    expect(await openai.responses.retrieve(id)).toMatchObject({ status: 'in_progress' });
    expect(first).toMatchObject({ response: { background: true } });
    const resume = async (starting_after: number): Promise<ResponseStreamEvent[]> => {
      const rest: ResponseStreamEvent[] = [];
      for await (const event of await openai.responses.retrieve(id, { stream: true, starting_after })) rest.push(event);
      return rest;
    };
    const last = seen.at(-1)?.sequence_number ?? -1;
    const all = [...seen, ...(await resume(last))];
    expect(all.map((event) => event.sequence_number)).toEqual(all.map((_, index) => index));
    const text = all.flatMap((event) => (event.type === 'response.output_text.delta' ? [event.delta] : [])).join('');
    expect(text).toBe(answerTo(input));
    expect(all.at(-1)).toMatchObject({ type: 'response.completed', response: { id, status: 'completed' } });
    await expect(resume(-1)).rejects.toMatchObject({ status: 400, param: 'starting_after' });
    expect((await resume(10)).map((event) => event.sequence_number)).toEqual(
      all.slice(11).map((event) => event.sequence_number),
    );
  });

  it('that is cancelled while its text arrives ends its stream as cancelled', async () => {
    const { openai } = stage();
    const input = 'cancelled [[simulate: chunks=60 chunk-delay=100]]';
    const stream = await openai.responses.create({ model: MODEL, background: true, stream: true, input });
    const seen: ResponseStreamEvent[] = [];
    for await (const event of stream) {
      if (event.type === 'response.output_text.delta' && seen.at(-1)?.type !== event.type) {
        await openai.responses.cancel(`resp_${event.item_id.replace('msg_', '')}`);
      }
      seen.push(event);
    }
    expect(seen.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'cancelled' } });
  });

  it('that Kimi refuses has failed; one at its token limit is incomplete', async () => {
    const { openai } = stage();
    const failing = await openai.responses.create({ model: MODEL, input: 'x [[simulate: error=content-filter]]' });
    expect(failing).toMatchObject({ status: 'failed', error: { code: 'invalid_prompt' }, output: [] });
    const cut = await openai.responses.create({ model: MODEL, input: 'cut', max_output_tokens: 60 });
    expect(cut).toMatchObject({ status: 'incomplete', incomplete_details: { reason: 'max_output_tokens' } });
    const missing = await openai.responses.create({ model: MODEL, input: 'x [[simulate: error=no-model]]' });
    expect(missing).toMatchObject({ status: 'failed', error: { code: 'model_not_found' } });
  });

  it('that is streamed without it says so', async () => {
    const { openai } = stage();
    const shown: unknown[] = [];
    for await (const event of await openai.responses.create({ model: MODEL, stream: true, input: 'plain' })) {
      if ('response' in event) shown.push(event.response.background);
    }
    expect(shown).toEqual([false, false, false]);
  });
});

describe('a chat completion', () => {
  it('is answered, with the conversation that its client sends, and streamed', async () => {
    const { openai, world } = stage();
    const messages: OpenAI.ChatCompletionMessageParam[] = [
      { role: 'system', content: 'be brief' },
      { role: 'user', content: 'one' },
      { role: 'assistant', content: 'two' },
      { role: 'user', content: [{ type: 'text', text: 'three [[simulate: chunk-delay=10]]' }] },
    ];
    const whole = await openai.chat.completions.create({ model: MODEL, messages });
    const [choice] = whole.choices;
    const output = answerTo('three [[simulate: chunk-delay=10]]');
    expect(choice).toMatchObject({ finish_reason: 'stop', message: { role: 'assistant', content: output } });
    expect(choice?.message).toHaveProperty('reasoning_content', expect.stringContaining('simulated reasoning'));
    const sent = world.counts.completions.at(-1)?.messages.map(({ role, content }) => [role, content]);
    expect(sent?.slice(0, 3)).toEqual([
      ['system', 'be brief'],
      ['user', 'one'],
      ['assistant', 'two'],
    ]);
    const stream = openai.chat.completions.stream({ model: MODEL, messages, stream_options: { include_usage: true } });
    let pieces = 0;
    for await (const { choices } of stream) pieces += choices[0]?.delta.content ? 1 : 0;
    const streamed = await stream.finalChatCompletion();
    const { total_tokens } = whole.usage ?? {};
    expect(streamed).toMatchObject({ usage: { total_tokens }, choices: [{ message: { content: output } }] });
    // Before its end: how many there are depends on the machine.
    expect(pieces).toBeGreaterThan(1);
    // The same request was answered: it is asked again.
    expect(streamed.id).not.toBe(whole.id);
  });

  it('that is asked for again as soon as it was answered is another one, however long it takes to save that', async () => {
    const { openai, tasks } = stage();
    const acknowledge = tasks.acknowledge.bind(tasks);
    const slow = vi.spyOn(tasks, 'acknowledge').mockImplementation(async (reference) => {
      await pause(300);
      return await acknowledge(reference);
    });
    onTestFinished(() => slow.mockRestore());
    const request = { model: MODEL, messages: [{ role: 'user' as const, content: 'sampled' }] };
    const ids: string[] = [];
    for (let sample = 0; sample < 3; sample += 1) ids.push((await openai.chat.completions.create(request)).id);
    expect(new Set(ids).size).toBe(3);
  });

  it('of one Idempotency-Key is one answer, paid once; a key belongs to one prompt', async () => {
    const { openai, world } = stage();
    const ask = async (content: string) =>
      await openai.chat.completions.create(
        { model: MODEL, messages: [{ role: 'user', content }] },
        { headers: { 'Idempotency-Key': 'order-4711' } },
      );
    const [one, two] = await Promise.all([ask('once'), ask('once')]);
    expect([two, await ask('once')]).toEqual([one, one]);
    expect(billed(world, 'once')).toBe(1);
    await expect(ask('other')).rejects.toMatchObject({ status: 400, code: 'key_reused' });
  });

  it('whose client lost its connection is joined by the same request, also without a key; others are their own', async () => {
    const { openai, world } = stage();
    const content = 'joined [[simulate: delay=1500]]';
    const request = { model: MODEL, messages: [{ role: 'user' as const, content }] };
    const [left, stays] = [new AbortController(), openai.chat.completions.create(request)];
    await expect.poll(() => billed(world, content)).toBe(1);
    const leaves = openai.chat.completions.create(request, { signal: left.signal });
    await expect.poll(() => billed(world, content)).toBe(2);
    left.abort();
    await expect(leaves).rejects.toThrow('aborted');
    const [one, two] = await Promise.all([stays, openai.chat.completions.create(request)]);
    expect(one.id).not.toBe(two.id);
    expect(billed(world, content)).toBe(2);
  });

  it.each<[string, string, object]>([
    ['tools', 'unsupported_value', { tools: [{ type: 'function', function: { name: 'f' } }], web_search_options: {} }],
    [
      'tool_choice',
      'unsupported_value',
      { tools: [{ type: 'function', function: { name: 'f' } }], tool_choice: 'required' },
    ],
    ['n', 'unsupported_parameter', { n: 2 }],
    ['seed', 'unsupported_parameter', { seed: 1 }],
    ['response_format.type', 'invalid_value', { response_format: { type: 'json_object' } }],
    ['temperature', 'unsupported_value', { temperature: 0.3 }],
    ['reasoning_effort', 'unsupported_value', { model: 'kimi-k3', reasoning_effort: 'none' }],
    ['messages', 'invalid_value', { messages: [] }],
    ['max_tokens', 'invalid_value', { max_tokens: 0 }],
  ])('with %s that Kimi does not have is refused as %s, before anything is paid', async (param, code, changes) => {
    const { openai, world } = stage();
    const before = world.counts.requests;
    const request = {
      model: MODEL,
      messages: [{ role: 'user', content: 'x' }],
      n: 1,
      top_p: 1,
      user: 'ann',
      ...changes,
    };
    const error = await openai.chat.completions.create(request as never).catch((failure: unknown) => failure);
    expect(error).toBeInstanceOf(BadRequestError);
    expect(error).toMatchObject({ param, code, type: 'invalid_request_error' });
    expect(world.counts.requests).toBe(before);
  });

  it('that fails is an error with a status of OpenAI’s, also in a stream', async () => {
    const { openai, tasks } = stage();
    const ask = (error: string, stream?: boolean) =>
      openai.chat.completions.create({
        model: MODEL,
        messages: [{ role: 'user', content: `x [[simulate: error=${error}]]` }],
        ...(stream && { stream }),
      });
    const refusal = (await ask('quota').catch((failure: unknown) => failure)) as APIError;
    expect(refusal).toMatchObject({ status: 429, code: 'insufficient_quota' });
    // Its client would send it again.
    expect(refusal.headers?.get('x-should-retry')).toBe('false');
    const streamed = async (): Promise<void> => {
      for await (const _ of (await ask('content-filter', true)) as AsyncIterable<unknown>);
    };
    const error = (await streamed().catch((failure: unknown) => failure)) as APIError;
    expect(error).toBeInstanceOf(APIError);
    expect(error).toMatchObject({ code: 'content_filter' });
    // It has reached its client.
    const [task_id] = TASK_ID_IN.exec(error.message) ?? [];
    await expect.poll(async () => (await tasks.result(task_id)).acknowledged).toBe(true);
  });
});

/** A question that a batch answers at once. */
function user(content: string) {
  return { role: 'user', content: `${content} [[batch: delay=0]]` };
}

/** A request of a batch that answers only one. */
function unanswered(text: string) {
  return { input: `${text} [[batch: delay=600000 answered=1]]`, instructions: 'be brief' };
}

describe('a batch', () => {
  it('is a map: its requests are answered, each with its own options, and paid once', async () => {
    const { openai, other, world, tasks } = stage();
    const { billed: before, wakes, batches } = structuredClone(world.counts);
    const { file, create, created } = await createBatch(openai, '/v1/chat/completions', {
      plain: { messages: [user('plain')] },
      brief: { messages: [{ role: 'system', content: 'be brief' }, user('x')], metadata: { a: 'b' } },
      cut: { messages: [user('one'), { role: 'assistant', content: 'two' }, user('three')], max_tokens: 60 },
    });
    expect(created).toMatchObject({ object: 'batch', input_file_id: file.id, metadata: { order: '4711' } });
    expect(created).toMatchObject({ endpoint: '/v1/chat/completions', completion_window: '24h', model: MODEL });
    // Its client sends it again after a lost connection.
    expect((await create()).id).toBe(created.id);
    const done = await endedBatch(openai, created.id);
    expect(done).toMatchObject({ status: 'completed', request_counts: { total: 3, completed: 3, failed: 0 } });
    expect(done.error_file_id).toBeUndefined();
    const answers = await linesOf(openai, done.output_file_id);
    expect(answers['plain']).toMatchObject({ error: null, response: { status_code: 200 } });
    expect(answers['plain']?.response?.body).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: answerTo('plain [[batch: delay=0]]') }, finish_reason: 'stop' }],
    });
    expect(answers['brief']?.response?.body).toMatchObject({
      choices: [{ message: { content: answerTo('be brief') } }],
    });
    expect(answers['cut']?.response?.body).toMatchObject({ choices: [{ finish_reason: 'length' }] });
    expect(world.counts).toMatchObject({ billed: before + 3, wakes });
    expect(world.counts.batches).toHaveLength(batches.length + 1);

    const map = created.id.replace('batch_', '');
    const standing = await tasks.find(map);
    expect(standing).toMatchObject({ task_name: 'requests.jsonl', map: { rows: 3, done: 3 }, owner: 'app' });
    // Its answers were fetched.
    await expect.poll(async () => await tasks.result(map)).toMatchObject({ wake: false, acknowledged: true });
    expect(await tasks.unacknowledged()).not.toContainEqual(expect.objectContaining({ task_id: map }));
    // At 60 % of the price.
    expect((await tasks.question(map)).request).toEqual({ batch: true });
    // Another key asks again.
    expect((await create({ 'idempotency-key': 'again' })).id).not.toBe(created.id);
    const { data } = await openai.batches.list({ limit: 1 });
    expect(data).toHaveLength(1);
    const all: string[] = [];
    for await (const each of openai.batches.list({ limit: 1 })) all.push(each.id);
    expect(all).toContain(created.id);
    expect((await other.batches.list()).data).toEqual([]);
    await expect(other.batches.retrieve(created.id)).rejects.toBeInstanceOf(NotFoundError);
    await expect(other.files.content(done.output_file_id ?? '')).rejects.toBeInstanceOf(NotFoundError);
    expect(await openai.files.retrieve(done.output_file_id ?? '')).toMatchObject({ purpose: 'batch_output' });
  });

  it('of responses that is cancelled has the answers of Kimi, and says which requests have none', async () => {
    const { openai, world } = stage();
    const { created } = await createBatch(openai, '/v1/responses', { one: unanswered('one'), two: unanswered('two') });
    await expect.poll(() => world.counts.batches.at(-1)?.metadata['map']).toBe(created.id.replace('batch_', ''));
    await expect
      .poll(async () => (await stage().tasks.find(created.id.replace('batch_', ''))).progress?.phase)
      .toBe('batch');
    await openai.batches.cancel(created.id);
    const done = await endedBatch(openai, created.id);
    expect(done).toMatchObject({ status: 'cancelled', request_counts: { total: 2, completed: 1, failed: 1 } });
    expect(await openai.batches.cancel(created.id)).toEqual(done);
    expect((await linesOf(openai, done.output_file_id))['one']?.response?.body).toMatchObject({
      object: 'response',
      status: 'completed',
      instructions: 'be brief',
      metadata: {},
    });
    expect((await linesOf(openai, done.error_file_id))['two']).toMatchObject({
      response: null,
      error: { code: 'batch_cancelled' },
    });
    // Without an answer there is nothing to fetch.
    const { created: none } = await createBatch(openai, '/v1/responses', {
      one: { input: 'x [[batch: delay=600000]]' },
    });
    await openai.batches.cancel(none.id);
    expect((await endedBatch(openai, none.id)).output_file_id).toBeUndefined();
    await expect.poll(async () => (await stage().tasks.result(none.id.replace('batch_', ''))).acknowledged).toBe(true);
  });

  it('with a request that Kimi would refuse is refused, naming its line, before anything is paid', async () => {
    const { openai, world } = stage();
    const { length } = world.counts.batches;
    const messages = [user('x')];
    await expect(
      createBatch(openai, '/v1/chat/completions', { a: { messages }, b: { messages, seed: 1 } }),
    ).rejects.toMatchObject({
      status: 400,
      param: 'seed',
      message: expect.stringContaining("Line 2: Unsupported parameter: 'seed'"),
    });
    await expect(
      createBatch(openai, '/v1/chat/completions', { a: { messages, model: 'kimi-k3' } }),
    ).rejects.toMatchObject({
      message: expect.stringContaining('kimi-k3 answers no batches'),
    });
    expect(world.counts.batches).toHaveLength(length);
  });
});

it('keeps files for prompts and batches, each for its token, until they are deleted', async () => {
  const { openai, other, blind, world } = stage();
  const file = await openai.files.create({
    file: await toFile(Buffer.from('a note'), 'note.txt'),
    purpose: 'user_data',
  });
  expect(file).toMatchObject({ object: 'file', bytes: 6, filename: 'note.txt', purpose: 'user_data' });
  const content = [
    { type: 'input_text' as const, text: 'summarise' },
    { type: 'input_file' as const, file_id: file.id },
  ];
  await openai.responses.create({ model: MODEL, input: [{ role: 'user', content }] });
  expect(JSON.stringify(world.counts.completions.at(-1)?.messages)).toContain('a note');
  expect(await openai.files.retrieve(file.id)).toEqual(file);
  expect(await (await openai.files.content(file.id)).text()).toBe('a note');
  expect((await openai.files.list({ purpose: 'user_data' })).data).toEqual([file]);
  expect((await other.files.list()).data).toEqual([]);
  await expect(blind.files.list()).rejects.toMatchObject({ status: 403 });
  await expect(other.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
  await expect(other.files.delete(file.id)).rejects.toBeInstanceOf(NotFoundError);
  await expect(other.files.content(file.id)).rejects.toBeInstanceOf(NotFoundError);
  const wrong = openai.files.create({ file: await toFile(Buffer.from('x'), 'x.jsonl'), purpose: 'fine-tune' });
  await expect(wrong).rejects.toMatchObject({ status: 400, param: 'purpose' });
  expect(await openai.files.delete(file.id)).toEqual({ id: file.id, object: 'file', deleted: true });
  await expect(openai.files.retrieve(file.id)).rejects.toBeInstanceOf(NotFoundError);
});

it('lists models; says what is not there, or not the client’s, in OpenAI’s form', async () => {
  const { openai, other, blind, baseURL, world, tasks } = stage();
  const { data: models } = await openai.models.list();
  expect(models[0]).toMatchObject({ id: MODEL, object: 'model', owned_by: 'moonshot' });
  expect(await openai.models.retrieve('kimi-k3')).toMatchObject({ id: 'kimi-k3' });
  await expect(openai.models.retrieve('gpt-4o')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  await expect(openai.conversations.create()).rejects.toMatchObject({ status: 404, code: 'unknown_url' });
  const headers = { authorization: `Bearer ${openai.apiKey}` };
  const plain = await fetch(`${baseURL}/responses`, { method: 'POST', headers, body: '{}' });
  expect([plain.status, await plain.json()]).toMatchObject([415, { error: { code: 'not_json' } }]);
  const stranger = new OpenAI({ baseURL, apiKey: 'sk-wrong', maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toMatchObject({ status: 401, code: 'invalid_api_key' });
  const { id } = await openai.responses.create({ model: MODEL, input: 'mine' });
  await expect.poll(async () => (await tasks.result(id.replace('resp_', ''))).acknowledged).toBe(true);
  await expect(other.responses.retrieve(id)).rejects.toBeInstanceOf(NotFoundError);
  const paid = world.counts.requests;
  for (const headers of [{}, { 'idempotency-key': 'blind' }]) {
    const unread = blind.responses.create({ model: MODEL, input: 'x' }, { headers });
    await expect(unread).rejects.toMatchObject({ status: 403, code: 'not_allowed' });
  }
  expect(world.counts.requests).toBe(paid);
  await expect(other.responses.create({ input: 'x', previous_response_id: id })).rejects.toBeInstanceOf(NotFoundError);
});

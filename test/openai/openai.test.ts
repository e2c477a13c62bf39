/** OpenAI's endpoints, used by OpenAI's own package: Kimi in the background, durable, and paid once. */
import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, { APIError, BadRequestError, NotFoundError } from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createApi } from '../../src/api/app.ts';
import { fromTokens } from '../../src/api/callers.ts';
import { createToken } from '../../src/api/tokens.ts';
import { receivedStore } from '../../src/relay/recordings.ts';
import { answerTo } from '../../src/simulator/answers.ts';
import { TASK_ID_IN } from '../../src/shared/task-id.ts';
import { tasksOf } from '../support/api.ts';
import { openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { serve, shared, silent, temporaryFolder } from '../support/resources.ts';

const MODEL = 'kimi-k2.6';

/** Serves the endpoints over a relayed world. */
const stage = shared(async () => {
  const world = await openRelayedWorld();
  const tasks = tasksOf(world, { relay: true });
  const home = await temporaryFolder();
  const received = receivedStore({ KIMI_HOME: world.relay.home });
  const authenticate = fromTokens({ home, host: '127.0.0.1', perMinute: 0, log: silent });
  const forOpenAi = { model: MODEL, live: (task_id: string) => received.live(task_id) };
  const baseURL = `${await serve(createApi(async () => tasks, silent, authenticate, { openAi: forOpenAi }))}/openai/v1`;
  const client = async (name: string): Promise<OpenAI> =>
    new OpenAI({ baseURL, apiKey: await createToken(home, name, ['submit', 'read']), maxRetries: 0 });
  const [openai, other] = [await client('app'), await client('other')];
  const blind = new OpenAI({ baseURL, apiKey: await createToken(home, 'blind', ['submit']), maxRetries: 0 });
  return { world, tasks, baseURL, openai, other, blind };
});

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
  it('is returned at once, polled, followed up, and wakes nobody', async () => {
    const { openai, world, tasks } = stage();
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
  });

  it('is cancelled, more than once', async () => {
    const { openai } = stage();
    const { id } = await openai.responses.create({
      model: MODEL,
      background: true,
      input: 'x [[simulate: delay=60000]]',
    });
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
    expect(pieces).toBeGreaterThan(3);
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
    ['tools', 'unsupported_parameter', { tools: [{ type: 'function', function: { name: 'f' } }] }],
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

it('lists models; says what is not there, or not the client’s, in OpenAI’s form', async () => {
  const { openai, other, blind, baseURL, world, tasks } = stage();
  const { data: models } = await openai.models.list();
  expect(models[0]).toMatchObject({ id: MODEL, object: 'model', owned_by: 'moonshot' });
  expect(await openai.models.retrieve('kimi-k3')).toMatchObject({ id: 'kimi-k3' });
  await expect(openai.models.retrieve('gpt-4o')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  await expect(openai.batches.list()).rejects.toMatchObject({ status: 404, code: 'unknown_url' });
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

/** Functions of OpenAI's clients: the model asks for them, the clients run them, and each answer is durable and paid once. */
import type OpenAI from 'openai';
import type { ResponseStreamEvent } from 'openai/resources/responses/responses';
import { describe, expect, it } from 'vitest';
import { answerTo } from '../../src/simulator/answers.ts';
import { replyText } from '../../src/notify/message.ts';
import { textFor } from '../../src/text/index.ts';
import { MODEL, serveOpenAi } from '../support/openai.ts';
import { shared } from '../support/resources.ts';

const stage = shared(serveOpenAi);

const PARAMETERS = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
const WEATHER = { name: 'weather', description: 'The weather of a city', parameters: PARAMETERS };
const CHAT_TOOLS = [{ type: 'function' as const, function: WEATHER }];
const TOOLS = [{ type: 'function' as const, ...WEATHER, strict: null }];

/** The simulated model calls each function with the question as its argument. */
function argumentsFor(question: string): string {
  return JSON.stringify({ city: question });
}

describe('a chat completion with functions', () => {
  it.each([false, true])('is answered by the loop of OpenAI’s client, streamed: %s', async (stream) => {
    const { openai, world } = stage();
    const content = `Taipei ${stream} [[simulate: says=1]]`;
    const asked: string[] = [];
    const weather = {
      type: 'function' as const,
      function: {
        ...WEATHER,
        parse: (json: string) => JSON.parse(json) as { city: string },
        function: ({ city }: { city: string }) => {
          asked.push(city);
          return '20 °C';
        },
      },
    };
    const before = world.counts.billed;
    const body = { model: MODEL, messages: [{ role: 'user' as const, content }], tools: [weather] };
    const runner = stream
      ? openai.chat.completions.runTools({ ...body, stream })
      : openai.chat.completions.runTools(body);
    expect(await runner.finalContent()).toBe(answerTo(content));
    expect(asked).toEqual([content]);
    expect(runner.messages.map(({ role }) => role)).toEqual(['user', 'assistant', 'tool', 'assistant']);
    expect(world.counts.billed - before).toBe(2);
    expect(world.counts.completions.at(-1)?.messages.at(-1)).toEqual({ role: 'tool', content: '20 °C' });
  });

  it('of one Idempotency-Key is one answer, saved and acknowledged; with another result the key is refused', async () => {
    const { openai, world, tasks } = stage();
    const headers = { 'Idempotency-Key': 'functions-1' };
    const content = 'Tainan';
    const messages: OpenAI.ChatCompletionMessageParam[] = [{ role: 'user', content }];
    const ask = async () =>
      await openai.chat.completions.create({ model: MODEL, messages, tools: CHAT_TOOLS }, { headers });
    const before = world.counts.billed;
    const first = await ask();
    expect(await ask()).toEqual(first);
    expect(world.counts.billed - before).toBe(1);
    const [choice] = first.choices;
    const call = { id: 'weather:0', type: 'function', function: { name: 'weather', arguments: argumentsFor(content) } };
    expect(choice).toMatchObject({ finish_reason: 'tool_calls', message: { content: null, tool_calls: [call] } });
    const task_id = first.id.replace('chatcmpl-', '');
    await expect.poll(async () => (await tasks.result(task_id)).acknowledged).toBe(true);
    const saved = await tasks.result(task_id);
    expect(saved).toMatchObject({
      status: 'done',
      finish_reason: 'tool_calls',
      function_calls: [{ id: 'weather:0', name: 'weather', arguments: argumentsFor(content) }],
    });
    expect(saved).not.toHaveProperty('output');
    expect(replyText(saved, 'x', textFor('en'))).toContain('🔧 Kimi asks for functions; ');
    expect(replyText(saved, 'x', textFor('zh-TW'))).toContain('🔧 Kimi 要求呼叫函式；');
    const shown = await world.handle(saved).query<{ currentDetails: string }>('__temporal_workflow_metadata');
    expect(shown.currentDetails).toContain('**完成，要求呼叫函式**');

    const next = async (output: string) =>
      await openai.chat.completions.create(
        {
          model: MODEL,
          messages: [...messages, choice!.message, { role: 'tool', tool_call_id: 'weather:0', content: output }],
          tools: CHAT_TOOLS,
        },
        { headers: { 'Idempotency-Key': 'functions-2' } },
      );
    expect((await next('20')).choices[0]?.message.content).toBe(answerTo(content));
    const [, calling] = world.counts.completions.at(-1)?.messages ?? [];
    expect(calling).toHaveProperty('reasoning_content', expect.stringContaining('simulated reasoning'));
    await expect(next('30')).rejects.toMatchObject({ status: 400, code: 'key_reused' });
    const unanswered = openai.chat.completions.create({
      model: MODEL,
      messages: [...messages, choice!.message, { role: 'user', content: 'And Hualien?' }],
    });
    await expect(unanswered).rejects.toMatchObject({ status: 400, code: 'no_function_result' });
  });

  it('whose stream breaks amid the calls fails as interrupted, and is not asked again', async () => {
    const { openai, world } = stage();
    const before = world.counts.billed;
    const content = 'broken [[simulate: reasoning=0 break=cut after=4]]';
    const request = { model: MODEL, messages: [{ role: 'user' as const, content }], tools: CHAT_TOOLS };
    await expect(openai.chat.completions.create(request)).rejects.toMatchObject({ status: 500, code: 'interrupted' });
    expect(world.counts.billed - before).toBe(1);
  });
});

describe('a response with functions', () => {
  it('in the background is polled, streamed again, and continued with what they returned', async () => {
    const { openai, other, world } = stage();
    const input = 'Chiayi [[simulate: says=1]]';
    const { id } = await openai.responses.create({ model: MODEL, background: true, input, tools: TOOLS });
    await expect.poll(async () => (await openai.responses.retrieve(id)).status).toBe('completed');
    const done = await openai.responses.retrieve(id);
    const [message, call] = done.output;
    const expected = {
      type: 'function_call',
      call_id: 'weather:0',
      name: 'weather',
      arguments: argumentsFor(input),
      status: 'completed',
    };
    expect(done).toMatchObject({ output: [{ type: 'message' }, expected], tools: TOOLS, tool_choice: 'auto' });
    const events: ResponseStreamEvent[] = [];
    for await (const event of await openai.responses.retrieve(id, { stream: true })) events.push(event);
    expect(events.map(({ sequence_number: number }) => number)).toEqual(events.map((_, index) => index));
    expect(events.at(-2)).toMatchObject({ type: 'response.output_item.done', output_index: 1, item: call });

    const before = world.counts.billed;
    const output = { type: 'function_call_output' as const, call_id: 'weather:0', output: '25 °C' };
    const wrong = openai.responses.create({ model: MODEL, previous_response_id: id, input: 'And now?' });
    await expect(wrong).rejects.toMatchObject({ status: 400, code: 'no_function_result' });
    const unknown = openai.responses.create({
      model: MODEL,
      previous_response_id: id,
      input: [output, { ...output, call_id: 'weather:1' }],
    });
    await expect(unknown).rejects.toMatchObject({ status: 400, code: 'unknown_call' });
    const next = await openai.responses.create({
      model: MODEL,
      previous_response_id: id,
      input: [output],
      tools: TOOLS,
    });
    expect(next.output_text).toBe(answerTo(input));
    // Its items, as a client without previous_response_id sends or names them.
    const named = [message, call].map((item) => ({ type: 'item_reference' as const, id: item?.id ?? '' }));
    for (const items of [done.output as OpenAI.Responses.ResponseInputItem[], named]) {
      const whole = [{ role: 'user' as const, content: input }, ...items, output];
      const answer = await openai.responses.create({ model: MODEL, input: whole, tools: TOOLS });
      expect(answer.output_text).toBe(answerTo(input));
    }
    const [, calling] = world.counts.completions.at(-1)?.messages ?? [];
    expect(calling).toHaveProperty('reasoning_content', expect.stringContaining('simulated reasoning'));
    const foreign = other.responses.create({ model: MODEL, input: [...named.slice(0, 1), output] });
    await expect(foreign).rejects.toMatchObject({ status: 400, param: 'input[0].id' });
    expect(world.counts.billed - before).toBe(3);
  });
});

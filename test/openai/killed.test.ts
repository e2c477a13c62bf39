/** kill -9 of everything, engine included, amid answers: OpenAI's client, as it is, still gets each of them, and each is paid once. */
import OpenAI from 'openai';
import { expect, it } from 'vitest';
import { answerTo } from '../../src/simulator/answers.ts';
import { isRight } from '../chaos/relayed.ts';
import { cli } from '../support/cli.ts';
import { killableStack } from '../support/killable.ts';
import { until } from '../support/resources.ts';

const MODEL = 'kimi-k2.6';

function promptOf(name: string): string {
  return `${name} [[simulate: mark=${name} reasoning=0 chunks=50 chunk-delay=150]]`;
}

type Ask = (openai: OpenAI, prompt: string) => Promise<{ id: string; text: string }>;

async function chat(openai: OpenAI, content: string, headers: Record<string, string> = {}) {
  const request = { model: MODEL, messages: [{ role: 'user' as const, content }] };
  const { id, choices } = await openai.chat.completions.create(request, { headers });
  return { id: id.replace('chatcmpl-', ''), text: choices[0]?.message.content ?? '' };
}

/** Ways to ask, by name. */
const WAYS: Record<string, Ask> = {
  awaited: chat,
  keyed: async (openai, prompt) => await chat(openai, prompt, { 'idempotency-key': 'order-4711' }),
  polled: async (openai, input) => {
    const { id } = await openai.responses.create({ model: MODEL, background: true, input });
    const done = await until(async () => {
      const response = await openai.responses.retrieve(id);
      return response.status === 'completed' ? response : undefined;
    });
    return { id: id.replace('resp_', ''), text: done.output_text };
  },
  streamed: async (openai, input) => {
    let stream = await openai.responses.create({ model: MODEL, background: true, stream: true, input });
    let [id, text, last] = ['', '', -1];
    for (;;) {
      try {
        for await (const event of stream) {
          expect(event.sequence_number).toBe(last + 1);
          last += 1;
          if (event.type === 'response.created') ({ id } = event.response);
          if (event.type === 'response.output_text.delta') text += event.delta;
          if (event.type === 'response.completed') return { id: id.replace('resp_', ''), text };
        }
      } catch (error) {
        // The connection was cut; anything else is wrong.
        expect(String(error)).toContain('terminated');
      }
      stream = await openai.responses.retrieve(id, { stream: true, starting_after: last });
    }
  },
};

it('of everything amid answers that are awaited, polled and streamed', { timeout: 300_000 }, async () => {
  const { counts, env, results, start, kill, baseURL, apiKey } = await killableStack();
  const openai = new OpenAI({ baseURL, apiKey, maxRetries: 60 });
  await start();
  const asking = Object.entries(WAYS).map(async ([name, ask]) => [name, await ask(openai, promptOf(name))] as const);
  const answers = Promise.all(asking);
  const arriving = (): number =>
    Object.keys(WAYS).filter((name) =>
      counts.completions.some(({ mark, generated }) => mark === name && generated.content_tokens > 10),
    ).length;
  // The relay has written the beginning of each down by then: it continues only what it has.
  await until(() => arriving() === asking.length || undefined);
  await kill();
  await start();

  for (const [name, { id, text }] of await answers) {
    expect(text, name).toBe(answerTo(promptOf(name)));
    // It has reached its client.
    await until(async () => (await results.read(id))?.acknowledged);
    const task = { task_name: name, prompt: promptOf(name) };
    expect(isRight(counts, task, await results.read(id)), JSON.stringify(counts.completions)).toBe(true);
  }
  expect(counts.wakes).toEqual([]);
  expect(await cli(['down'], env)).toMatchObject({ code: 0 });
});

/** Data that came before a connection broke is read, even by a reader that was busy at that moment. */
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { requestEveryByte } from '../../src/kimi/http.ts';
import { serve } from '../support/resources.ts';

type Ask = (url: string, dispatcher: Agent) => Promise<{ body: AsyncIterable<Buffer> }>;

/** @returns what is read of a response whose connection breaks after its head was seen and before the rest is read */
async function readAfterTheCut(ask: Ask): Promise<{ text: string; error: unknown }> {
  const url = await serve((_request, response) => {
    for (let n = 0; n < 6; n += 1) response.write(`piece ${n}, `);
    // Node 26 delays writes until the end of the turn.
    response.write('piece 6, ', () => response.socket?.destroySoon());
  });
  const agent = new Agent();
  onTestFinished(async () => await agent.destroy());
  const isBroken = once(agent, 'disconnect');
  const { body } = await ask(url, agent);
  await isBroken;
  let text = '';
  try {
    for await (const bytes of body) text += bytes.toString();
  } catch (error) {
    return { text, error };
  }
  return { text, error: undefined };
}

it('every received byte is read, and then the error', async () => {
  const { text, error } = await readAfterTheCut(
    async (url, dispatcher) => await requestEveryByte(url, { method: 'GET', dispatcher }),
  );
  expect(text).toBe('piece 0, piece 1, piece 2, piece 3, piece 4, piece 5, piece 6, ');
  expect(error).toMatchObject({ code: 'UND_ERR_SOCKET' });
});

it('undici’s own request drops them: once it no longer does, response.ts can be removed', async () => {
  const { text, error } = await readAfterTheCut(async (url, dispatcher) => await request(url, { dispatcher }));
  expect(text).toBe('');
  expect(error).toBeInstanceOf(Error);
});

it('a reader that stops early closes the connection', async () => {
  let close: () => void;
  const isClosed = new Promise<void>((resolve) => (close = resolve));
  const url = await serve((_request, response) => {
    response.once('close', close).write('a');
  });
  const agent = new Agent();
  onTestFinished(async () => await agent.destroy());
  const { body } = await requestEveryByte(url, { method: 'GET', dispatcher: agent });
  for await (const bytes of body) {
    expect(bytes.toString()).toBe('a');
    break;
  }
  // Otherwise the test times out.
  await isClosed;
});

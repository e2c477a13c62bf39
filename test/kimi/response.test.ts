/** What came before a connection broke is read, also by a reader that was busy with something else as it broke. */
import { once } from 'node:events';
import { Agent, request } from 'undici';
import { expect, it, onTestFinished } from 'vitest';
import { requestEveryByte } from '../../src/kimi/http.ts';
import { serve } from '../support/resources.ts';

type Ask = (url: string, dispatcher: Agent) => Promise<{ body: AsyncIterable<Buffer> }>;

/** @returns what is read of an answer whose connection breaks after its head was seen and before the rest is looked at. */
async function readAfterTheCut(ask: Ask): Promise<{ text: string; error: unknown }> {
  const url = await serve((_request, response) => {
    for (let n = 0; n < 6; n += 1) response.write(`piece ${n}, `);
    // Node 26 keeps what is written until the turn is over.
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

it('every byte that came is read, and then that the connection broke', async () => {
  const { text, error } = await readAfterTheCut(
    async (url, dispatcher) => await requestEveryByte(url, { method: 'GET', dispatcher }),
  );
  expect(text).toBe('piece 0, piece 1, piece 2, piece 3, piece 4, piece 5, piece 6, ');
  expect(error).toMatchObject({ code: 'UND_ERR_SOCKET' });
});

it('undici’s own request drops them: when it does not any more, ours can go', async () => {
  const { text, error } = await readAfterTheCut(async (url, dispatcher) => await request(url, { dispatcher }));
  expect(text).toBe('');
  expect(error).toBeInstanceOf(Error);
});

it('a reader that leaves closes the connection', async () => {
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
  // Else the test runs into its timeout.
  await isClosed;
});

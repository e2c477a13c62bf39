/** OpenAI's endpoints over a relayed world, and OpenAI's clients of them. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import OpenAI, { toFile } from 'openai';
import { createApi } from '../../src/api/app.ts';
import { fromTokens } from '../../src/api/callers.ts';
import { createToken } from '../../src/api/tokens.ts';
import { receivedStore } from '../../src/relay/recordings.ts';
import { tasksOf } from './api.ts';
import { openRelayedWorld } from './relay.ts';
import { serve, silent, temporaryFolder } from './resources.ts';

export const MODEL = 'kimi-k2.6';

export async function serveOpenAi() {
  const payloadDir = join(await temporaryFolder(), 'payloads');
  // The relay reads the requests of batches.
  const world = await openRelayedWorld({ KIMI_PAYLOAD_DIR: payloadDir }, { payloadDir });
  const tasks = tasksOf(world, { relay: true, apiUrl: 'https://api.moonshot.cn/v1' });
  const home = await temporaryFolder();
  const received = receivedStore({ KIMI_HOME: world.relay.home });
  const authenticate = fromTokens({ home, host: '127.0.0.1', perMinute: 0, log: silent });
  const forOpenAi = { model: MODEL, live: (task_id: string) => received.live(task_id) };
  const baseURL = `${await serve(createApi(async () => tasks, silent, authenticate, { openAi: forOpenAi }))}/openai/v1`;
  const client = async (name: string): Promise<OpenAI> =>
    new OpenAI({ baseURL, apiKey: await createToken(home, name, ['submit', 'read']), maxRetries: 0 });
  const [openai, other] = [await client('app'), await client('other')];
  const blind = new OpenAI({ baseURL, apiKey: await createToken(home, 'blind', ['submit']), maxRetries: 0 });
  const admin = new OpenAI({ baseURL, apiKey: await createToken(home, 'admin', ['admin']), maxRetries: 0 });
  return { world, tasks, baseURL, openai, other, blind, admin };
}

/** A line of a batch's output, or of its errors. */
interface Line {
  custom_id: string;
  response: { status_code: number; body: object } | null;
  error: object | null;
}

/** Uploads requests by their ids and has them answered as a batch. @returns also what creates it again */
export async function createBatch(
  openai: OpenAI,
  endpoint: '/v1/chat/completions' | '/v1/responses',
  bodies: Record<string, object>,
) {
  const lines = Object.entries(bodies).map(([custom_id, body]) =>
    JSON.stringify({ custom_id, method: 'POST', url: endpoint, body: { model: MODEL, ...body } }),
  );
  const requests = await toFile(Buffer.from(lines.join('\n')), 'requests.jsonl');
  const file = await openai.files.create({ file: requests, purpose: 'batch' });
  const asked = { input_file_id: file.id, endpoint, completion_window: '24h', metadata: { order: '4711' } } as const;
  const create = async (headers: Record<string, string> = {}) => await openai.batches.create(asked, { headers });
  return { file, create, created: await create() };
}

/** @returns the lines of a file, by the ids of their requests. */
export async function linesOf(openai: OpenAI, file = ''): Promise<Record<string, Line>> {
  const text = await (await openai.files.content(file)).text();
  const lines = text.split('\n').filter((line) => line !== '');
  return Object.fromEntries(lines.map((line) => JSON.parse(line) as Line).map((line) => [line.custom_id, line]));
}

/** @returns a batch that has ended. */
export async function endedBatch(openai: OpenAI, id: string): Promise<OpenAI.Batch> {
  for (;;) {
    const now = await openai.batches.retrieve(id);
    if (!['validating', 'in_progress', 'finalizing'].includes(now.status)) return now;
    await pause(200);
  }
}

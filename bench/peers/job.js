/**
 * The job of every system: send a task to Kimi, wait for the signed callback, write the result file, wake the agent. Only the
 * durable store differs.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import express from 'express';
import { request } from 'undici';
import writeFileAtomic from 'write-file-atomic';

const { WEBHOOK_PORT, WEBHOOK_SECRET, KIMI_RESULTS_DIR, KIMI_API_URL, OPENCLAW_WAKE_URL } = process.env;

/** Address of the durable store. */
export const ENGINE_URL = process.env.ENGINE_URL;

/** Sends a task to Kimi with an idempotency key. @returns Kimi's id. */
export async function dispatch(task_id) {
  const metadata = { task_id, task_name: 'bench' };
  const messages = [{ role: 'user', content: 'x' }];
  const callback_url = `http://localhost:${WEBHOOK_PORT}/kimi/webhook/${task_id}`;
  const body = { model: 'moonshot-v1-128k', messages, temperature: 0.3, max_tokens: 8000, metadata, callback_url };
  const { id } = await post(`${KIMI_API_URL}/chat/completions`, task_id, body);
  return id;
}

/** Writes a temporary file, syncs, renames and syncs the folder: atomic and durable. */
export async function save(task_id, callback) {
  await writeFileAtomic(join(KIMI_RESULTS_DIR, `${task_id}.json`), resultOf(task_id, callback));
  const folder = await open(KIMI_RESULTS_DIR, 'r');
  await folder.sync();
  await folder.close();
}

/** @returns the content of the result file (docs/results.md). */
export function resultOf(task_id, { model, usage, choices, metadata }) {
  const tokens = { prompt: usage.prompt_tokens, completion: usage.completion_tokens, total: usage.total_tokens };
  const { task_name } = metadata;
  const output = choices[0].message.content;
  const completed_at = new Date().toISOString();
  const result = { task_id, task_name, status: 'done', model, output, tokens, completed_at };
  return `${JSON.stringify(result, null, 2)}\n`;
}

/** Wakes the agent; the idempotency key prevents duplicates. */
export async function wake(task_id) {
  await post(OPENCLAW_WAKE_URL, task_id, { text: `Kimi 任務完成：bench（${task_id}）`, mode: 'now' });
}

/** Posts JSON, with an idempotency key if there is one. @returns the JSON of the response. */
export async function post(url, key, json) {
  const { statusCode, body } = await request(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(key && { 'idempotency-key': key }) },
    body: JSON.stringify(json),
  });
  if (statusCode >= 300) throw new Error(`${url} answered ${statusCode}: ${await body.text()}`);
  return await body.json();
}

/**
 * Serves `POST /tasks/:id` and Kimi's callbacks. The response is sent once the handler has resolved; an error gives 500, and
 * the sender retries.
 */
export async function serve({ start, accept }) {
  const app = express();
  app.post('/tasks/:id', async ({ params }, response) => {
    await start(params.id);
    response.json({ task_id: params.id });
  });
  app.post(
    '/kimi/webhook/:id',
    express.raw({ type: 'application/json', limit: '16mb' }),
    async (incoming, response) => {
      const { params, body } = incoming;
      if (!isSigned(body, incoming.get('x-kimi-signature'))) return response.status(401).end();
      await accept(params.id, JSON.parse(body.toString()));
      return response.json({ ok: true });
    },
  );
  await new Promise((resolve) => app.listen(Number(WEBHOOK_PORT), '127.0.0.1', resolve));
  process.send({ ready: true });
}

function isSigned(body, signature = '') {
  const expected = createHmac('sha256', WEBHOOK_SECRET).update(body).digest();
  const given = Buffer.from(signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

// The parent process has ended.
process.on('disconnect', () => process.exit());

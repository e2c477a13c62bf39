/**
 * The relay in front of LiteLLM's proxy, from PyPI, with answers that it generates itself.
 * `npm run e2e:litellm` installs it into the cache folder.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { progressOf } from '../../../src/tasks/look-up.ts';
import { freePort } from '../../support/engine.ts';
import { openRelayedWorld } from '../../support/relay.ts';
import { temporaryFolder, until } from '../../support/resources.ts';
import { install, startServer } from './python-server.ts';

const VERSION = '1.106.2';
const MASTER_KEY = 'sk-litellm-master';

/** Long enough for many chunks, with characters that are hard to parse. */
const ANSWER = Array.from({ length: 200 }, (_, n) => `第 ${n} 行 😀 data: "quoted" \\n\n`).join('');

const MODELS = {
  'says-it': ANSWER,
  'is-busy': 'litellm.RateLimitError',
  'is-broken': 'litellm.InternalServerError',
};

let bin: string;
beforeAll(async () => {
  bin = await install(`litellm-${VERSION}`, [`litellm[proxy]==${VERSION}`]);
}, 600_000);

async function startProxy(): Promise<string> {
  const folder = await temporaryFolder();
  const config = {
    model_list: Object.entries(MODELS).map(([model_name, mock_response]) => ({
      model_name,
      litellm_params: { model: `openai/${model_name}`, api_key: 'sk-none', mock_response },
    })),
    general_settings: { master_key: MASTER_KEY },
    router_settings: { num_retries: 0 },
  };
  // JSON is YAML.
  await writeFile(join(folder, 'config.yaml'), JSON.stringify(config));
  const port = await freePort();
  const args = ['--config', join(folder, 'config.yaml'), '--host', '127.0.0.1', '--port', String(port)];
  const url = `http://127.0.0.1:${port}`;
  await startServer(join(bin, 'litellm'), args, {
    env: { HOME: folder, LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
    url: `${url}/health/liveliness`,
  });
  return url;
}

it('streams of LiteLLM’s proxy are read completely, and its errors are understood', { timeout: 180_000 }, async () => {
  const proxy = await startProxy();
  const world = await openRelayedWorld({ KIMI_API_URL: `${proxy}/v1`, KIMI_API_KEY: MASTER_KEY });
  const outcome = async (model: string) => {
    const started = await world.start('x', { model });
    await world.handle(started).result();
    return await world.results.read(started.task_id);
  };

  const answer = await outcome('says-it');
  expect(answer).toMatchObject({ status: 'done', finish_reason: 'stop' });
  expect(answer?.output).toBe(ANSWER);
  expect(answer?.tokens?.total).toBeGreaterThan(0);
  expect(answer).not.toHaveProperty('interruptions');

  expect(await outcome('is-broken')).toMatchObject({ status: 'failed', error: { message: expect.any(String) } });
  expect(await outcome('is-not-there')).toMatchObject({
    status: 'failed',
    error: { message: expect.stringContaining('is-not-there') },
  });

  // Throttled: it is retried until it is cancelled.
  const busy = await world.start('x', { model: 'is-busy' });
  const { retrying } = await until(async () => {
    const seen = await progressOf(world.client, busy.task_id);
    return seen.retrying && seen;
  });
  expect(retrying?.why).toMatch(/^Kimi answered 429: /);
  await world.handle(busy).cancel();
  expect(await world.handle(busy).result()).toMatchObject({ status: 'cancelled' });
});

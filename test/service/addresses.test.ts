/** Addresses that we build, and how `localhost` is reached. */
import dns from 'node:dns';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished, vi } from 'vitest';
import { httpAddress } from '../../src/service/http.ts';
import { sendCallback } from '../../src/relay/delivery.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { SECRET } from '../support/resources.ts';

it.each([
  ['127.0.0.1', 'http://127.0.0.1:9001'],
  ['::1', 'http://[::1]:9001'],
  ['0.0.0.0', 'http://127.0.0.1:9001'],
  ['::', 'http://[::1]:9001'],
  ['localhost', 'http://localhost:9001'],
])('a service that listens on %s is reached at %s', (host, address) => {
  expect(httpAddress(host, 9001)).toBe(address);
  expect(URL.canParse(address)).toBe(true);
});

it.each(['127.0.0.1', '::1'])(
  'a callback to localhost reaches a webhook on %s even if no resolver knows the name',
  async (host) => {
    let path = '';
    const server = createServer((request, response) => {
      path = request.url ?? '';
      response.end();
    }).listen(0, host);
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    vi.spyOn(dns, 'lookup').mockImplementation(((
      _name: string,
      _options: unknown,
      callback: (error: Error) => void,
    ) => {
      callback(Object.assign(new Error('getaddrinfo ENOTFOUND localhost'), { code: 'ENOTFOUND' }));
    }) as never);
    onTestFinished(() => void vi.restoreAllMocks());
    const { port } = server.address() as AddressInfo;
    const url = `http://localhost:${port}/kimi/webhook/kimi-1-1`;
    await sendCallback(url, callbackFor('kimi-1-1'), SECRET);
    expect(path).toBe('/kimi/webhook/kimi-1-1');
  },
);

it('every service may listen on ::1: a task is done, and doctor checks the address of callbacks', async () => {
  const hosts = { WEBHOOK_HOST: '::1', KIMI_RELAY_HOST: '::1', KIMI_WORKER_HOST: '::1', KIMI_CALLBACKS: 'relay' };
  const env = await cleanHome(hosts);
  const { state } = await up(env, '--simulate');
  for (const url of [state.webhook_url, state.relay_url, state.worker_health_url]) {
    expect(url).toMatch(/^http:\/\/\[::1\]:\d+$/);
  }
  expect(await inProcess(['run', 'x'], env)).toMatchObject({ code: 0 });
  const { stdout } = await inProcess(['doctor'], { ...env, KIMI_LANG: 'en' });
  expect(stdout).toContain(`✓ callbacks reach ${state.callback_base_url}`);
  expect(stdout).toMatch(/✓ callbacks reach http:\/\/localhost:\d+/);
});

it('doctor says that callbacks do not arrive', async () => {
  const env = await cleanHome({ KIMI_CALLBACK_BASE_URL: 'http://127.0.0.1:1' });
  await up(env, '--simulate');
  const { stdout } = await inProcess(['doctor'], { ...env, KIMI_LANG: 'en' });
  expect(stdout).toContain('✗ callbacks cannot reach http://127.0.0.1:1/, which does not answer');
});

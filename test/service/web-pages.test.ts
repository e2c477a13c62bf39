/** A web page of another site can do nothing to a running stack, on any of its ports. */
import { request } from 'undici';
import { describe, expect, it } from 'vitest';
import { BLOCKED_PORTS } from '../../src/stack/ui-proxy.ts';
import { cleanHome, cli, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { freePort } from '../support/engine.ts';
import { listeningPorts } from '../support/listening.ts';
import { shared } from '../support/resources.ts';
import { requestBytes, send } from '../support/wire.ts';

const SECRET_WORDS = 'words-of-the-prompt';
const READS = [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/simulator/counts',
  '/namespaces/default/workflows',
  '/cluster/namespaces',
  '/api/v1/settings',
  '/v1/tasks',
  '/api/v1/namespaces',
  '/api/v1/namespaces/default/workflows',
];

async function openStack() {
  const env = await cleanHome({
    KIMI_CALLBACKS: 'relay',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_API_PORT: '0',
    KIMI_METRICS_PORT: String(await freePort(3)),
    KIMI_CODEC_TOKEN: 'a-token-of-at-least-16-characters',
  });
  const { state } = await up(env, '--simulate');
  return { env, state };
}

describe.runIf(process.platform === 'linux')('a web page of another site', () => {
  const stack = shared(openStack);

  it('reads and changes nothing on any port of a running stack', async () => {
    const { env, state } = stack();
    const prompt = `${SECRET_WORDS} [[simulate: delay=600000]]`;
    const { stdout } = await inProcess(['dispatch', '-p', prompt, '--timeout', '15m', '--json'], env);
    const { task_id } = JSON.parse(stdout) as { task_id: string };
    const workflow = { workflowType: { name: 'kimiTask' }, taskQueue: { name: state.task_queue } };
    const writes: [target: string, body: object][] = [
      ['/api/v1/namespaces/default/workflows/of-a-page', workflow],
      ['/namespaces/default/workflows/of-a-page', workflow],
      [`/api/v1/namespaces/default/workflows/${task_id}/signal/callback`, {}],
      [`/namespaces/default/workflows/${task_id}/signal/callback`, {}],
      [`/kimi/webhook/${task_id}`, { metadata: { task_id }, choices: [{ message: { content: 'forged' } }] }],
      ['/hooks/wake', { text: 'forged', mode: 'now' }],
      ['/v1/chat/completions', { model: 'kimi-k2.6', messages: [{ role: 'user', content: 'forged' }] }],
      ['/codec/decode', { payloads: [] }],
    ];
    const ports = listeningPorts(state);
    // Engine: gRPC, three of its services, HTTP API, metrics, Web UI. Front, webhook, API, worker, relay, simulator, and two metrics ports.
    expect(ports.length).toBeGreaterThanOrEqual(16);
    const blocked = ports.filter((port) => BLOCKED_PORTS.includes(port));
    for (const port of blocked) {
      await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toMatchObject({ cause: { message: 'bad port' } });
    }
    for (const port of ports.filter((one) => !blocked.includes(one))) {
      const url = `http://127.0.0.1:${port}`;
      const pages: Record<string, string>[] = [
        { host: `evil.test:${port}` },
        { host: `evil.test:${port}`, origin: `http://evil.test:${port}` },
        { host: `127.0.0.1:${port}`, origin: 'http://evil.test' },
        { host: `127.0.0.1:${port}`, origin: 'null' },
      ];
      for (const page of pages) {
        const requests = [
          ...READS.map((target) => requestBytes({ method: 'GET', target, headers: page })),
          ...writes.map(([target, body]) =>
            requestBytes({ target, headers: { ...page, 'content-type': 'text/plain' }, body: JSON.stringify(body) }),
          ),
        ];
        const answers = await Promise.all(requests.map(async (bytes) => await send(url, bytes)));
        answers.forEach((answer, n) => {
          const what = `${url} ${JSON.stringify(page)} ${requests[n]?.toString().split('\r\n')[0]}`;
          // A gRPC-only port closes the connection.
          expect(answer?.status ?? 400, what).toBeGreaterThanOrEqual(400);
          expect(answer?.body ?? '', what).not.toContain(SECRET_WORDS);
        });
      }
    }
    const listed = JSON.parse((await cli(['list', '--json'], env)).stdout) as { task_id: string }[];
    expect(listed.map((task) => task.task_id)).toEqual([task_id]);
    const counts = (await (await request(`${state.simulator_url}/simulator/counts`)).body.json()) as object;
    expect(counts).toMatchObject({ requests: 1, wakes: [] });
  });

  it('that is still sending gets its answer', async () => {
    const { webhook_url } = stack().state;
    const bytes = requestBytes({
      target: '/readyz',
      headers: { host: 'evil.test' },
      body: Buffer.alloc(8 * 1024 * 1024),
    });
    const answers = await Promise.all(Array.from({ length: 20 }, async () => await send(webhook_url, bytes)));
    expect(answers.map((answer) => answer?.status)).toEqual(answers.map(() => 403));
  });

  it('does not prevent requests from this machine', async () => {
    const { state } = stack();
    const port = new URL(state.ui_url ?? '').port;
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `[::1]:${port}`, 'localhost:18233']) {
      const headers = { host };
      const { statusCode, body } = await request(`${state.ui_url}/api/v1/namespaces`, { headers });
      expect(await body.text()).toContain('"default"');
      expect(statusCode).toBe(200);
    }
    for (const url of [
      `${state.webhook_url}/readyz`,
      `${state.worker_health_url}/readyz`,
      `${state.relay_url}/readyz`,
      ...Object.values(state.metrics_urls),
    ]) {
      const { statusCode, body } = await request(url);
      await body.dump();
      expect(statusCode, url).toBe(200);
    }
    // A callback is accepted under any host name: its signature decides.
    const callback = await request(`${state.webhook_url}/kimi/webhook/kimi-1-1`, {
      method: 'POST',
      headers: { host: 'kimi.example.com', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(await callback.body.json()).toMatchObject({ error: { code: expect.stringContaining('signature') } });
  });
});

/** Settings for other tools, and proxies: local addresses are connected directly, Kimi through the proxy. */
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { createServer as createTcpServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { ConfigError } from '../../src/config/problems.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { KimiHttp } from '../../src/kimi/http.ts';
import { outboundAgent } from '../../src/service/outbound.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import { failureOf, UNREACHABLE, serveAnswer } from '../support/answering.ts';
import { cleanHome, cli, latest, up } from '../support/cli.ts';
import { openForwardProxy } from '../support/forward-proxy.ts';
import { certificate } from '../support/tls-proxy.ts';
import { SECRET, serve, silent, until } from '../support/resources.ts';

const PROXIES = ['http_proxy', 'https_proxy', 'grpc_proxy', 'HTTP_PROXY', 'HTTPS_PROXY'];

/** Settings of a Temporal user for other tools: a server that is not ours. */
async function othersSettings(home: string, address: string): Promise<Record<string, string>> {
  await mkdir(join(home, '.config/temporalio'), { recursive: true });
  const profile = `address = "${address}"\nnamespace = "others"\napi_key = "others-key"\n[profile.NAME.tls]\n`;
  const toml = ['default', 'others'].map((name) => `[profile.${name}]\n${profile.replace('NAME', name)}`).join('\n');
  await writeFile(join(home, '.config/temporalio/temporal.toml'), toml);
  return {
    TEMPORAL_API_KEY: 'others-key',
    TEMPORAL_TLS: 'true',
    TEMPORAL_PROFILE: 'others',
    TEMPORAL_NAMESPACE: 'others',
    ...Object.fromEntries(PROXIES.map((name) => [name, UNREACHABLE])),
  };
}

describe('settings for other tools', () => {
  it('do not affect the embedded stack: a task runs to its end', async () => {
    const clean = await cleanHome();
    const env = { ...clean, ...(await othersSettings(clean['HOME'] ?? '', 'localhost:1')) };
    await up(env, '--simulate');
    const run = await cli(['run', 'x'], env);
    expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(await latest(env)).toMatchObject({ status: 'done', acknowledged: true });
    const status = await cli(['status', (await latest(env)).task_id, '--json'], env);
    expect(JSON.parse(status.stdout)).toMatchObject({ state: 'done' });
  });

  it('do not receive a prompt if no services run', async () => {
    let connections = 0;
    const other = createTcpServer(() => void connections++).listen(0, '127.0.0.1');
    await once(other, 'listening');
    onTestFinished(() => void other.close());
    const clean = await cleanHome({ KIMI_API_KEY: 'sk-1', KIMI_LANG: 'en', KIMI_TEMPORAL_PORT: '' });
    const address = `127.0.0.1:${(other.address() as AddressInfo).port}`;
    const env = { ...clean, ...(await othersSettings(clean['HOME'] ?? '', address)) };
    const dispatch = await cli(['dispatch', '-p', 'a private prompt'], env);
    expect(dispatch).toMatchObject({ code: 5, stderr: expect.stringContaining('No services run from') });
    expect(connections).toBe(0);
  });
});

/** Kimi at `https://kimi.test`, in an environment that has only these proxy variables. */
function kimiThrough(env: Record<string, string>): KimiHttp {
  for (const name of [...PROXIES, 'NO_PROXY', 'no_proxy']) vi.stubEnv(name, env[name] ?? '');
  onTestFinished(() => void vi.unstubAllEnvs());
  return new KimiHttp({ url: 'https://kimi.test/v1', key: 'sk-1', timeoutMs: 20_000 });
}

async function post(http: KimiHttp, onSent = vi.fn<() => void>()) {
  const posting = { body: {}, signal: new AbortController().signal, onSent };
  return { error: await failureOf(http.post('chat/completions', posting), KimiError), onSent };
}

describe('a forward proxy', () => {
  it('is used for Kimi, with a custom authority, and for nothing else', async () => {
    const authority = await certificate('authority');
    const { cert, key } = await certificate('kimi', authority, 'kimi.test');
    const simulator = createSimulator({ secret: SECRET, delayMs: 50, log: silent });
    onTestFinished(() => simulator.stop());
    const kimi = new URL(await serve(createServer({ cert, key }, simulator.app)));
    const gateway = await serveAnswer(200, { ok: true });
    const proxy = await openForwardProxy({ 'kimi.test:443': Number(kimi.port) });
    const env = await cleanHome({
      KIMI_API_URL: 'https://kimi.test/v1',
      KIMI_API_KEY: 'sk-1',
      KIMI_CALLBACKS: 'relay',
      KIMI_MODEL: 'kimi-k2.6',
      OPENCLAW_WAKE_URL: `${gateway.url}/hooks/wake`,
      NODE_EXTRA_CA_CERTS: authority.certPath,
      ...Object.fromEntries(PROXIES.map((name) => [name, proxy.url.replace('http://', 'http://user:p%40ss@')])),
    });
    await up(env);
    const run = await cli(['run', 'x'], env);
    expect(run, run.stderr).toMatchObject({ code: 0 });
    expect(await latest(env)).toMatchObject({ status: 'done' });
    await until(() => gateway.received.length > 0);
    expect(simulator.counts.requests).toBe(1);
    expect(proxy.authorization).toBe(`Basic ${Buffer.from('user:p@ss').toString('base64')}`);
    const models = await cli(['models'], env);
    expect(models, models.stderr).toMatchObject({ code: 0 });
    const doctor = await cli(['doctor'], env);
    expect(doctor.stdout).not.toContain('✗');
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT kimi.test:443']));
  });

  it.each([
    ['that is dead', undefined, 'cannot be used: ECONNREFUSED'],
    ['that refuses', 407, 'answered 407; look at HTTPS_PROXY and NO_PROXY'],
    ['that does not find the host', 502, 'answered 502; look at HTTPS_PROXY and NO_PROXY'],
    ['that does not answer', 0, 'cannot be used: UND_ERR_HEADERS_TIMEOUT'],
  ])('%s: nothing is sent, and the proxy is named without its password', async (_what, refuseWith, words) => {
    const proxy = await openForwardProxy({});
    if (refuseWith !== undefined) proxy.refuseWith = refuseWith;
    const url = refuseWith === undefined ? UNREACHABLE : proxy.url;
    const { error, onSent } = await post(kimiThrough({ HTTPS_PROXY: url.replace('http://', 'user:secret@') }));
    expect(error).toMatchObject({ kind: 'not_sent', type: 'proxy_failed' });
    expect(error.message).toBe(`cannot reach https://kimi.test/v1: the proxy ${url}/ ${words}`);
    expect(onSent).not.toHaveBeenCalled();
  });

  it('that refuses is reported by `doctor` and `models`, in both languages', async () => {
    const proxy = await openForwardProxy({});
    proxy.refuseWith = 407;
    const env = await cleanHome({
      KIMI_API_URL: 'https://kimi.test/v1',
      KIMI_API_KEY: 'sk-1',
      HTTPS_PROXY: proxy.url.replace('http://', 'http://user:secret@'),
    });
    for (const [KIMI_LANG, words, said] of [
      [
        'en',
        'the proxy did not open a connection to the host, so nothing was sent; correct HTTPS_PROXY',
        `(the proxy ${proxy.url}/ answered 407; look at HTTPS_PROXY and NO_PROXY)`,
      ],
      [
        'zh-TW',
        '代理伺服器沒有連到主機，所以沒有送出任何請求；請更正 HTTPS_PROXY',
        `代理伺服器 ${proxy.url}/ 回應 407；請檢查 HTTPS_PROXY 與 NO_PROXY）`,
      ],
    ] as const) {
      for (const command of ['doctor', 'models']) {
        const { stdout } = await cli([command], { ...env, KIMI_LANG });
        const text = stdout.replaceAll(/\s*\n\s*/g, ' ');
        expect(text).toContain(words);
        expect(text).toContain(said);
        expect(text).not.toContain('secret@');
      }
    }
  });

  it('that closes a tunnel through which a request was sent: the outcome is unknown', async () => {
    const authority = await certificate('authority', undefined);
    const { cert, key } = await certificate('kimi', authority, 'kimi.test');
    const cuts = createServer({ cert, key }, (request) => void request.socket.destroy());
    const proxy = await openForwardProxy({ 'kimi.test:443': Number(new URL(await serve(cuts)).port) });
    vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
    const { error, onSent } = await post(kimiThrough({ https_proxy: proxy.url }));
    expect(error).toMatchObject({ kind: 'outcome_unknown' });
    expect(onSent).toHaveBeenCalledOnce();
  });

  it('is not used for hosts in NO_PROXY, and never for this machine', async () => {
    const proxy = await openForwardProxy({});
    const env = { HTTPS_PROXY: proxy.url, HTTP_PROXY: proxy.url };
    for (const NO_PROXY of ['kimi.test', '*', 'x.test .test']) {
      const { error } = await post(kimiThrough({ ...env, NO_PROXY }));
      expect(error.message).toMatch(/^cannot reach https:\/\/kimi\.test\/v1: (?:ENOTFOUND|EAI_AGAIN)$/);
    }
    const here = await serveAnswer(200, {});
    kimiThrough(env);
    const http = new KimiHttp({ url: here.url, key: 'sk-1', timeoutMs: 0 });
    expect((await http.post('x', { body: {}, signal: new AbortController().signal })).statusCode).toBe(200);
    expect(proxy.asked).toEqual([]);
  });

  it('with an invalid address is reported in one sentence without the address', () => {
    const error = (() => {
      try {
        return outboundAgent('https://kimi.test', {}, { HTTPS_PROXY: 'ftp://user:secret@x' });
      } catch (thrown) {
        return thrown;
      }
    })();
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).message).toBe(
      'HTTPS_PROXY: needs an http or https URL (e.g. HTTPS_PROXY=http://proxy.example.com:3128)',
    );
  });
});

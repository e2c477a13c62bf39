/** A remote Temporal server, with certificates or a key, by configuration alone. */
import { describe, expect, inject, it } from 'vitest';
import { EXIT } from '../../src/service/exit.ts';
import { cleanHome } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { launch } from '../support/service.ts';
import { certificate, openTlsProxy, type Certificate } from '../support/tls-proxy.ts';
import { SECRET } from '../support/resources.ts';

const KEY = 'key-of-the-engine';

async function authorities(): Promise<{ authority: Certificate; server: Certificate; client: Certificate }> {
  const authority = await certificate('authority');
  const [server, client] = await Promise.all([certificate('server', authority), certificate('client', authority)]);
  return { authority, server, client };
}

/** What the command line prints about an engine, and what a worker does. */
async function both(engine: Record<string, string>) {
  const env = { ...(await cleanHome()), KIMI_LANG: 'en', KIMI_TASK_QUEUE: 'tls', ...engine };
  const { code, stdout, stderr } = await inProcess(['list'], env);
  const worker = await launch('worker', {
    ...engine,
    KIMI_TASK_QUEUE: 'tls',
    KIMI_CALLBACKS: 'native',
    KIMI_API_KEY: 'sk-1',
    WEBHOOK_SECRET: SECRET,
  });
  return { code, said: stdout + stderr, worker };
}

describe('works', () => {
  it('with certificates of both sides', async () => {
    const { authority, server, client } = await authorities();
    const { code, said, worker } = await both({
      TEMPORAL_ADDRESS: await openTlsProxy(inject('engine'), server, { clientsOf: authority }),
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certPath,
      TEMPORAL_TLS_CLIENT_CERT_PATH: client.certPath,
      TEMPORAL_TLS_CLIENT_KEY_PATH: client.keyPath,
    });
    expect(code, said).toBe(EXIT.ok);
    await worker.says('ready');
  });

  it('with a key', async () => {
    const { authority, server } = await authorities();
    const { code, said, worker } = await both({
      TEMPORAL_ADDRESS: await openTlsProxy(inject('engine'), server, { key: KEY }),
      TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certPath,
      TEMPORAL_API_KEY: KEY,
    });
    expect(code, said).toBe(EXIT.ok);
    await worker.says('ready');
  });
});

describe('is refused in one sentence that names the variables to check', () => {
  const cases: [
    what: string,
    env: (its: Awaited<ReturnType<typeof authorities>>) => Promise<Record<string, string>>,
    words: string,
  ][] = [
    [
      'its certificate is from another authority',
      async ({ authority, server, client }) => ({
        TEMPORAL_ADDRESS: await openTlsProxy(inject('engine'), server, { clientsOf: authority }),
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: (await certificate('another authority')).certPath,
        TEMPORAL_TLS_CLIENT_CERT_PATH: client.certPath,
        TEMPORAL_TLS_CLIENT_KEY_PATH: client.keyPath,
      }),
      'its certificate is not trusted (SELF_SIGNED_CERT_IN_CHAIN); look at TEMPORAL_TLS_SERVER_CA_CERT_PATH and TEMPORAL_TLS_SERVER_NAME',
    ],
    [
      'it requires a client certificate',
      async ({ authority, server }) => ({
        TEMPORAL_ADDRESS: await openTlsProxy(inject('engine'), server, { clientsOf: authority }),
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certPath,
      }),
      'it does not take our certificate (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED); look at TEMPORAL_TLS_CLIENT_CERT_PATH and TEMPORAL_TLS_CLIENT_KEY_PATH',
    ],
    [
      'the key is wrong',
      async ({ authority, server }) => ({
        TEMPORAL_ADDRESS: await openTlsProxy(inject('engine'), server, { key: KEY }),
        TEMPORAL_TLS_SERVER_CA_CERT_PATH: authority.certPath,
        TEMPORAL_API_KEY: 'another-key',
      }),
      'it refuses our key or certificate; look at TEMPORAL_API_KEY and TEMPORAL_NAMESPACE',
    ],
    [
      'it does not speak TLS',
      async () => ({ TEMPORAL_ADDRESS: inject('engine').replace('127.0.0.1', 'localhost'), TEMPORAL_TLS: 'true' }),
      'it does not speak TLS; look at TEMPORAL_TLS',
    ],
  ];

  it.each(cases)('%s', async (_what, env, words) => {
    const engine = await env(await authorities());
    const { code, said, worker } = await both(engine);
    expect(said).toBe(
      `The Temporal server at ${engine['TEMPORAL_ADDRESS']} cannot be used, so nothing was done: ${words}.\n`,
    );
    expect(said).not.toContain('another-key');
    expect(code).toBe(EXIT.engine);
    await worker.says(`the Temporal server at ${engine['TEMPORAL_ADDRESS']} cannot be used: ${words}`);
    expect(await worker.ended).toBe(EXIT.engine);
  });
});

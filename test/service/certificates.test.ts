/** A TLS certificate that is not accepted is reported as the cause in every output, with what to do, in both languages. */
import { appendFile, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:https';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import type { TaskError } from '../../src/shared/task.ts';
import { Gateway, GatewayError } from '../../src/notify/gateway.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { KimiHttp } from '../../src/kimi/http.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import { explain, textFor } from '../../src/text/index.ts';
import { failureOf, serveAnswer } from '../support/answering.ts';
import { cleanHome, cli } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { openRelayedWorld } from '../support/relay.ts';
import { certificate, type Certificate } from '../support/tls-proxy.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';

const DAY_MS = 86_400_000;
const ADVICE = {
  en: /this machine does not trust the host’s certificate, so nothing was sent; set NODE_EXTRA_CA_CERTS/,
  'zh-TW': /這台機器不信任主機的憑證，所以沒有送出任何請求；請把 NODE_EXTRA_CA_CERTS 設為/,
};

type Own = Pick<Certificate, 'cert' | 'key'>;

async function selfSigned(): Promise<Own> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'localhost' }], { keySize: 2048 });
  return { cert, key };
}

/** The simulated Kimi behind TLS. @returns its address, and the number of requests that it has received. */
async function kimiWith({ cert, key }: Own) {
  const simulator = createSimulator({ secret: SECRET, delayMs: 0, log: silent });
  onTestFinished(() => simulator.stop());
  const { port } = new URL(await serve(createServer({ cert, key }, simulator.app)));
  return { url: `https://localhost:${port}/v1`, counts: simulator.counts };
}

const authority = async () => await certificate('authority');

it.each<{ what: string; made: () => Promise<Own & { trusted?: string }>; type: string; says: RegExp[] }>([
  {
    what: 'self-signed',
    made: selfSigned,
    type: 'certificate_untrusted',
    says: [/NODE_EXTRA_CA_CERTS.*DEPTH_ZERO_SELF_SIGNED_CERT/],
  },
  {
    what: 'from an unknown authority',
    made: async () => await certificate('kimi', await authority()),
    type: 'certificate_untrusted',
    says: [/NODE_EXTRA_CA_CERTS.*UNABLE_TO_VERIFY_LEAF_SIGNATURE/],
  },
  {
    what: 'from an unknown authority, which is sent with it',
    made: async () => {
      const issuer = await authority();
      const own = await certificate('kimi', issuer);
      return { ...own, cert: `${own.cert}\n${issuer.cert}` };
    },
    type: 'certificate_untrusted',
    says: [/NODE_EXTRA_CA_CERTS.*SELF_SIGNED_CERT_IN_CHAIN/],
  },
  {
    what: 'expired',
    made: async () => {
      const issuer = await authority();
      const own = await certificate('kimi', issuer, 'localhost', [-2 * DAY_MS, -DAY_MS]);
      return { ...own, trusted: issuer.certPath };
    },
    type: 'certificate_expired',
    says: [/clock.*CERT_HAS_EXPIRED/, /時鐘.*CERT_HAS_EXPIRED/],
  },
  {
    what: 'of another host',
    made: async () => {
      const issuer = await authority();
      return { ...(await certificate('kimi', issuer, 'kimi.test')), trusted: issuer.certPath };
    },
    type: 'certificate_of_another_host',
    says: [/belongs to another host.*ERR_TLS_CERT_ALTNAME_INVALID/, /屬於另一個主機.*ERR_TLS_CERT_ALTNAME_INVALID/],
  },
])('a certificate that is $what: nothing is sent, and both languages say so', async ({ made, type, says }) => {
  const { trusted, ...own } = await made();
  vi.stubEnv('NODE_EXTRA_CA_CERTS', trusted);
  onTestFinished(() => void vi.unstubAllEnvs());
  const { url } = await kimiWith(own);
  const onSent = vi.fn<() => void>();
  const posting = { body: {}, signal: new AbortController().signal, onSent };
  const error = await failureOf(
    new KimiHttp({ url, key: 'sk-1', timeoutMs: 5_000 }).post('chat/completions', posting),
    KimiError,
  );
  expect(error).toMatchObject({ kind: 'not_sent', type });
  expect(onSent).not.toHaveBeenCalled();
  const gateway = new Gateway({ wakeUrl: url, token: undefined });
  expect(await failureOf(gateway.wake({ text: 'x', mode: 'now' }, 'x'), GatewayError)).toMatchObject({
    type,
    retryable: true,
  });
  const sentences = (['en', 'zh-TW'] as const).map((lang) => explain(error, textFor(lang)));
  for (const words of says) expect(sentences.some((sentence) => words.test(sentence))).toBe(true);
  for (const sentence of sentences) expect(sentence).toMatch(/nothing was sent|沒有送出任何請求/);
});

it('OpenClaw’s own certificate names no address of this machine; the gateway is woken once the certificate itself is trusted', async () => {
  const { cert, private: key } = await generate([{ name: 'commonName', value: 'openclaw-gateway' }], { keySize: 2048 });
  const wakes: string[] = [];
  const url = await serve(
    createServer({ cert, key }, (request, response) => {
      wakes.push(request.url ?? '');
      response.end('{}');
    }),
  );
  const wakeUrl = `https://127.0.0.1:${new URL(url).port}/hooks/wake`;
  const wake = async (): Promise<void> =>
    await new Gateway({ wakeUrl, token: 't' }).wake({ text: 'x', mode: 'now' }, 'x');
  expect(await failureOf(wake(), GatewayError)).toMatchObject({ type: 'certificate_untrusted' });
  const file = join(await temporaryFolder(), 'gateway-cert.pem');
  await writeFile(file, cert);
  vi.stubEnv('NODE_EXTRA_CA_CERTS', file);
  onTestFinished(() => void vi.unstubAllEnvs());
  await wake();
  expect(wakes).toEqual(['/hooks/wake']);
});

it('while it is retried, `status` and `list` report it, and so does the notification of the time-out; once trusted, one request is sent', async () => {
  const issuer = await authority();
  const kimi = await kimiWith(await certificate('kimi', issuer));
  const plugin = await serveAnswer(200, { outcome: 'sent' });
  const world = await openRelayedWorld({ KIMI_API_URL: kimi.url }, { reply: 'deliver', wakeUrl: plugin.url });
  const [waits, givesUp] = await Promise.all([world.start('x'), world.start('x', { lang: 'en' })]);
  for (const task of [waits, givesUp]) {
    await until(async () => (await world.view(task)).error?.type === 'certificate_untrusted');
  }
  const env = await cleanHome({
    TEMPORAL_ADDRESS: inject('engine'),
    KIMI_TASK_QUEUE: world.taskQueue,
    KIMI_RESULTS_DIR: world.results.folder,
    KIMI_CALLBACKS: 'relay',
  });
  for (const [KIMI_LANG, words] of Object.entries(ADVICE)) {
    // In the state of the task, and as the error of its attempts.
    await until(async () => {
      const { stdout } = await inProcess(['status', waits.task_id], { ...env, KIMI_LANG });
      return stdout.match(new RegExp(words, 'g'))?.length === 2;
    });
    expect((await inProcess(['list'], { ...env, KIMI_LANG })).stdout).toMatch(words);
  }
  const json = JSON.parse((await inProcess(['status', waits.task_id, '--json'], env)).stdout) as {
    retrying: TaskError;
  };
  expect(json.retrying).toMatchObject({ type: 'certificate_untrusted' });

  await world.skipTime(givesUp);
  const message = await until(() => plugin.received.find(({ body }) => body.includes(givesUp.task_id))?.body);
  expect(message).toMatch(ADVICE.en);
  expect(kimi.counts.completions).toHaveLength(0);

  await world.relay.stop();
  await world.relay.start({ NODE_EXTRA_CA_CERTS: issuer.certPath });
  expect(await world.handle(waits).result()).toMatchObject({ status: 'done' });
  expect(await world.view(waits)).not.toHaveProperty('error');
});

it('`doctor` and `models` report it, and trust the authority that a `.env` file names', async () => {
  const issuer = await authority();
  const { url } = await kimiWith(await certificate('kimi', issuer));
  const env = await cleanHome({ KIMI_API_URL: url, KIMI_API_KEY: 'sk-1', KIMI_CALLBACKS: 'relay' });
  for (const [KIMI_LANG, words] of Object.entries(ADVICE)) {
    const { stdout } = await inProcess(['doctor'], { ...env, KIMI_LANG, OPENCLAW_WAKE_URL: url });
    const findings = stdout.split('\n').filter((line) => words.test(line));
    expect(findings).toHaveLength(2);
    for (const finding of findings) expect(finding).toMatch(/^✗ https:\/\/localhost:\d+\/v1\S*[:：] /);
    expect((await inProcess(['models'], { ...env, KIMI_LANG })).stdout.replaceAll(/\s*\n\s*/g, ' ')).toMatch(words);
  }
  const home = join(env['HOME'] ?? '', '.local/share/kimi-dispatch');
  await mkdir(home, { recursive: true, mode: 0o700 });
  await appendFile(join(home, '.env'), `NODE_EXTRA_CA_CERTS=${issuer.certPath}\n`);
  const { stdout } = await cli(['doctor'], { ...env, KIMI_LANG: 'en' });
  expect(stdout).not.toContain('NODE_EXTRA_CA_CERTS');
  expect(stdout).toContain('✓ balance: ');

  const missing = await cli(['doctor'], { ...env, KIMI_LANG: 'en', NODE_EXTRA_CA_CERTS: '/none.pem' });
  expect(missing.stdout).toContain('✗ NODE_EXTRA_CA_CERTS: cannot read /none.pem (it does not exist)');
  expect(missing.stdout).toMatch(ADVICE.en);
});

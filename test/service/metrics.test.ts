/** The metrics of real processes after real tasks; and that dashboard and alerts use only existing metrics. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { request } from 'undici';
import { describe, expect, inject, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { sign, SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { cleanHome, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { freePort } from '../support/engine.ts';
import { scrape, type Exposition } from '../support/exposition.ts';
import { openProxy } from '../support/proxy.ts';
import { openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { launch } from '../support/service.ts';
import { RELAY_TOKEN, SECRET, shared, temporaryFolder, until } from '../support/resources.ts';
import { openWorld } from '../support/world.ts';

const promptWith = (directives: string): string => `寫一個 Python 計算器 [[simulate: ${directives}]]`;

/** Polls the metrics of a process until a condition holds. */
async function seen(port: number, look: (exposition: Exposition) => boolean): Promise<Exposition> {
  return await until(async () => {
    const exposition = await scrape(port);
    return look(exposition) && exposition;
  });
}

function wakes(now: Exposition): number {
  return now.sum('kimi_wakes_total', { outcome: 'woken' }) ?? 0;
}

interface Ports {
  webhook: number;
  worker: number;
  relay: number;
}

/** Webhook, worker and relay as processes, each with metrics; the prices are Moonshot's. */
async function openMeasured(): Promise<{ world: RelayedWorld; ports: Ports }> {
  const [webhook, worker, relay] = [await freePort(), await freePort(), await freePort()];
  const engine = { TEMPORAL_ADDRESS: inject('engine'), KIMI_HOME: await temporaryFolder() };
  const receiver = await launch('webhook', { ...engine, WEBHOOK_SECRET: SECRET, KIMI_METRICS_PORT: String(webhook) });
  const callbacks = { KIMI_CALLBACK_BASE_URL: `http://127.0.0.1:${(await receiver.says('ready')).port}` };
  const limits = { per_minute: 100, concurrent: 50, queued: 7, budget: { per_day: 1_000, timezone: 'UTC' } };
  const world = await openRelayedWorld(
    { ...callbacks, KIMI_METRICS_PORT: String(relay) },
    { worker: false, limits, apiUrl: 'https://api.moonshot.cn/v1' },
  );
  const tasks = await launch('worker', {
    ...engine,
    ...callbacks,
    KIMI_TASK_QUEUE: world.taskQueue,
    KIMI_RELAY_URL: world.relay.url,
    KIMI_RELAY_TOKEN: RELAY_TOKEN,
    WEBHOOK_SECRET: SECRET,
    KIMI_MAX_TASKS_PER_MINUTE: String(limits.per_minute),
    KIMI_MAX_CONCURRENT_TASKS: String(limits.concurrent),
    KIMI_MAX_QUEUED_TASKS: String(limits.queued),
    KIMI_BUDGET_PER_DAY: String(limits.budget.per_day),
    OPENCLAW_WAKE_URL: `${world.simulatorUrl}/hooks/wake`,
    KIMI_RESULTS_DIR: world.results.folder,
    KIMI_METRICS_PORT: String(worker),
  });
  await tasks.says('ready');
  return { world, ports: { webhook, worker, relay } };
}

const measured = shared(openMeasured);

describe('after tasks have run', () => {
  it('worker, webhook and relay count their outcomes', async () => {
    const { world, ports } = measured();
    const untouched = await scrape(ports.worker);
    for (const outcome of ['done', 'failed', 'timed_out', 'cancelled']) {
      expect(untouched.sum('kimi_tasks_total', { outcome }), outcome).toBe(0);
    }

    const cancelled = await world.start(promptWith('delay=60000'));
    await seen(ports.relay, (now) => now.sum('kimi_relay_streams') === 1);
    await world.handle(cancelled).cancel();
    const done = await world.start(promptWith('delay=0 chunks=20 size=400'));
    const broken = await world.start(promptWith('delay=0 reasoning=0 chunks=20 size=400 break=cut after=10 breaks=1'));
    const failed = await world.start(promptWith('error=content-filter'));
    // Long enough for the notification of the time-out to come first.
    const late = await world.start(promptWith('delay=0 reasoning=0 size=400 chunks=40 chunk-delay=250'), {
      timeout_ms: 1,
    });
    const ends = [done, broken, failed, late].map(async (task) => (await world.handle(task).result()).status);
    expect(await Promise.all(ends)).toEqual(['done', 'done', 'failed', 'done']);

    const worker = await seen(ports.worker, (now) => wakes(now) >= 6 && now.sum('kimi_limiter_limit') !== undefined);
    expect(wakes(worker)).toBe(6);
    const outcomes = ['done', 'failed', 'timed_out', 'cancelled'];
    expect(outcomes.map((outcome) => worker.sum('kimi_tasks_total', { outcome }))).toEqual([2, 1, 1, 1]);
    expect(worker.sum('kimi_late_answers_total')).toBe(1);
    const stages = ['queue', 'kimi', 'save', 'tell'].map((stage) => worker.sum('kimi_stage_seconds_count', { stage }));
    // The cancelled and the late task have no answer in time; a late answer is saved and notified additionally.
    expect(stages).toEqual([5, 3, 6, 6]);
    expect(worker.sum('kimi_stage_seconds_bucket', { stage: 'save', le: '0.1' })).toBeDefined();
    expect(worker.sum('kimi_limiter_limit', { of: 'queued' })).toBe(7);
    expect(worker.sum('kimi_limiter_paused')).toBe(0);
    const results = await Promise.all([done, broken, late].map(async (task) => await world.results.read(task.task_id)));
    for (const kind of ['prompt', 'completion'] as const) {
      const tokens = results.reduce((sum, result) => sum + (result?.tokens?.[kind] ?? 0), 0);
      expect(worker.sum('kimi_tokens_total', { model: 'kimi-k2.6', kind })).toBe(tokens);
    }
    const cost = results.reduce((sum, result) => sum + (result?.cost?.amount ?? 0), 0);
    expect(cost).toBeGreaterThan(0);
    expect(worker.sum('kimi_cost_sum', { model: 'kimi-k2.6', currency: 'CNY' })).toBeCloseTo(cost, 9);

    const relay = await seen(ports.relay, (now) => now.sum('kimi_relay_streams') === 0);
    const requests = ['answered', 'interrupted', 'refused', 'cancelled'];
    expect(requests.map((outcome) => relay.sum('kimi_relay_requests_total', { outcome }))).toEqual([3, 1, 1, 1]);
    expect(relay.sum('kimi_relay_interruptions_total')).toBe(1);
    expect(relay.sum('kimi_relay_first_byte_seconds_count')).toBe(4);
    expect(relay.sum('kimi_relay_tokens_total')).toBeGreaterThan(0);
    expect(relay.sum('kimi_relay_deliveries_total', { outcome: 'delivered' })).toBe(5);

    const webhook = await scrape(ports.webhook);
    expect(webhook.sum('kimi_callbacks_total', { outcome: 'signalled' })).toBe(5);
    expect(webhook.sum('kimi_callback_accept_seconds_count')).toBe(5);

    // Labels contain no task id and no text of users.
    for (const { labels } of [...worker.samples, ...relay.samples, ...webhook.samples]) {
      expect(JSON.stringify(labels)).not.toMatch(/kimi-\d|計算器|content/);
    }
  });

  it('a gateway that refuses the wake is counted', async () => {
    const world = await openWorld({ worker: false });
    const port = await freePort();
    const worker = await launch('worker', {
      TEMPORAL_ADDRESS: inject('engine'),
      KIMI_TASK_QUEUE: world.taskQueue,
      KIMI_API_URL: `${world.simulatorUrl}/v1`,
      KIMI_API_KEY: 'sk-test',
      WEBHOOK_SECRET: SECRET,
      KIMI_CALLBACK_BASE_URL: world.webhookUrl,
      // Without limits: there is no limiter to ask.
      KIMI_MAX_TASKS_PER_MINUTE: '0',
      KIMI_MAX_CONCURRENT_TASKS: '0',
      OPENCLAW_WAKE_URL: `${world.simulatorUrl}/nowhere`,
      KIMI_RESULTS_DIR: world.results.folder,
      KIMI_METRICS_PORT: String(port),
    });
    await worker.says('ready');
    const started = await world.start('x');
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: false });
    const now = await scrape(port);
    expect(now.sum('kimi_wakes_total', { outcome: 'refused' })).toBe(1);
    expect(now.sum('kimi_wakes_total', { outcome: 'woken' })).toBe(0);
    expect(now.sum('kimi_tokens_total', { model: 'moonshot-v1-128k' })).toBeGreaterThan(0);
    expect(now.find('kimi_limiter_queued')).toEqual([]);
  });
});

it('the webhook counts refusals, waiting callbacks in its journal, and dead letters', async () => {
  const world = await openWorld();
  const proxy = await openProxy(inject('engine'));
  const port = await freePort();
  const webhook = await launch('webhook', {
    TEMPORAL_ADDRESS: proxy.address,
    WEBHOOK_SECRET: SECRET,
    KIMI_HOME: await temporaryFolder(),
    KIMI_METRICS_PORT: String(port),
  });
  const url = `http://127.0.0.1:${(await webhook.says('ready')).port}`;
  const post = async (task_id: string, secret: string): Promise<number> => {
    const body = JSON.stringify(callbackFor(task_id));
    const headers = { 'content-type': 'application/json', [SIGNATURE_HEADER]: sign(body, secret) };
    const answer = await request(`${url}/kimi/webhook/${task_id}`, { method: 'POST', headers, body });
    await answer.body.dump();
    return answer.statusCode;
  };
  const { task_id } = await world.start(promptWith('drop=1'));
  expect(await post(task_id, 'not-the-secret-of-this-webhook')).toBe(401);
  await proxy.cut();
  expect(await post(task_id, SECRET)).toBe(202);
  expect(await post('kimi-1-1', SECRET)).toBe(202);
  const away = await scrape(port);
  expect(away.sum('kimi_callbacks_total', { outcome: 'bad_signature' })).toBe(1);
  expect(away.sum('kimi_callbacks_total', { outcome: 'queued' })).toBe(2);
  expect(away.sum('kimi_callback_accept_seconds_count')).toBe(2);
  expect(away.sum('kimi_journal_entries')).toBe(2);
  expect(away.sum('kimi_journal_bytes')).toBeGreaterThan(0);
  expect(away.sum('kimi_journal_max_bytes')).toBe(2 ** 30);
  expect(away.sum('kimi_journal_oldest_seconds')).toBeGreaterThan(0);

  await proxy.restore();
  expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
  const back = await seen(port, (now) => now.sum('kimi_journal_entries') === 0);
  expect(back.sum('kimi_journal_oldest_seconds')).toBe(0);
  expect(back.sum('kimi_dead_letters_total', { reason: 'unknown_task' })).toBe(1);
});

describe('the port', () => {
  it('of the worker, which the relay shares, follows that of the webhook under `up`, on loopback only', async () => {
    const first = await freePort(3);
    const env = await cleanHome({ KIMI_METRICS_PORT: String(first), KIMI_CALLBACKS: 'relay' });
    const { said } = await up(env, '--simulate');
    const addresses = ['webhook', 'worker'].map((name, n) => [name, `http://127.0.0.1:${first + n}/metrics`]);
    for (const [name, url] of addresses) expect(said.stdout).toMatch(new RegExp(`${name} 指標 +${url}\n`));
    const { stdout } = await inProcess(['doctor'], env);
    for (const [name, url] of addresses) expect(stdout).toContain(`✓ ${name} 的指標有回應：${url}`);
    expect((await scrape(first)).sum('kimi_callbacks_total')).toBe(0);
    expect((await scrape(first + 1)).sum('kimi_tasks_total')).toBe(0);
    expect((await scrape(first + 1)).sum('kimi_relay_streams')).toBe(0);
    for (const port of [first, first + 1]) {
      // An address of this machine on which it does not listen.
      await expect(request(`http://127.0.0.2:${port}/metrics`)).rejects.toThrow('ECONNREFUSED');
    }
    for (const path of ['/', '/metrics/x']) {
      expect((await request(`http://127.0.0.1:${first}${path}`)).statusCode).toBe(404);
    }
  });

  it.each(['webhook', 'worker', 'relay'])('that is in use ends the %s with one sentence', async (service) => {
    const port = new URL((await openWorld({ worker: false })).webhookUrl).port;
    const { ended, says } = await launch(service, {
      TEMPORAL_ADDRESS: inject('engine'),
      WEBHOOK_SECRET: SECRET,
      KIMI_RELAY_TOKEN: RELAY_TOKEN,
      KIMI_METRICS_PORT: port,
    });
    expect((await says(`port ${port} on 127.0.0.1`)).msg).toContain('KIMI_METRICS_PORT');
    expect(await ended).toBe(3);
  });
});

interface Panel {
  title: string;
  targets?: { expr: string }[];
}

/** Names and labels that Prometheus itself adds. */
const OF_PROMETHEUS = { names: ['up'], labels: ['job', 'instance'] };

/** A name with its label matchers, in the subset of PromQL that is used here. */
const SELECTOR = /(?<name>\b[a-z_]+)(?:\{(?<matchers>[^}]*)\})/g;
const MATCHER = /(?<label>\w+)(?<operator>=~|=)"(?<value>[^"]*)"/g;

/** @returns the parts of a query that no process exports */
function missingIn(expr: string, { samples }: Exposition): string[] {
  const said = (name: string): boolean =>
    OF_PROMETHEUS.names.includes(name) || samples.some((one) => one.name === name);
  const hasLabel = (name: string, label: string, value?: string): boolean =>
    OF_PROMETHEUS.labels.includes(label) ||
    samples.some(
      (one) => one.name === name && (value === undefined ? label in one.labels : one.labels[label] === value),
    );
  const names = [...expr.replaceAll(/"[^"]*"/g, '""').matchAll(/\b(?:kimi|temporal)_[a-z_]+\b|\bup\b/g)].map(
    ([name]) => name,
  );
  const selected = [...expr.matchAll(SELECTOR)].flatMap(({ groups }) =>
    [...(groups?.['matchers'] ?? '').matchAll(MATCHER)].flatMap(({ groups: matcher }) =>
      (matcher?.['operator'] === '=~' ? (matcher['value'] ?? '').split('|') : [matcher?.['value'] ?? '']).map(
        (value) => [groups?.['name'] ?? '', matcher?.['label'] ?? '', value] as const,
      ),
    ),
  );
  const grouped = [...expr.matchAll(/\bby \((?<labels>[^)]*)\)/g)].flatMap(({ groups }) =>
    (groups?.['labels'] ?? '').split(',').map((label) => label.trim()),
  );
  return [
    ...(names.length === 0 ? [`no name in ${expr}`] : []),
    ...names.filter((name) => !said(name)),
    ...selected.filter(([name, label, value]) => !hasLabel(name, label, value)).map((parts) => parts.join(' ')),
    ...grouped.filter((label) => !names.some((name) => hasLabel(name, label))).map((label) => `by ${label}`),
  ];
}

describe('dashboard and alerts', () => {
  const dashboard = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'deploy/grafana/kimi-dispatch.json'), 'utf8')) as {
    panels: Panel[];
  };
  const rules = readFileSync(join(PACKAGE_ROOT, 'deploy/prometheus/alerts.yaml'), 'utf8');
  const queries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
  const conditions = [...rules.matchAll(/^ +expr: (?<expr>.+)$/gm)].map(({ groups }) => groups?.['expr'] ?? '');
  const alerts = [...rules.matchAll(/- alert: (?<name>\w+)$/gm)].map(({ groups }) => groups?.['name'] ?? '');

  it('query only metrics that the processes export', async () => {
    const { world, ports } = measured();
    await world.handle(await world.start(promptWith('delay=0'))).result();
    await seen(ports.worker, (now) => now.sum('kimi_limiter_money') !== undefined);
    const processes = await Promise.all(Object.values(ports).map(async (port: number) => await scrape(port)));
    const all: Exposition = Object.assign(processes[0] as Exposition, {
      samples: processes.flatMap(({ samples }) => samples),
    });
    expect(queries.length).toBeGreaterThan(30);
    expect(conditions).toHaveLength(alerts.length);
    expect([...queries, ...conditions].flatMap((expr) => missingIn(expr, all))).toEqual([]);
    // The check itself detects errors.
    const wrong = 'sum by (task_id) (kimi_tasks_total{outcome=~"done|lost"}) / kimi_nothing';
    expect(missingIn(wrong, all)).toEqual(['kimi_nothing', 'kimi_tasks_total outcome lost', 'by task_id']);
  });

  it('show every metric of ours', () => {
    const said = readFileSync(join(PACKAGE_ROOT, 'src/shared/metrics.ts'), 'utf8');
    const names = [...said.matchAll(/\.create\w+\(\s*'(?<name>kimi_\w+)'/g)].map(
      ({ groups }) => groups?.['name'] ?? '',
    );
    expect(names.length).toBeGreaterThan(12);
    expect(names.filter((name) => !queries.some((query) => query.includes(name)))).toEqual([]);
  });

  it('every alert has a section in the documentation', () => {
    const pages = readFileSync(join(PACKAGE_ROOT, 'docs/operations.md'), 'utf8');
    expect(alerts.length).toBeGreaterThan(10);
    for (const name of alerts) {
      expect(pages, name).toContain(`\n### ${name}\n`);
      expect(rules, name).toContain(`runbook: docs/operations.md#${name.toLowerCase()}`);
    }
  });
});

/** An accepted callback must not be lost: the journal, and the webhook while the engine is unavailable. */
import type { IncomingHttpHeaders } from 'node:http';
import { mkdir, open as openFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Client } from '@temporalio/client';
import type { PayloadCodec } from '@temporalio/common';
import pLimit from 'p-limit';
import { request, Pool } from 'undici';
import { describe, expect, inject, it, onTestFinished, vi } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import type { AnswerCallback } from '../../src/shared/callback.ts';
import type { DeadLetter } from '../../src/webhook/dead-letters.ts';
import { Journal, JournalUnavailable, type JournalKey } from '../../src/webhook/journal.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { forgetWorker, noteSaved, noteWorker } from '../../src/tasks/worker-here.ts';
import { sign } from '../../src/webhook/signature.ts';
import { lazyClient } from '../../src/temporal/client.ts';
import { createWebhook } from '../../src/webhook/app.ts';
import { failureOf } from '../support/answering.ts';
import { openProxy, type Proxy } from '../support/proxy.ts';
import { launch } from '../support/service.ts';
import { SECRET, serve, silent, temporaryFolder, until } from '../support/resources.ts';
import { engineClient, openIngest, openWorld, type World } from '../support/world.ts';

const GIB = 2 ** 30;

function callbackFor(task_id: string, content = '答案'): AnswerCallback {
  return {
    id: 'cmpl-1707654360-abc123',
    model: 'moonshot-v1-128k',
    usage: { prompt_tokens: 200, completion_tokens: 1300, total_tokens: 1500 },
    choices: [{ message: { content } }],
    metadata: { task_id, task_name: 'calculator' },
  };
}

async function open(folder: string, maxBytes = GIB): Promise<Journal> {
  const journal = new Journal(folder, maxBytes);
  onTestFinished(async () => await journal.close());
  return journal;
}

const bodyOf = (callback: AnswerCallback): Buffer => Buffer.from(JSON.stringify(callback));

/** Stores a callback that arrives now, as the webhook does. */
async function append(journal: Journal, callback: AnswerCallback): Promise<void> {
  await journal.append(callback.metadata.task_id, Date.now(), bodyOf(callback));
}

function keysOf(journal: Journal): JournalKey[] {
  return [...journal.keys(2)].flat();
}

function tasksOf(journal: Journal): (string | undefined)[] {
  return keysOf(journal).map((key) => journal.read(key)?.callback.metadata.task_id);
}

/** A callback of about 100 kB. */
function big(n: number): AnswerCallback {
  return callbackFor(`kimi-1-${n}`, 'x'.repeat(100_000));
}

describe('the journal', () => {
  it('keeps entries in order when it is closed and reopened', async () => {
    const folder = join(await temporaryFolder(), 'home', 'journal');
    const ids = ['kimi-1-3', 'kimi-1-1', 'kimi-1-2', 'kimi-1-1', 'kimi-1-9'];
    const first = await open(folder);
    for (const id of ids) await append(first, callbackFor(id));
    expect((await stat(folder)).mode & 0o777).toBe(0o700);
    await first.close();

    const second = await open(folder);
    expect(tasksOf(second)).toEqual(ids);
    expect(second.size.entries).toBe(ids.length);
    const [key] = keysOf(second);
    expect(second.read(key as JournalKey)).toEqual({
      task_id: 'kimi-1-3',
      received_at: expect.stringMatching(/^\d{4}-.*Z$/),
      callback: { ...callbackFor('kimi-1-3'), received_at: expect.any(Number) },
    });
    await second.remove(key as JournalKey);
    await append(second, callbackFor('kimi-1-4'));
    expect(tasksOf(second)).toEqual([...ids.slice(1), 'kimi-1-4']);
  });

  it('accepts many entries at once, and an answer of 16 MB, whatever its characters', async () => {
    const journal = await open(join(await temporaryFolder(), 'journal'));
    const ids = Array.from({ length: 1_000 }, (_, i) => `kimi-1-${i}`);
    await Promise.all(ids.map(async (id) => await append(journal, callbackFor(id))));
    expect(tasksOf(journal)).toEqual(ids);
    const content = `\ud800${'x'.repeat(16 * 1024 * 1024)}`;
    await append(journal, callbackFor('kimi-2-1', content));
    expect(journal.read(keysOf(journal).at(-1) as JournalKey)?.callback).toMatchObject(
      callbackFor('kimi-2-1', content.toWellFormed()),
    );
  });

  it('keeps a body as it came, and reads it as the webhook did', async () => {
    const journal = await open(join(await temporaryFolder(), 'journal'));
    const sent = { ...callbackFor('kimi-1-1'), proof: 'a value of the sender', unused: 1 };
    await journal.append('kimi-1-1', 1_700_000_000_000, Buffer.from(`\ufeff${JSON.stringify(sent, null, 2)}`));
    expect(journal.read(keysOf(journal)[0] as JournalKey)).toEqual({
      task_id: 'kimi-1-1',
      received_at: '2023-11-14T22:13:20.000Z',
      callback: { ...callbackFor('kimi-1-1'), received_at: 1_700_000_000_000 },
    });
  });

  it('has a size limit: it refuses an entry beyond it, keeps the others, and has room again later', async () => {
    const folder = join(await temporaryFolder(), 'journal');
    const first = await open(folder, 1_000_000);
    const outcomes = await Promise.allSettled(Array.from({ length: 20 }, async (_, n) => await append(first, big(n))));
    const taken = outcomes.filter(({ status }) => status === 'fulfilled').length;
    expect(taken).toBeGreaterThan(5);
    expect(taken).toBeLessThan(10);
    expect(first.size.entries).toBe(taken);
    await first.close();

    const second = await open(folder, 1_000_000);
    expect(second.size.bytes).toBeGreaterThan(taken * 100_000);
    const refused = await failureOf(append(second, big(99)), JournalUnavailable);
    expect(refused.message).toMatch(/full.*KIMI_JOURNAL_MAX_BYTES=1000000.*kimi-1-99/);
    for (const key of keysOf(second)) await second.remove(key);
    expect(second.size).toEqual({ entries: 0, bytes: 0 });
    await append(second, big(99));
  });

  it('that cannot be opened says why, and works once it can be opened', async () => {
    const folder = join(await temporaryFolder(), 'journal');
    await writeFile(folder, '');
    const journal = await open(folder);
    const refused = await failureOf(append(journal, callbackFor('kimi-1-1')), JournalUnavailable);
    expect(refused.message).toMatch(/cannot be written to \(.+\).*KIMI_JOURNAL_DIR/);
    await expect(journal.check()).rejects.toThrow(JournalUnavailable);
    await rm(folder);
    await append(journal, callbackFor('kimi-1-1'));
    await journal.check();
    expect(tasksOf(journal)).toEqual(['kimi-1-1']);
  });
});

/** Damage to the journal file: from a full or broken disk, a power cut, or manual edits. */
const DAMAGES: [name: string, damage: (file: string) => Promise<void>][] = [
  ['was cut short', async (file) => await truncate(file, 100_000)],
  ['was cut short within its first page', async (file) => await truncate(file, 300)],
  ['holds something else', async (file) => await writeFile(file, 'hello\n'.repeat(50_000))],
  ['has lost both its meta pages', async (file) => await overwrite(file, 0, Buffer.alloc(2 * PAGE))],
  ['has lost a page in the middle', async (file) => await spoil(file, '"kimi-1-150"', spoilPage)],
  ['has a page whose entries have wrong flags', async (file) => await spoil(file, '"kimi-1-150"', spoilFlags)],
];

const PAGE = 4096;

/** Damages every copy of an entry in the file: LMDB writes a changed page to another position. */
async function spoil(file: string, text: string, damage: (bytes: Buffer, at: number) => void): Promise<void> {
  const bytes = await readFile(file);
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) damage(bytes, at);
  await writeFile(file, bytes);
}

const spoilPage = (bytes: Buffer, at: number): void => void bytes.fill(0x5a, at - (at % PAGE), at - (at % PAGE) + PAGE);

/** Marks each entry of a page as one of several with its key, which the journal has none of (LMDB's `F_DUPDATA`). */
function spoilFlags(bytes: Buffer, at: number): void {
  // After the header, at whose end is the length of the list of positions: that list, and the entries.
  const page = at - (at % PAGE) + 24;
  for (let pointer = page; pointer < page + bytes.readUInt16LE(page - 4); pointer += 2) {
    bytes[page + bytes.readUInt16LE(pointer) + 4] = 4;
  }
}

async function overwrite(file: string, at: number, bytes: Buffer): Promise<void> {
  const handle = await openFile(file, 'r+');
  await handle.write(bytes, 0, bytes.length, at);
  await handle.close();
}

describe('a journal', () => {
  it.each(DAMAGES)('that %s is set aside, and the webhook continues with a new one', async (_name, damage) => {
    const home = await temporaryFolder();
    const folder = join(home, 'journal');
    const journal = await open(folder);
    const ids = Array.from({ length: 300 }, (_, n) => `kimi-1-${n}`);
    await Promise.all(ids.map(async (id) => await append(journal, callbackFor(id, 'x'.repeat(200)))));
    await journal.close();
    await damage(join(folder, 'data.mdb'));

    const webhook = await launchWebhook(home);
    const { body } = await readiness(webhook.url);
    expect(body.journal).toMatchObject({ set_aside: 1 });
    const aside = (await readdir(folder)).filter((name) => name.startsWith('damaged-'));
    expect(aside).toEqual([expect.stringMatching(/^damaged-\d{8}T\d{6}Z$/)]);
    expect(await post(webhook.url, 'kimi-2-1')).toMatchObject(queued('kimi-2-1'));

    // The new journal is undamaged.
    webhook.child.kill('SIGKILL');
    await webhook.ended;
    const again = await open(folder);
    expect(tasksOf(again)).toHaveLength((body.journal?.entries ?? NaN) + 1);
    expect(tasksOf(again)).toContain('kimi-2-1');
    expect(again).toMatchObject({ size: { entries: (body.journal?.entries ?? NaN) + 1 }, setAside: 1 });
  });

  it('that is damaged in one position returns the readable entries before and after it', async () => {
    const home = await temporaryFolder();
    const folder = join(home, 'journal');
    const journal = await open(folder);
    const ids = Array.from({ length: 300 }, (_, n) => `kimi-1-${n}`);
    await Promise.all(ids.map(async (id) => await append(journal, callbackFor(id, 'x'.repeat(200)))));
    await journal.close();
    const file = join(folder, 'data.mdb');
    await spoil(file, '"kimi-1-150"', spoilPage);

    const webhook = await launchWebhook(home);
    const entries = async () => (await readiness(webhook.url)).body.journal?.entries ?? 0;
    // The webhook counts what it can read when it first goes through the journal.
    await until(async () => (await entries()) < 300);
    expect(await entries()).toBeGreaterThan(250);
    webhook.child.kill('SIGKILL');
    await webhook.ended;
    const tasks = tasksOf(await open(folder));
    expect(tasks).toContain('kimi-1-0');
    expect(tasks).toContain('kimi-1-299');
  });
});

/** The webhook as a process of its own, without an engine. */
async function launchWebhook(home: string) {
  const webhook = await launch('webhook', {
    KIMI_HOME: home,
    KIMI_RESULTS_DIR: join(home, 'results'),
    WEBHOOK_SECRET: SECRET,
    TEMPORAL_ADDRESS: '127.0.0.1:1',
  });
  const { port } = await webhook.says('ready');
  return { ...webhook, url: `http://127.0.0.1:${port}` };
}

describe('an entry of the journal', () => {
  it('that is damaged becomes a dead letter with its readable part, and the others are delivered', async () => {
    const world = await openWorld();
    const task_id = await waitingTask(world);
    const home = await temporaryFolder();
    const journal = await open(join(home, 'journal'));
    await append(journal, callbackFor('kimi-1-50', 'an answer that somebody has paid for'));
    await append(journal, callbackFor(task_id));
    await journal.close();
    const file = join(home, 'journal', 'data.mdb');
    await spoil(file, '"choices":[{"message":{"content":"an answer', (bytes, at) => void bytes.fill(0, at, at + 4));

    const { url } = await openWebhook({ folder: home });
    expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
    await drained(url);
    const [name = ''] = await readdir(join(home, 'dead-letters'));
    const letter = JSON.parse(await readFile(join(home, 'dead-letters', name), 'utf8')) as DeadLetter;
    expect(letter).toMatchObject({ task_id: 'kimi-1-50', reason: 'damaged' });
    expect(letter.damaged).toContain('an answer that somebody has paid for');
  });
});

interface Place {
  folder?: string;
  maxBytes?: number;
}

/** A webhook that reaches the engine through a proxy. */
async function openWebhook(place: Place = {}): Promise<{ url: string; proxy: Proxy; home: string }> {
  const proxy = await openProxy(inject('engine'));
  const home = place.folder ?? (await temporaryFolder());
  const { dataConverter } = openPayloads(readConfig({ KIMI_HOME: home }));
  const client = lazyClient(dataConverter, { TEMPORAL_ADDRESS: proxy.address });
  onTestFinished(async () => await client.connection.close());
  const ingest = await openIngest(client, { ...place, folder: home });
  const url = await serve(createWebhook({ ingest, secrets: [SECRET], log: silent }));
  return { url, proxy, home };
}

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: unknown;
}

async function post(url: string, task_id: string, content?: string, dispatcher?: Pool): Promise<Answer> {
  const body = JSON.stringify(callbackFor(task_id, content));
  const answer = await request(`${url}/kimi/webhook/${task_id}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-kimi-signature': sign(body, SECRET) },
    body,
    ...(dispatcher && { dispatcher }),
  });
  return { status: answer.statusCode, headers: answer.headers, body: await answer.body.json() };
}

const queued = (task_id: string) => ({ status: 202, body: { task_id, status: 'queued' } });

async function readiness(url: string) {
  const { statusCode, body } = await request(`${url}/readyz`);
  return { status: statusCode, body: (await body.json()) as { journal?: { entries: number; set_aside?: number } } };
}

/** Waits until the journal is empty. */
async function drained(url: string): Promise<void> {
  await until(async () => (await readiness(url)).body.journal?.entries === 0);
}

/** A task that waits for its callback, since the simulated Kimi never sends it. */
async function waitingTask(world: World): Promise<string> {
  return (await world.start('x [[simulate: drop=1]]')).task_id;
}

/** @returns the notifications of all wakes, once each: a workflow task that timed out on a busy machine repeats its wake with the same key. */
function wokenFor(world: World): string[] {
  return [...new Set(world.counts.wakes.map(({ key }) => String(key)))].toSorted();
}

/** @returns the answers that the engine received as signals, in order */
async function signalsOf(world: World, task_id: string): Promise<string[]> {
  const { events } = await world.handle({ task_id }).fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal }) => {
    const data = signal?.input?.payloads?.[0]?.data;
    return data ? [(JSON.parse(Buffer.from(data).toString()) as AnswerCallback).choices[0]?.message.content ?? ''] : [];
  });
}

/** @returns when the engine received each, in milliseconds */
async function signalTimes(world: World, task_id: string): Promise<number[]> {
  const { events } = await world.handle({ task_id }).fetchHistory();
  return (events ?? []).flatMap(({ workflowExecutionSignaledEventAttributes: signal, eventTime }) =>
    signal ? [Number(eventTime?.seconds) * 1e3 + Number(eventTime?.nanos) / 1e6] : [],
  );
}

/** Fails for the answer `no`, as a payload store might. */
const refusing: PayloadCodec = {
  encode: async (payloads) => {
    if (Buffer.from(payloads[0]?.data ?? []).includes('"no"')) throw new Error('its payload cannot be stored');
    return payloads;
  },
  decode: async (payloads) => payloads,
};

describe('while the engine', () => {
  it('is unavailable, a callback is queued, and its task is done once the engine is back', async () => {
    const world = await openWorld();
    const { url, proxy } = await openWebhook();
    const task_id = await waitingTask(world);
    await proxy.cut();
    expect(await post(url, task_id)).toMatchObject(queued(task_id));
    expect(await readiness(url)).toMatchObject({
      status: 200,
      body: { status: 'ok', engine: false, journal: { entries: 1 } },
    });
    expect(await world.view({ task_id })).toMatchObject({ step: 'waiting' });
    await proxy.restore();
    expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done', acknowledged: true });
    await drained(url);
    expect(await post(url, task_id)).toMatchObject({ status: 200, body: { status: 'duplicate' } });
  });

  it('accepts connections and does not respond, a callback is queued too', async () => {
    const world = await openWorld();
    const { url, proxy } = await openWebhook();
    const [first, second] = [await waitingTask(world), await waitingTask(world)];
    await until(async () => (await post(url, first)).status === 200);
    proxy.stall();
    expect(await post(url, second)).toMatchObject(queued(second));
    await proxy.restore();
    expect(await world.handle({ task_id: second }).result()).toMatchObject({ status: 'done' });
  });

  it('is unavailable, the callbacks of one task keep their order, before it is back and after', async () => {
    const world = await openWorld();
    const { url, proxy } = await openWebhook();
    const ids = [await waitingTask(world), await waitingTask(world), await waitingTask(world)];
    await proxy.cut();
    for (const content of ['first', 'second', 'third']) {
      for (const id of ids) expect(await post(url, id, content)).toMatchObject(queued(id));
    }
    await proxy.restore();
    // The engine is back; queued callbacks go first.
    for (const id of ids) await post(url, id, 'fourth');
    for (const task_id of ids) {
      await world.handle({ task_id }).result();
      expect(await world.results.read(task_id)).toMatchObject({ status: 'done', output: 'first' });
      expect((await signalsOf(world, task_id))[0]).toBe('first');
    }
    await drained(url);
  });

  it('was unavailable, an undeliverable callback becomes a dead letter with the reason, and does not delay others', async () => {
    const world = await openWorld();
    const { url, proxy, home } = await openWebhook();
    const [terminated, waiting] = [await waitingTask(world), await waitingTask(world)];
    await proxy.cut();
    for (const id of ['kimi-1-1', terminated, waiting]) expect(await post(url, id)).toMatchObject(queued(id));
    await world.handle({ task_id: terminated }).terminate();
    await proxy.restore();
    expect(await world.handle({ task_id: waiting }).result()).toMatchObject({ status: 'done' });
    await drained(url);

    const folder = join(home, 'dead-letters');
    const letters: DeadLetter[] = [];
    for (const name of (await readdir(folder)).toSorted()) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
      letters.push(JSON.parse(await readFile(join(folder, name), 'utf8')) as DeadLetter);
    }
    const common = { message: expect.stringMatching(/\S/), received_at: expect.stringMatching(/Z$/) };
    const noted = { received_at: expect.any(Number) };
    expect(letters).toEqual([
      { ...common, task_id: 'kimi-1-1', reason: 'unknown_task', callback: { ...callbackFor('kimi-1-1'), ...noted } },
      { ...common, task_id: terminated, reason: 'task_closed', callback: { ...callbackFor(terminated), ...noted } },
    ]);
  });

  it('is unavailable and a dead letter cannot be written, its callback stays and does not delay others', async () => {
    const world = await openWorld();
    const { url, proxy, home } = await openWebhook();
    const waiting = await waitingTask(world);
    await writeFile(join(home, 'dead-letters'), '');
    await proxy.cut();
    for (const id of ['kimi-1-1', waiting]) expect(await post(url, id)).toMatchObject(queued(id));
    await proxy.restore();
    expect(await world.handle({ task_id: waiting }).result()).toMatchObject({ status: 'done' });
    await until(async () => (await readiness(url)).body.journal?.entries === 1);
    await rm(join(home, 'dead-letters'));
    await drained(url);
    expect(await readdir(join(home, 'dead-letters'))).toHaveLength(1);
  });

  it('is back after the clock was set back by an hour, queued callbacks are delivered immediately', async () => {
    const world = await openWorld();
    const { url, proxy } = await openWebhook();
    const ids = await Promise.all(Array.from({ length: 8 }, async () => await waitingTask(world)));
    await proxy.cut();
    // Many concurrently: a burst, which skips the journal at first.
    await Promise.all(ids.map(async (id) => await post(url, id)));
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 3_600_000 });
    onTestFinished(() => void vi.useRealTimers());
    await proxy.restore();
    for (const task_id of ids) expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
    await drained(url);
  });

  it('responds but one callback keeps failing, it is retried for a day, then becomes a dead letter, and does not delay others', async () => {
    const world = await openWorld();
    const home = await temporaryFolder();
    const [young, old, waiting] = [await waitingTask(world), await waitingTask(world), await waitingTask(world)];
    const journal = new Journal(join(home, 'journal'), GIB);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() - 25 * 3_600_000 });
    await append(journal, callbackFor(old, 'no'));
    vi.useRealTimers();
    await append(journal, callbackFor(young, 'no'));
    await append(journal, callbackFor(waiting, 'yes'));
    await journal.close();

    const { connection } = await engineClient();
    const ingest = await openIngest(new Client({ connection, dataConverter: { payloadCodecs: [refusing] } }), {
      folder: home,
    });
    expect(await world.handle({ task_id: waiting }).result()).toMatchObject({ status: 'done' });
    await until(async () => (await ingest.status()).journal?.entries === 1);
    const [name = ''] = await readdir(join(home, 'dead-letters'));
    const letter = JSON.parse(await readFile(join(home, 'dead-letters', name), 'utf8')) as DeadLetter;
    expect(letter).toMatchObject({ task_id: old, reason: 'refused', message: 'its payload cannot be stored' });
  });

  it('is unavailable and the journal is full, the response is 503, and no accepted callback is lost', async () => {
    const world = await openWorld();
    const { url, proxy } = await openWebhook({ maxBytes: 200_000 });
    const ids = await Promise.all(Array.from({ length: 6 }, async () => await waitingTask(world)));
    await proxy.cut();
    const answers: Answer[] = [];
    for (const id of ids) answers.push(await post(url, id, 'x'.repeat(50_000)));
    const full = answers.filter(({ status }) => status === 503);
    expect(full.length).toBeGreaterThan(0);
    for (const { headers, body } of full) {
      expect(body).toMatchObject({ error: { code: 'journal_unavailable' } });
      expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    }
    await proxy.restore();
    const accepted = ids.filter((_, i) => answers[i]?.status === 202);
    expect(accepted.length).toBeGreaterThan(1);
    for (const task_id of accepted) {
      expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
    }
    await drained(url);
    // The provider retries, and there is room.
    for (const task_id of ids) expect((await post(url, task_id)).status).toBe(200);
  });

  it('is unavailable and the journal is not writable, the response is 503, and /readyz says so; with the engine, callbacks work', async () => {
    const world = await openWorld();
    const home = await temporaryFolder();
    await writeFile(join(home, 'journal'), '');
    const { url, proxy } = await openWebhook({ folder: home });
    const [first, second] = [await waitingTask(world), await waitingTask(world)];
    await until(async () => (await post(url, first)).status === 200);
    await proxy.cut();
    const refused = await post(url, second);
    expect(refused).toMatchObject({ status: 503, body: { error: { code: 'journal_unavailable' } } });
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    expect(await readiness(url)).toEqual({ status: 503, body: { status: 'not ready', engine: false } });
    await rm(join(home, 'journal'));
    await mkdir(join(home, 'journal'));
    expect(await readiness(url)).toMatchObject({ status: 200, body: { engine: false, journal: { entries: 0 } } });
    expect(await post(url, second)).toMatchObject(queued(second));
    await proxy.restore();
    expect(await world.handle({ task_id: second }).result()).toMatchObject({ status: 'done' });
  });
});

/** Forty callbacks in a journal, for tasks that no worker has started yet, and the number of them that the engine has. */
async function forty(paceMs?: number) {
  const world = await openWorld({ worker: false });
  const folder = await temporaryFolder();
  const journal = await open(join(folder, 'journal'));
  // Few concurrently: on a busy machine the engine would not confirm them in time.
  const tasks = await pLimit(4).map(Array(40).fill('x'), async (prompt: string) => await world.start(prompt, {}, 0));
  for (const { status } of tasks) expect(status).toBe('pending');
  for (const { task_id } of tasks) await append(journal, callbackFor(task_id));
  await journal.close();
  const ingest = await openIngest(world.client, { folder, paceMs });
  const delivered = async () => {
    const signals = await Promise.all(tasks.map(async ({ task_id }) => await signalsOf(world, task_id)));
    return signals.flat().length;
  };
  return { ingest, delivered, tasks };
}

describe('callbacks in the journal', () => {
  it('are delivered to the engine as fast as a worker takes them, 16 concurrently', async () => {
    const { ingest, delivered } = await forty(10_000);
    await until(async () => (await delivered()) === 16);
    await until(async () => (await ingest.status()).journal?.entries === 24);
    expect(await delivered()).toBe(16);
  });

  it('wait no longer than the worker of this process takes to save an answer', async () => {
    noteWorker('here', await engineClient());
    onTestFinished(() => forgetWorker('here'));
    const { ingest, delivered, tasks } = await forty(600_000);
    for (const { task_id } of tasks.slice(0, 8)) noteSaved(task_id);
    await until(async () => (await delivered()) === 24);
    for (const { task_id } of tasks) noteSaved(task_id);
    await until(async () => (await ingest.status()).journal?.entries === 0);
    expect(await delivered()).toBe(40);
  });

  it('are delivered to the engine without a worker too', async () => {
    const { ingest, delivered } = await forty(100);
    await until(async () => (await ingest.status()).journal?.entries === 0);
    expect(await delivered()).toBe(40);
  });

  it('of one task, however many, do not delay those of others', async () => {
    const world = await openWorld({ worker: false });
    const folder = await temporaryFolder();
    const journal = await open(join(folder, 'journal'));
    const [repeated, other] = [await world.start('x', {}, 0), await world.start('x', {}, 0)];
    await Promise.all(Array.from({ length: 300 }, async () => await append(journal, callbackFor(repeated.task_id))));
    await append(journal, callbackFor(other.task_id));
    await journal.close();
    const ingest = await openIngest(world.client, { folder, paceMs: 100 });
    await until(async () => (await ingest.status()).journal?.entries === 0);
    const [signalled = Infinity] = await signalTimes(world, other.task_id);
    const times = await signalTimes(world, repeated.task_id);
    expect(times).toHaveLength(300);
    expect(times.filter((time) => time < signalled).length).toBeLessThanOrEqual(8);
  });

  it('of a burst are delivered to the engine during the burst', async () => {
    const world = await openWorld({ worker: false });
    const ingest = await openIngest(world.client);
    const tasks = await pLimit(4).map(Array(10).fill('x'), async (prompt: string) => await world.start(prompt, {}, 0));
    const [repeated, ...others] = tasks.map(({ task_id }) => task_id) as [string, ...string[]];
    const callbacks = [repeated, ...others].map((task_id) => callbackFor(task_id));
    const accept = async (callback: AnswerCallback): Promise<string> =>
      await ingest.accept({ ...callback, received_at: Date.now() }, bodyOf(callback));
    const answers = await Promise.all(callbacks.map(accept));
    // The others, which arrived in the same turn, are counted before they are signalled.
    expect(answers).toEqual(['signalled', ...others.map(() => 'queued')]);
    const again = Array.from({ length: 8 }, () => callbackFor(repeated));
    await until(async () => {
      await Promise.all(again.map(accept));
      const signals = await Promise.all(others.map(async (task_id) => await signalsOf(world, task_id)));
      return signals.every((signalled) => signalled.length === 1);
    });
  });
});

it('without load the journal is not written to', async () => {
  const world = await openWorld();
  const { url, home } = await openWebhook();
  const file = join(home, 'journal', 'data.mdb');
  await until(async () => (await readiness(url)).status === 200);
  const written = async () => (await stat(file, { bigint: true })).mtimeNs;
  /** @returns when the journal was written to, before and after a callback that the engine took in time: else it is under load. */
  const passOne = async () =>
    await until(async () => {
      const task_id = await waitingTask(world);
      const before = await written();
      const { status } = await post(url, task_id);
      if (status === 200) return { before, after: await written() };
      await drained(url);
      return undefined;
    });
  for (let n = 0; n < 5; n += 1) {
    const { before, after } = await passOne();
    expect(after).toBe(before);
  }
});

it('a flood is accepted completely, and each task is done once', { timeout: 180_000 }, async () => {
  const world = await openWorld();
  const { url } = await openWebhook();
  const ids = await Promise.all(Array.from({ length: 100 }, async () => await waitingTask(world)));
  const connections = new Pool(url, { connections: 100, pipelining: 1 });
  onTestFinished(async () => await connections.close());
  // Each callback three times, as a provider in trouble may send it.
  const answers = await Promise.all([...ids, ...ids, ...ids].map(async (id) => await post(url, id, id, connections)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 202]));
  for (const task_id of ids) {
    expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect(await world.results.read(task_id)).toMatchObject({ output: task_id });
  }
  await drained(url);
  expect(wokenFor(world)).toEqual(ids.toSorted());
});

describe('a webhook process killed with kill -9', () => {
  it('has lost no accepted callback: the next process delivers it, even if that is killed too', async () => {
    const world = await openWorld();
    const proxy = await openProxy(inject('engine'));
    const home = await temporaryFolder();
    const env = { TEMPORAL_ADDRESS: proxy.address, WEBHOOK_SECRET: SECRET, KIMI_HOME: home };
    const ids = await Promise.all(Array.from({ length: 30 }, async () => await waitingTask(world)));
    await proxy.cut();
    const first = await launch('webhook', env);
    const url = `http://127.0.0.1:${(await first.says('ready')).port}`;
    for (const content of ['first', 'second']) {
      const answers = await Promise.all(ids.map(async (id) => await post(url, id, content)));
      for (const [i, answer] of answers.entries()) expect(answer).toMatchObject(queued(ids[i] as string));
    }
    first.child.kill('SIGKILL');
    await first.ended;

    await proxy.restore();
    const second = await launch('webhook', env);
    // In the middle of the delivery.
    await second.says('callback');
    second.child.kill('SIGKILL');
    await second.ended;

    const third = await launch('webhook', env);
    const thirdUrl = `http://127.0.0.1:${(await third.says('ready')).port}`;
    for (const task_id of ids) {
      expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done', acknowledged: true });
      expect(await world.results.read(task_id)).toMatchObject({ output: 'first' });
    }
    await drained(thirdUrl);
    expect(wokenFor(world)).toEqual(ids.toSorted());
    expect(await readdir(home)).not.toContain('dead-letters');
    third.child.kill('SIGTERM');
    expect(await third.ended).toBe(0);
  });

  it('leaves its entries to the other processes that share its journal', async () => {
    const world = await openWorld();
    const proxy = await openProxy(inject('engine'));
    const env = { TEMPORAL_ADDRESS: proxy.address, WEBHOOK_SECRET: SECRET, KIMI_HOME: await temporaryFolder() };
    const ids = [await waitingTask(world), await waitingTask(world)];
    await proxy.cut();
    const webhooks = [await launch('webhook', env), await launch('webhook', env)];
    for (const [i, webhook] of webhooks.entries()) {
      const id = ids[i] as string;
      expect(await post(`http://127.0.0.1:${(await webhook.says('ready')).port}`, id)).toMatchObject(queued(id));
    }
    webhooks[0]?.child.kill('SIGKILL');
    await webhooks[0]?.ended;
    await proxy.restore();
    for (const task_id of ids) expect(await world.handle({ task_id }).result()).toMatchObject({ status: 'done' });
  });
});

/** Documents of a task at Moonshot's API: uploaded once, read, removed. */
import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { Documents } from '../../src/relay/documents.ts';
import { KimiFiles } from '../../src/relay/kimi-files.ts';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import type { TaskFile } from '../../src/shared/task.ts';
import { createSimulator } from '../../src/simulator/app.ts';
import { keepFile } from '../../src/tasks/files.ts';
import { progressOf } from '../../src/tasks/look-up.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { explain, textFor } from '../../src/text/index.ts';
import { failureOf } from '../support/answering.ts';
import { docx, pdf, xlsx } from '../support/documents.ts';
import { countsFromZero, openRelayedWorld, type RelayedWorld } from '../support/relay.ts';
import { SECRET, serve, shared, silent, temporaryFolder, until } from '../support/resources.ts';

const MOONSHOT = { relay: true, apiUrl: 'https://api.moonshot.cn/v1' };

const KIMI_PAYLOAD_KEYS = `k:${Buffer.alloc(32, 7).toString('base64')}`;

/** A world whose relay has the same payloads, and a function that keeps a file for a task. */
interface Common {
  world: RelayedWorld;
  keep: (name: string, content: Buffer) => Promise<TaskFile>;
}

/** Shared by the tests: a relay takes a second of a core to start. */
const common = shared(async (): Promise<Common> => {
  const home = await temporaryFolder();
  const world = await openRelayedWorld(
    { KIMI_PAYLOAD_DIR: home, KIMI_PAYLOAD_KEYS },
    { payloadKeys: KIMI_PAYLOAD_KEYS, payloadDir: home },
  );
  const keep: Common['keep'] = async (name, content) =>
    await keepFile({ contents: world.payloads.contents, ...MOONSHOT }, { name, content });
  return { world, keep };
});
countsFromZero(() => common().world);

/** @returns the document with a directive for its upload behind its end. */
function directed(document: Buffer, directive: string): Buffer {
  return Buffer.concat([document, Buffer.from(`\n[[upload: ${directive}]]\n`)]);
}

/** More bytes than the buffers of a connection hold. */
const LONG = 24_000_000;

const left = ({ counts }: RelayedWorld): unknown[] => counts.uploads.filter(({ deleted }) => !deleted);

describe('documents', () => {
  it('go the whole way: Kimi reads each, the texts are its first messages, and nothing is left there', async () => {
    const { world, keep } = common();
    const files = [
      await keep('report.pdf', pdf(['Quarterly figures'])),
      await keep('合約.docx', docx(['第一條'])),
      await keep('銷售.xlsx', xlsx('銷售', [['一月', 100]])),
      await keep('筆記.txt', Buffer.from('a741a66ea540acc9', 'hex')),
    ];
    const started = await world.start('摘要', { files });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    const result = await world.results.read(started.task_id);
    // The simulated Kimi quotes the first line of what it was sent.
    expect(result?.output).toContain('"content":"Quarterly figures"');
    expect(result && world.results.noteOf(result).files).toEqual(files.map(({ name, bytes }) => ({ name, bytes })));
    expect(world.counts.uploads).toMatchObject(
      ['report.pdf', '合約.docx', '銷售.xlsx'].map((name) => ({
        filename: expect.stringMatching(new RegExp(`^${started.task_id}\\.[0-9a-f]{16}\\.${name}$`)) as string,
        read: 1,
        deleted: true,
      })),
    );
    expect(world.counts).toMatchObject({ billed: 1 });
  });

  it('are uploaded once and paid for once, if the relay is killed while Kimi extracts', async () => {
    const { world, keep } = common();
    const file = await keep('a.pdf', directed(pdf(['Only once']), 'delay=60000 times=1'));
    const started = await world.start('摘要', { files: [file] });
    const { progress } = await until(async () => {
      const seen = await progressOf(world.client, started.task_id);
      return seen.progress?.phase === 'reading' ? seen : undefined;
    });
    expect(textFor('en').stream(progress ?? { phase: 'waiting', tokens: 0, tail: '' })).toBe(
      'Kimi reads the attached files',
    );
    await until(() => world.counts.uploads.length > 0);
    await world.relay.kill();
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ billed: 1, uploads: [{ read: 1, deleted: true }] });
  });

  it('are used once and paid for once, if the relay is killed between two bytes of the upload', async () => {
    const { world, keep } = common();
    const held = Buffer.from('%[[upload: hold=15000 times=1]]\n');
    const file = await keep('a.pdf', Buffer.concat([held, pdf(['Only once']), Buffer.alloc(LONG, ' ')]));
    const started = await world.start('摘要', { files: [file] });
    await until(() => (world.counts.receiving[0]?.bytes ?? 0) > 0);
    await world.relay.kill();
    expect(world.counts.receiving).toMatchObject([
      { bytes: expect.toSatisfy((bytes: number) => bytes < LONG) as number },
    ]);
    await world.relay.start();
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    await until(() => world.counts.receiving[0]?.ended);
    expect(world.counts.receiving).toMatchObject([{ ended: 'cut' }, { ended: 'whole' }]);
    expect(world.counts).toMatchObject({ billed: 1, uploads: [{ read: 1, deleted: true }] });
  });

  it('are uploaded once, if the answer is interrupted and resumed', async () => {
    const { world, keep } = common();
    const file = await keep('a.pdf', pdf(['Only once']));
    const prompt = 'x [[simulate: delay=0 reasoning=0 size=400 chunks=20 break=cut after=10 breaks=1]]';
    const started = await world.start(prompt, { files: [file] });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(started.task_id)).toMatchObject({ interruptions: 1 });
    expect(world.counts.uploads).toMatchObject([{ read: 1, deleted: true }]);
  });

  it.each([
    ['cut after the upload', 'break=cut times=1'],
    ['unavailable', 'status=503 times=1'],
    ['overloaded', 'status=429 times=1'],
    ['broken', 'status=500 times=1'],
    ['unavailable when the text is read', 'text=503 times=1'],
  ])('are uploaded once to a Kimi that is %s', async (_what, directive) => {
    const { world, keep } = common();
    const started = await world.start('摘要', { files: [await keep('a.pdf', directed(pdf(['x']), directive))] });
    expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
    expect(world.counts).toMatchObject({ billed: 1, uploads: [{ deleted: true }] });
  });

  it.each([
    ['cannot be read', directed(pdf(['x']), 'status=400'), 'Kimi 讀不了 a.pdf'],
    ['has no text', pdf(['']), 'a.pdf 裡沒有文字'],
  ])('end the task before it is paid for, if one %s', async (_what, content, sentence) => {
    const { world, keep } = common();
    const started = await world.start('摘要', {
      files: [await keep('b.pdf', pdf(['y'])), await keep('a.pdf', content)],
    });
    expect(await world.handle(started).result()).toMatchObject({ status: 'failed' });
    const { error } = (await world.results.read(started.task_id)) ?? {};
    expect(error).toMatchObject({ type: 'unread_file', detail: { code: 'unread_file', name: 'a.pdf' } });
    expect(explain(error ?? { type: '', message: '' }, textFor('zh-TW'))).toContain(sentence);
    expect(world.counts).toMatchObject({ billed: 0, requests: 0 });
    expect(left(world)).toEqual([]);
  });

  it('are removed at Kimi, if the task is cancelled while the relay is dead', async () => {
    const { world, keep } = common();
    const file = await keep('a.pdf', directed(pdf(['x']), 'delay=60000'));
    const started = await world.start('摘要', { files: [file] });
    await until(() => world.counts.uploads.length > 0);
    await world.relay.kill();
    await world.handle(started).cancel();
    await world.relay.start();
    await until(() => left(world).length === 0);
    expect(world.counts.billed).toBe(0);
  });
});

/** @returns the documents of a relay, and its files at the simulated Kimi. */
async function openDocuments() {
  const { app, counts } = createSimulator({ secret: SECRET, delayMs: 0, log: silent });
  const account = { apiUrl: `${await serve(app)}/v1`, apiKey: 'sk-test' };
  const files = new KimiFiles(account);
  const { contents } = openPayloads(readConfig({ KIMI_HOME: await temporaryFolder() }));
  const received = new ReceivedStore(await temporaryFolder());
  const documents = new Documents({ files, contents, received, account, log: silent });
  const { signal } = new AbortController();
  return { counts, files, contents, documents, signal };
}

it('uploads that a lost relay left behind are removed after an hour; others of the account stay', async () => {
  const { counts, files, documents, signal } = await openDocuments();
  await files.upload(`kimi-1-1.${'0'.repeat(16)}.a.pdf`, pdf(['x']), signal);
  await files.upload('kimi-report.pdf', pdf(['mine']), signal);
  await documents.sweep();
  expect(counts.uploads.filter(({ deleted }) => deleted)).toEqual([]);
  await documents.sweep(Date.now() + 3_601_000);
  expect(counts.uploads).toMatchObject([{ deleted: true }, { filename: 'kimi-report.pdf' }]);
  expect(counts.uploads[1]).not.toHaveProperty('deleted');
});

it('the upload of a killed relay that appears while the next one reads its own is removed, too', async () => {
  const { counts, files, contents, documents, signal } = await openDocuments();
  const file = await keepFile({ contents, ...MOONSHOT }, { name: 'a.pdf', content: pdf(['Only once']) });
  const read = files.text.bind(files);
  files.text = async (id, ...others) => {
    await files.upload(counts.uploads[0]?.filename ?? '', pdf(['Only once']), signal);
    return await read(id, ...others);
  };
  const request = { task_id: 'kimi-1-1', body: { model: 'kimi-k2.6', messages: [] }, files: [file] };
  expect(await documents.into(request, request.body, signal)).toMatchObject({ messages: [{ role: 'system' }] });
  expect(counts.uploads).toMatchObject([
    { read: 1, deleted: true },
    { read: 0, deleted: true },
  ]);
});

it('a document whose text exceeds the model is refused before the request', async () => {
  const { world, keep } = common();
  const long = docx(Array.from({ length: 9 }, () => '長'.repeat(66_000)));
  const started = await world.start('摘要', { files: [await keep('a.docx', long)], model: 'kimi-k2.6' });
  await world.handle(started).result();
  expect(await world.results.read(started.task_id)).toMatchObject({ error: { type: 'prompt_too_long' } });
  expect(world.counts).toMatchObject({ billed: 0, requests: 0, uploads: [{ deleted: true }] });
});

it('the key does not go into an error', async () => {
  const files = new KimiFiles({ apiUrl: 'http://127.0.0.1:1/v1', apiKey: 'sk-secret' });
  const error = await failureOf(files.list(new AbortController().signal), KimiError);
  expect(error).toMatchObject({ kind: 'not_sent' });
  expect(inspect(error, { depth: 9 })).not.toContain('sk-secret');
});

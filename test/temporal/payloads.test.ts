/** How payloads are stored: encrypted, outside the engine if they are large, and removed when they are no longer needed. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { defaultPayloadConverter, type Payload } from '@temporalio/common';
import { StorageDriverClaim } from '@temporalio/common/lib/converter/extstore.js';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/external-storage-runner.js';
import proto from '@temporalio/proto';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { lookUp } from '../../src/tasks/look-up.ts';
import { readConfig } from '../../src/config/index.ts';
import { ConfigError } from '../../src/config/problems.ts';
import { MAX_CALLBACK_BYTES } from '../../src/shared/callback.ts';
import { isoSeconds } from '../../src/shared/format.ts';
import { MAP_WORKFLOW } from '../../src/shared/names.ts';
import { ServiceError } from '../../src/service/exit.ts';
import { createCodecServer } from '../../src/temporal/payloads/codec-server.ts';
import { openPayloads, STORED_FROM_BYTES, type Payloads } from '../../src/temporal/payloads/converter.ts';
import { PayloadFolder } from '../../src/temporal/payloads/stores.ts';
import { dayOf, PayloadDriver } from '../../src/temporal/payloads/storage.ts';
import { sweepPayloads } from '../../src/temporal/payloads/sweep.ts';
import { passOn } from '../support/callback.ts';
import { failureOf } from '../support/answering.ts';
import { freePort } from '../support/engine.ts';
import { serve, temporaryFolder, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const DAY_MS = 24 * 3600 * 1000;
const key = (byte: number): string => Buffer.alloc(32, byte).toString('base64');
const KEYS = `new:${key(2)} old:${key(1)}`;

/** Those of every test file: in their engine are the tasks of all of them, which the sweep reads. */
const KEYS_OF_TESTS = `${KEYS} k:${key(7)} k1:${key(7)}`;

const promptWith = (directives: string): string => `秘密的計畫 [[simulate: ${directives}]]`;

/** A payload as the SDK makes it of a value. */
const payloadOf = (value: unknown): Payload => defaultPayloadConverter.toPayload(value);
const valueOf = (payload: Payload | undefined): unknown => payload && defaultPayloadConverter.fromPayload(payload);
const metadataOf = (payload: Payload | undefined, name: string): string =>
  Buffer.from(payload?.metadata?.[name] ?? []).toString();

async function openWith(keys: string | undefined): Promise<Payloads> {
  return openPayloads(readConfig({ KIMI_HOME: await temporaryFolder(), KIMI_PAYLOAD_KEYS: keys }));
}

async function codecWith(keys: string | undefined) {
  const [codec] = (await openWith(keys)).dataConverter.payloadCodecs;
  if (!codec) throw new Error('no codec');
  return codec;
}

describe('the codec', () => {
  it('encrypts with the first key, whose id is in the payload, differently each time', async () => {
    const codec = await codecWith(KEYS);
    const payload = payloadOf({ prompt: '秘密' });
    const [once, twice] = await codec.encode([payload, payload]);
    expect(metadataOf(once, 'encoding')).toBe('binary/encrypted');
    expect(metadataOf(once, 'encryption-key-id')).toBe('new');
    expect(Buffer.from(once?.data ?? []).includes('秘密')).toBe(false);
    expect(once?.data).not.toEqual(twice?.data);
    const decoded = await codec.decode([once, twice] as Payload[]);
    expect(decoded.map(valueOf)).toEqual([{ prompt: '秘密' }, { prompt: '秘密' }]);
  });

  it('reads payloads of an older key, and unencrypted ones', async () => {
    const before = await (await codecWith(`old:${key(1)}`)).encode([payloadOf('before')]);
    const decoded = await (await codecWith(KEYS)).decode([...before, payloadOf('clear')]);
    expect(decoded.map(valueOf)).toEqual(['before', 'clear']);
  });

  it('without keys changes nothing', async () => {
    const payloads = [payloadOf('x'), payloadOf(undefined)];
    const codec = await codecWith(undefined);
    expect(await codec.encode(payloads)).toEqual(payloads);
    expect(await codec.decode(payloads)).toEqual(payloads);
    expect((await openWith(undefined)).dataConverter).not.toHaveProperty('failureConverterPath');
  });

  it.each([
    ['a key it does not have', `old:${key(1)}`, '"new", which KIMI_PAYLOAD_KEYS does not hold'],
    ['another key of the same id', `new:${key(3)}`, 'does not open with the key "new"'],
    ['no key', undefined, '"new", which KIMI_PAYLOAD_KEYS does not hold'],
  ])('with %s names the task and the key id, but no key', async (_case, keys, sentence) => {
    const payloads = await (await codecWith(KEYS)).encode([payloadOf('x')]);
    const context = { type: 'workflow', namespace: 'default', workflowId: 'kimi-1-1' } as const;
    const error = await failureOf((await codecWith(keys)).decode(payloads, context), ServiceError);
    expect(error.message).toContain('task kimi-1-1');
    expect(error.message).toContain(sentence);
    for (const byte of [1, 2, 3]) expect(error.message).not.toContain(key(byte));
  });

  it('detects a changed or truncated payload', async () => {
    const codec = await codecWith(KEYS);
    const [sealed] = await codec.encode([payloadOf('x')]);
    const data = Buffer.from(sealed?.data ?? []);
    const changed = Buffer.from(data);
    changed[20] = (changed[20] as number) ^ 1;
    for (const bad of [changed, data.subarray(0, -1), data.subarray(0, 5), Buffer.alloc(0)]) {
      const error = await failureOf(codec.decode([{ ...sealed, data: bad }]), ServiceError);
      expect(error.message).toContain('it is damaged');
    }
  });
});

it.each([
  ['a', 'needs id:base64 pairs'],
  [`a:${Buffer.alloc(16, 7).toString('base64')}`, 'needs id:base64 pairs'],
  [`a:${key(7)},a:${key(8)}`, 'twice'],
])('KIMI_PAYLOAD_KEYS=%s is refused, without repeating the value', (value, problem) => {
  const read = (): unknown => readConfig({ KIMI_PAYLOAD_KEYS: value });
  expect(read).toThrow(ConfigError);
  expect(read).toThrow(problem);
  expect(read).not.toThrow(value.slice(2, 12) || 'nothing');
});

it('a printed configuration contains no key', () => {
  const config = readConfig({ KIMI_PAYLOAD_KEYS: KEYS });
  expect([...config.KIMI_PAYLOAD_KEYS.keys()]).toEqual(['new', 'old']);
  expect(JSON.stringify([...config.KIMI_PAYLOAD_KEYS])).not.toContain(key(2).slice(0, 8));
});

describe('the payload folder', () => {
  const large = payloadOf('答案'.repeat(100_000));

  async function stored() {
    const folder = new PayloadFolder(join(await temporaryFolder(), 'payloads'));
    const driver = new PayloadDriver('folder', folder);
    const [claim] = await driver.store({}, [large]);
    return {
      driver,
      folder,
      claim: claim as StorageDriverClaim,
      file: join(folder.path, claim?.claimData['name'] ?? ''),
    };
  }

  it('stores a payload by its content, for this user only', async () => {
    const { driver, folder, claim, file } = await stored();
    expect(claim.claimData).toEqual({ name: expect.stringMatching(/^\d{4}-\d\d-\d\d\/[0-9a-f]{64}$/) });
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    for (const path of [dirname(file), folder.path]) expect((await stat(path)).mode & 0o777).toBe(0o700);
    expect((await driver.retrieve({}, [claim])).map(valueOf)).toEqual([valueOf(large)]);
    expect(await driver.store({}, [large])).toEqual([claim]);
    expect(await readdir(dirname(file))).toHaveLength(1);
  });

  it('refuses a claim that points outside', async () => {
    const { driver, claim } = await stored();
    const name = claim.claimData['name'] ?? '';
    for (const bad of ['', '/etc/passwd', '../../etc/passwd', `../${name}`, `${name}/../x`, `x/${name}`, `${name}\n`]) {
      const error = await failureOf(driver.retrieve({}, [new StorageDriverClaim({ name: bad })]), ServiceError);
      expect(error.message).toContain('is not the name of a payload');
    }
  });

  it('reports a damaged or missing payload, and repairs it when the same one is stored again', async () => {
    const { driver, claim, file } = await stored();
    await writeFile(file, (await readFile(file)).subarray(1));
    expect((await failureOf(driver.retrieve({}, [claim]), ServiceError)).message).toMatch(/^payload 20.* is damaged/);
    await driver.store({}, [large]);
    expect(await driver.retrieve({}, [claim])).toHaveLength(1);
    await rm(file);
    expect((await failureOf(driver.retrieve({}, [claim]), ServiceError)).message).toMatch(/is not in \/\S+; restore/);
  });

  it('that is not writable is reported at the start', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    const payloads = openPayloads(readConfig({ KIMI_PAYLOAD_DIR: join(file, 'payloads') }));
    expect((await failureOf(payloads.prepare(), ServiceError)).message).toContain(
      'choose another with KIMI_PAYLOAD_DIR',
    );
  });
});

const folderWith = async (days: string[]): Promise<PayloadFolder> => {
  const folder = new PayloadFolder(await temporaryFolder());
  for (const day of [...days, 'not-ours']) {
    await mkdir(join(folder.path, day));
    await writeFile(join(folder.path, day, 'x'), '');
  }
  return folder;
};

it('only payloads that are stored outside the engine are looked at by the SDK', async () => {
  const { externalStorage } = (await openWith(undefined)).dataConverter;
  const any = vi.spyOn(AbortSignal, 'any');
  onTestFinished(() => any.mockRestore());
  const sdk = new ExternalStorageRunner(externalStorage);
  const options = { abortSignal: new AbortController().signal };
  const small = [payloadOf('x'), payloadOf('x'.repeat(STORED_FROM_BYTES / 2 - 100))];
  expect(await sdk.store(small, options)).toEqual(small);
  expect(await sdk.retrieve(small, options)).toEqual(small);
  expect(any).not.toHaveBeenCalled();
  const all = [...small, payloadOf('x'.repeat(STORED_FROM_BYTES))];
  const claims = await sdk.store(all, options);
  expect(claims.map((claim, index) => claim === all[index])).toEqual([true, true, false]);
  expect(valueOf((await sdk.retrieve(claims, options))[2])).toBe(valueOf(all[2]));
});

describe('the sweep', () => {
  it('removes payloads older than the engine’s retention, a week and a day', async () => {
    const { client } = await openWorld({ worker: false });
    // The tests' server keeps closed workflows for its default of one day.
    const [young, old] = [dayOf(Date.now() - 9 * DAY_MS), dayOf(Date.now() - 10 * DAY_MS)];
    const folder = await folderWith([young, old, '2020-01-01', dayOf(Date.now())]);
    expect((await sweepPayloads(folder, client)).toSorted()).toEqual(['2020-01-01', old]);
    expect((await readdir(folder.path)).toSorted()).toEqual([young, dayOf(Date.now()), 'not-ours'].toSorted());
  });

  it('does nothing without a folder', async () => {
    const { client, payloads } = await openWorld({ worker: false });
    expect(await sweepPayloads(payloads.folder, client)).toEqual([]);
  });

  it('keeps payloads that an open task may need, however long it has been open', async () => {
    const world = await openWorld({ payloadKeys: KEYS_OF_TESTS });
    const started = await world.start(promptWith('drop=1'));
    await until(async () => {
      const query = `WorkflowId = '${started.task_id}'`;
      return ((await world.client.workflow.count(query)).count ?? 0) > 0;
    });
    const days = [dayOf(Date.now() - 2 * DAY_MS), dayOf(Date.now() - DAY_MS), dayOf(Date.now())];
    const folder = await folderWith(days);
    const inAYear = Date.now() + 365 * DAY_MS;
    expect(await sweepPayloads(folder, world.client, inAYear)).toEqual([days[0]]);
  });

  it('keeps the rows of an open map, whose workflow has continued as new since', async () => {
    const { client, taskQueue } = await openWorld({ worker: false });
    const created_at = isoSeconds(Date.now() - 20 * DAY_MS);
    const workflowId = 'kimi-1-100000001';
    const map = await client.workflow.start(MAP_WORKFLOW, { workflowId, taskQueue, memo: { created_at } });
    onTestFinished(async () => void (await map.terminate()));
    await until(async () => (await client.workflow.count(`WorkflowId = '${workflowId}'`)).count > 0);
    const days = [dayOf(Date.now() - 22 * DAY_MS), dayOf(Date.now() - 20 * DAY_MS)];
    expect(await sweepPayloads(await folderWith(days), client)).toEqual([days[0]]);
  });
});

/** The whole history of a task in the engine, and its payloads. */
async function storedHistory({ client }: World, workflowId: string) {
  const { history } = await client.workflowService.getWorkflowExecutionHistory({
    namespace: 'default',
    execution: { workflowId },
  });
  const bytes = Buffer.from(proto.temporal.api.history.v1.History.encode(history ?? {}).finish());
  const payloads: Payload[] = [];
  const collect = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return;
    if ('metadata' in value && 'data' in value) payloads.push(value as Payload);
    else Object.values(value).forEach(collect);
  };
  collect(history?.events?.filter(({ workflowExecutionStartedEventAttributes: start }) => !start));
  collect(history?.events?.map(({ workflowExecutionStartedEventAttributes: start }) => start?.input));
  return { bytes, payloads };
}

async function allOf(world: World): Promise<{ engine: Buffer; folder: Buffer }> {
  const directives = ['delay=0', 'delay=0 size=200000', 'fail=1', 'status=400'];
  const engine: Buffer[] = [];
  for (const directive of directives) {
    const started = await world.start(promptWith(directive));
    await world.handle(started).result();
    engine.push((await storedHistory(world, started.task_id)).bytes);
  }
  const files = await readdir(world.payloads.folder.path, { recursive: true, withFileTypes: true });
  const contents = files
    .filter((file) => file.isFile())
    .map(async (file) => await readFile(join(file.parentPath, file.name)));
  return { engine: Buffer.concat(engine), folder: Buffer.concat(await Promise.all(contents)) };
}

describe('a task whose payloads are encrypted', () => {
  /** Text that must not be readable in the engine: the prompt, the answer, error messages, the details in the Web UI. */
  const WORDS = [
    '秘密的計畫',
    '模擬',
    'as the simulation was asked',
    'the simulation was asked to fail',
    '提示',
    '儲存結果',
  ];

  it('is nowhere in clear text, in its history or outside it', async () => {
    const { engine, folder } = await allOf(await openWorld({ payloadKeys: KEYS }));
    expect(folder.length).toBeGreaterThan(STORED_FROM_BYTES);
    expect(WORDS.filter((word) => engine.includes(word) || folder.includes(word))).toEqual([]);
    // Search attributes are not encrypted: the engine searches by them.
    expect(engine.includes('calculator')).toBe(true);

    const clear = await allOf(await openWorld());
    expect(WORDS.filter((word) => !clear.engine.includes(word))).toEqual([]);
    expect(clear.folder.includes('模擬')).toBe(true);
  });

  it('has its current details and activity failures encrypted, readable with the keys', async () => {
    const wakeUrl = await serve((_request, response) => response.writeHead(503).end());
    const world = await openWorld({ payloadKeys: KEYS, wakeUrl });
    const { task_id } = await world.start(promptWith('delay=0'));
    const found = await until(async () => {
      const known = await lookUp(world.client, task_id);
      return known?.retrying && known;
    });
    expect(found.retrying?.why).toContain('answered 503');
    const { raw } = await world.handle({ task_id }).describe();
    expect(raw.pendingActivities?.[0]?.lastFailure?.message).toBe('Encoded failure');

    const { queryResult } = await world.client.workflowService.queryWorkflow({
      namespace: 'default',
      execution: { workflowId: task_id },
      query: { queryType: '__temporal_workflow_metadata' },
    });
    expect(metadataOf(queryResult?.payloads?.[0] as Payload, 'encoding')).toBe('binary/encrypted');
  });

  it('continues after a rotation of the keys, and after their introduction', async () => {
    for (const [before, after] of [
      [`old:${key(1)}`, KEYS],
      [undefined, KEYS],
    ]) {
      const world = await openWorld({ payloadKeys: after });
      const started = await world.start(promptWith('drop=1'));
      const elder = await openWorld({ worker: false, payloadKeys: before });
      await passOn(elder.handle(started), {
        id: 'cmpl-1',
        model: 'moonshot-v1-128k',
        usage: { prompt_tokens: 1, completion_tokens: 2, total_tokens: 3 },
        choices: [{ message: { content: '答案' } }],
        metadata: { task_id: started.task_id },
      });
      await world.handle(started).result();
      expect(await world.results.read(started.task_id)).toMatchObject({ status: 'done', output: '答案' });
    }
  });
});

describe('an answer of 16 MB', () => {
  // The simulator's characters are three bytes each.
  const CHARACTERS = 5_500_000;

  it.each([
    ['called back', undefined, 'delay=0'],
    ['called back, encrypted', KEYS, 'delay=0'],
    ['given in place', undefined, 'direct=1'],
  ])('%s, works end to end; the history stays small', async (_case, payloadKeys, how) => {
    expect(CHARACTERS * 3).toBeGreaterThan(MAX_CALLBACK_BYTES * 0.98);
    const world = await openWorld({ payloadKeys });
    const started = await world.start(promptWith(`${how} size=${CHARACTERS}`));
    expect(await world.handle(started).result()).toMatchObject({ status: 'done', acknowledged: true });
    expect((await world.results.read(started.task_id))?.output).toHaveLength(CHARACTERS);
    const { raw } = await world.handle(started).describe();
    expect(Number(raw.workflowExecutionInfo?.historySizeBytes)).toBeLessThan(20_000);
  });
});

it('a callback that cannot be stored is queued, and delivered once it can', async () => {
  const world = await openWorld();
  // A file takes the place of the folder.
  await writeFile(world.payloads.folder.path, '');
  const started = await world.start(promptWith('delay=0 size=200000'));
  await until(() => world.counts.callbacks['202']);
  await rm(world.payloads.folder.path);
  expect(await world.handle(started).result()).toMatchObject({ status: 'done' });
});

const asJson = ({ metadata, data }: Payload) => ({
  metadata: Object.fromEntries(
    Object.entries(metadata ?? {}).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
  ),
  data: Buffer.from(data ?? []).toString('base64'),
});
const textsOf = async (response: Response): Promise<string[]> => {
  const { payloads } = (await response.json()) as { payloads: { data: string }[] };
  return payloads.map(({ data }) => Buffer.from(data ?? '', 'base64').toString());
};

describe('the codec endpoint', () => {
  const TOKEN = 'a-token-for-the-web-ui';
  const UI = 'http://127.0.0.1:8233';

  async function open() {
    const world = await openWorld({ payloadKeys: KEYS });
    const { dataConverter } = world.payloads;
    const url = await serve(createCodecServer({ dataConverter, token: TOKEN, uiOrigin: UI }));
    const ask = async (path: string, payloads: unknown, headers: Record<string, string> = {}) => {
      const body = typeof payloads === 'string' ? payloads : JSON.stringify({ payloads });
      return await fetch(`${url}/codec/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-namespace': 'default', ...headers },
        body,
      });
    };
    return { world, url, ask, bearer: { authorization: `Bearer ${TOKEN}` } };
  }

  it('shows a history, claims included, to the Web UI', async () => {
    const { world, url, ask } = await open();
    const started = await world.start(promptWith('delay=0 size=200000'));
    await world.handle(started).result();
    const { payloads } = await storedHistory(world, started.task_id);

    const preflight = await fetch(`${url}/codec/${TOKEN}/decode`, {
      method: 'OPTIONS',
      headers: {
        origin: UI,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'content-type,x-namespace',
      },
    });
    expect(preflight.status).toBe(204);
    expect(preflight.headers.get('access-control-allow-origin')).toBe(UI);
    expect(preflight.headers.get('access-control-allow-headers')).toBe('content-type,x-namespace');

    const answer = await ask(`${TOKEN}/decode`, payloads.map(asJson), { origin: UI });
    expect(answer.status).toBe(200);
    expect(answer.headers.get('access-control-allow-origin')).toBe(UI);
    const texts = await textsOf(answer);
    expect(texts).toHaveLength(payloads.length);
    expect(texts.join('\n')).toContain('秘密的計畫');
    expect(texts.filter((text) => text.includes('模擬模擬模擬') && text.length > 200_000)).not.toEqual([]);
  });

  it('encodes what it decodes', async () => {
    const { ask, bearer } = await open();
    const encoded = (await (await ask('encode', [asJson(payloadOf('秘密'))], bearer)).json()) as { payloads: never[] };
    expect(JSON.stringify(encoded)).not.toContain(asJson(payloadOf('秘密')).data);
    expect(await textsOf(await ask('decode', encoded.payloads, bearer))).toEqual(['"秘密"']);
  });

  it.each([
    ['no token', 'decode', {}, 401],
    ['a wrong token', 'decode', { authorization: 'Bearer wrong' }, 401],
    ['a wrong token in the path', 'wrong/decode', {}, 401],
    ['a wrong token in the path beside the right one', 'wrong/decode', { authorization: `Bearer ${TOKEN}` }, 401],
    ['another origin', `${TOKEN}/decode`, { origin: 'http://evil.example' }, 403],
    ['another address', `${TOKEN}/nothing`, {}, 404],
    ['another type', `${TOKEN}/decode`, { 'content-type': 'text/plain' }, 400],
    ['a body in another encoding', `${TOKEN}/decode`, { 'content-encoding': 'x' }, 415],
  ])('refuses %s', async (_case, path, headers, status) => {
    const { ask } = await open();
    const answer = await ask(path, [], headers);
    expect(answer.status).toBe(status);
    expect(await answer.json()).toEqual({ error: { code: expect.any(String), message: expect.any(String) } });
    expect(answer.headers.get('access-control-allow-origin')).toBe(null);
  });

  it('refuses anything but a list of payloads, and bodies that are too large', async () => {
    const { url, ask, bearer } = await open();
    for (const garbage of ['', '{', '[]', '{"payloads":1}', '{"payloads":[{"data":"#"}]}', '{"payloads":["x"]}']) {
      expect((await ask('decode', garbage, bearer)).status, garbage).toBe(400);
    }
    expect((await ask('decode', ' '.repeat(17 * 1024 * 1024), bearer)).status).toBe(413);
    expect((await fetch(`${url}/codec/decode`)).status).toBe(405);
  });

  it('replaces an unreadable payload by the reason', async () => {
    const { ask, bearer } = await open();
    const [sealed] = await (await codecWith(`gone:${key(9)}`)).encode([payloadOf('x')]);
    const broken = { metadata: { encoding: Buffer.from('binary/encrypted') }, data: Buffer.from('?') };
    const lost = {
      metadata: {
        encoding: Buffer.from('json/protobuf'),
        messageType: Buffer.from('temporal.api.sdk.v1.ExternalStorageReference'),
      },
      data: Buffer.from('{"driverName":"folder","claimData":{"name":"../../etc/passwd"}}'),
    };
    const unread = { ...lost, data: Buffer.from('?') };
    const asked = [sealed as Payload, broken, lost, unread, payloadOf('clear'), {}];
    const answer = await ask('decode', asked.map(asJson), bearer);
    expect(answer.status).toBe(200);
    const texts = await textsOf(answer);
    expect(texts[0]).toContain('the key \\"gone\\"');
    expect(texts[1]).toContain('⚠');
    expect(texts[2]).toContain('is not the name of a payload');
    expect(texts[3]).toContain('⚠');
    expect(texts.slice(4)).toEqual(['"clear"', '']);
  });
});

/** An S3 server: s3rver, installed only for this test. */
async function serveS3(): Promise<void> {
  const port = await freePort();
  const server = spawn(
    'npm',
    [
      'exec',
      '--yes',
      '--package=s3rver@3.7.1',
      '--',
      's3rver',
      '--port',
      String(port),
      '--address',
      '127.0.0.1',
    ].concat(['--directory', await temporaryFolder(), '--configure-bucket', 'my-payloads', '--silent']),
    { stdio: 'ignore', detached: true },
  );
  onTestFinished(async () => {
    process.kill(-(server.pid as number), 'SIGKILL');
    await once(server, 'exit');
  });
  const aws = {
    AWS_ENDPOINT_URL_S3: `http://127.0.0.1:${port}`,
    AWS_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: 'S3RVER',
    AWS_SECRET_ACCESS_KEY: 'S3RVER',
  };
  for (const [name, value] of Object.entries(aws)) {
    process.env[name] = value;
    onTestFinished(() => void delete process.env[name]);
  }
  await until(async () => {
    if (server.exitCode !== null) throw new Error('s3rver did not start');
    return await fetch(aws.AWS_ENDPOINT_URL_S3).then(
      () => true,
      () => false,
    );
  });
}

describe('a bucket instead of the folder', () => {
  it('stores large payloads; those in the folder stay readable', async () => {
    await serveS3();
    const KIMI_HOME = await temporaryFolder();
    const before = openPayloads(readConfig({ KIMI_HOME }));
    const after = openPayloads(readConfig({ KIMI_HOME, KIMI_PAYLOAD_S3_BUCKET: 'my-payloads' }));
    await after.prepare();
    const large = payloadOf('答案'.repeat(2_000_000));
    const [folder] = before.dataConverter.externalStorage.drivers;
    const [bucket, ...others] = after.dataConverter.externalStorage.drivers;
    expect(bucket?.name).toBe('s3');
    const claims = (await bucket?.store({}, [large])) ?? [];
    expect((await bucket?.retrieve({}, claims))?.map(valueOf)).toEqual([valueOf(large)]);
    expect(await readdir(KIMI_HOME)).toEqual([]);
    const elder = (await folder?.store({}, [large])) ?? [];
    expect(await others.find(({ name }) => name === 'folder')?.retrieve({}, elder)).toHaveLength(1);

    const gone = new StorageDriverClaim({ name: `2020-01-01/${'0'.repeat(64)}` });
    const error = await failureOf(bucket?.retrieve({}, [gone]) ?? Promise.resolve(), ServiceError);
    expect(error.message).toContain('is not in s3://my-payloads');
  });
});

/** The webhook against hostile senders, byte by byte, on the server that the process runs. */
import { once } from 'node:events';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it, onTestFinished } from 'vitest';
import { MAX_CALLBACK_BYTES } from '../../src/shared/callback.ts';
import { BodyReader } from '../../src/webhook/body.ts';
import { SIGNATURE_HEADER } from '../../src/webhook/signature.ts';
import { callbackFor } from '../support/callback.ts';
import { openEdge, PATH, PLAUSIBLE, refusal, RIGHT, signedHeaders, TASK_ID } from '../support/edge.ts';
import { serve, until } from '../support/resources.ts';
import { dial, requestBytes, send } from '../support/wire.ts';

/** Posts a real callback. @returns how long it took, in milliseconds. */
async function postRight(url: string): Promise<number> {
  const started = performance.now();
  const answer = await send(url, requestBytes({ target: PATH, headers: signedHeaders(RIGHT), body: RIGHT }));
  expect(answer).toMatchObject({ status: 200 });
  return performance.now() - started;
}

async function connections(server: Server): Promise<number> {
  return await new Promise((resolve, reject) => {
    server.getConnections((error, count) => (error ? reject(error) : resolve(count)));
  });
}

describe('before the body has been sent', () => {
  const declared = { 'content-length': '1000' };
  it.each([
    ['no signature', { 'content-type': 'application/json' }, 401, 'bad_signature'],
    ['an invalid signature', { ...PLAUSIBLE, [SIGNATURE_HEADER]: 'x' }, 401, 'bad_signature'],
    ['only one header of Standard Webhooks', { ...PLAUSIBLE, 'webhook-id': 'x' }, 401, 'bad_signature'],
    ['another type', { ...PLAUSIBLE, 'content-type': 'text/html' }, 415, 'not_json'],
    ['a compressed one announced', { ...PLAUSIBLE, 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
    ['too much announced', { ...PLAUSIBLE, 'content-length': String(MAX_CALLBACK_BYTES + 1) }, 413, 'too_large'],
  ])('a request with %s is refused', async (_what, headers, status, code) => {
    const { url } = await openEdge();
    expect(await send(url, requestBytes({ target: PATH, headers: { ...declared, ...headers } }))).toMatchObject(
      refusal(status, code),
    );
  });

  it('a request with Expect: 100-continue gets it only if its headers are valid', async () => {
    const { url, signals } = await openEdge();
    const { socket } = await dial(url);
    const headers = {
      expect: '100-continue',
      ...signedHeaders(RIGHT),
      'content-length': String(Buffer.byteLength(RIGHT)),
    };
    socket.write(requestBytes({ target: PATH, headers }));
    const [invitation] = (await once(socket, 'data')) as [string];
    expect(invitation).toBe('HTTP/1.1 100 Continue\r\n\r\n');
    socket.write(RIGHT);
    expect((await once(socket, 'data'))[0]).toMatch(/^HTTP\/1.1 200/);
    expect(signals()).toBe(1);
    socket.destroy();
    const refused = { expect: '100-continue', 'content-type': 'application/json', 'content-length': '9' };
    expect(await send(url, requestBytes({ target: PATH, headers: refused }))).toMatchObject(
      refusal(401, 'bad_signature'),
    );
    const strange = { ...PLAUSIBLE, expect: 'the unexpected' };
    expect(await send(url, requestBytes({ target: PATH, headers: strange, body: '{}' }))).toMatchObject(
      refusal(401, 'bad_signature'),
    );
  });

  it('the rest of a refused body is discarded, and the connection serves the next request', async () => {
    const { url, signals } = await openEdge();
    const { socket, answers } = await dial(url);
    const refused = requestBytes({
      target: PATH,
      headers: { 'content-type': 'application/json' },
      body: 'x'.repeat(1e6),
    });
    socket.write(refused.subarray(0, 500));
    await until(() => answers().length === 1);
    socket.write(refused.subarray(500));
    socket.write(requestBytes({ target: PATH, headers: signedHeaders(RIGHT), body: RIGHT }));
    await until(() => answers().length === 2);
    expect(answers().map(({ status }) => status)).toEqual([401, 200]);
    expect(signals()).toBe(1);
    socket.destroy();
  });
});

describe('a body', () => {
  it('that is a gzip bomb is never decompressed', async () => {
    const { url } = await openEdge();
    const body = gzipSync(Buffer.alloc(50_000_000));
    const announced = { ...signedHeaders(body), 'content-encoding': 'gzip' };
    expect(await send(url, requestBytes({ target: PATH, headers: announced, body }))).toMatchObject(
      refusal(415, 'unsupported_encoding'),
    );
    const hidden = requestBytes({ target: PATH, headers: signedHeaders(body), body });
    expect(await send(url, hidden)).toMatchObject(refusal(400, 'invalid_json'));
  });

  it('in chunks that exceed the limit together is 413, whatever length was announced', async () => {
    const { url } = await openEdge();
    const { socket, answers } = await dial(url);
    const head = requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'transfer-encoding': 'chunked' } });
    socket.write(head.toString().replace('content-length: 0\r\n', ''));
    const chunk = `${(100_000).toString(16)}\r\n${'x'.repeat(100_000)}\r\n`;
    for (let sent = 0; sent <= MAX_CALLBACK_BYTES; sent += 100_000) socket.write(chunk);
    await until(() => answers().length === 1);
    expect(answers()[0]).toMatchObject(refusal(413, 'too_large'));
    socket.destroy();
  });

  it('longer than its content-length closes the connection', async () => {
    const { url, signals } = await openEdge();
    const { socket, answers, closed } = await dial(url);
    socket.write(requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'content-length': '2' }, body: '{}and more' }));
    await closed;
    // It is undecidable which of the two a response would belong to.
    expect(answers()).toEqual([]);
    expect(signals()).toBe(0);
  });

  it('shorter than its content-length is 408 after the timeout', async () => {
    const { url } = await openEdge({ requestTimeout: 300, headersTimeout: 300, connectionsCheckingInterval: 50 });
    const bytes = requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'content-length': '100' }, body: '{}' });
    expect(await send(url, bytes)).toMatchObject(refusal(408, 'request_timeout'));
  });

  it('sent byte by byte is cut off at the timeout, while real callbacks are served', async () => {
    const { url, signals } = await openEdge({
      headersTimeout: 1_500,
      requestTimeout: 1_500,
      connectionsCheckingInterval: 50,
    });
    const slow = await dial(url);
    slow.socket.write(requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'content-length': '1000' } }));
    const drip = setInterval(() => slow.socket.write('x'), 100);
    onTestFinished(() => clearInterval(drip));
    let served = 0;
    while (slow.answers().length === 0) {
      await postRight(url);
      served += 1;
    }
    expect(slow.answers()[0]).toMatchObject(refusal(408, 'request_timeout'));
    await slow.closed;
    expect(signals()).toBe(served);
  });
});

describe('invalid HTTP', () => {
  const junk: [string, string | Buffer, number, string][] = [
    ['words', 'hello\r\n\r\n', 400, 'bad_request'],
    ['TLS', Buffer.from('16030100f1010000ed0303', 'hex'), 400, 'bad_request'],
    ['HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400, 'bad_request'],
    ['a NUL in the path', `POST ${PATH}\0 HTTP/1.1\r\nhost: x\r\n\r\n`, 400, 'bad_request'],
    ['a line end in a header', `POST ${PATH} HTTP/1.1\r\nhost: x\r\nx: \0\r\n\r\n`, 400, 'bad_request'],
    [
      'two lengths',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nxx`,
      400,
      'bad_request',
    ],
    [
      'a length and chunks',
      `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
      'bad_request',
    ],
    ['a length below zero', `POST ${PATH} HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n`, 400, 'bad_request'],
    ['endless headers', `POST ${PATH} HTTP/1.1\r\nx: ${'x'.repeat(40_000)}`, 431, 'headers_too_large'],
    ['an endless path', `POST /${'x'.repeat(40_000)}`, 431, 'headers_too_large'],
  ];
  it.each(junk)('%s', async (_what, bytes, status, code) => {
    const { url, signals } = await openEdge();
    expect(await send(url, bytes)).toMatchObject(refusal(status, code));
    expect(signals()).toBe(0);
    await postRight(url);
  });

  it('invalid chunks: the request before them is answered once', async () => {
    const { url } = await openEdge();
    const head = requestBytes({ target: PATH, headers: { ...PLAUSIBLE, 'transfer-encoding': 'chunked' } })
      .toString()
      .replace('content-length: 0\r\n', '');
    expect(await send(url, `${head}zz\r\n`)).toMatchObject(refusal(400, 'bad_request'));
  });

  it('after a callback in progress does not replace its response', async () => {
    const { url, signals } = await openEdge();
    const { socket, answers, closed } = await dial(url);
    socket.write(requestBytes({ target: PATH, headers: signedHeaders(RIGHT), body: RIGHT }));
    socket.write('junk\r\n\r\n');
    await closed;
    expect(signals()).toBe(1);
    expect(answers()[0]?.status ?? 200).toBe(200);
  });

  it('a client that keeps sending after a refusal still reads the reason, and is disconnected', async () => {
    const { url, server } = await openEdge();
    const { socket, answers, closed } = await dial(url);
    const isRefused = once(server, 'clientError');
    // Busy sending; it reads later.
    socket.pause();
    socket.write(`POST /${'x'.repeat(40_000)}`);
    await isRefused;
    for (let n = 0; n < 10 && socket.writable; n += 1) {
      socket.write('x'.repeat(1_000));
      await pause(10);
    }
    socket.resume();
    await until(() => answers().length > 0 || socket.destroyed);
    expect(answers()).toMatchObject([{ status: 431 }]);
    await closed;
  });

  it('CONNECT closes the connection', async () => {
    const { url } = await openEdge();
    expect(await send(url, 'CONNECT example.com:443 HTTP/1.1\r\nhost: x\r\n\r\n')).toBeUndefined();
  });
});

describe('a method', () => {
  it.each([
    ['OPTIONS', PATH, 'POST'],
    ['DELETE', PATH, 'POST'],
    ['OPTIONS', '/healthz', 'GET'],
    ['POST', '/readyz', 'GET'],
  ])('%s %s is 405: allowed is %s', async (method, target, allow) => {
    const { url } = await openEdge();
    const answer = await send(url, requestBytes({ method, target }));
    expect(answer).toMatchObject(refusal(405, 'method_not_allowed'));
    expect(answer?.headers['allow']).toBe(allow);
  });
});

describe('a path', () => {
  it.each([
    ['/kimi/webhook/%2e%2e', 'unknown_task'],
    ['/kimi/webhook/..%2f..%2fhealthz', 'unknown_task'],
    ['/kimi/webhook/%00', 'unknown_task'],
    [`/kimi/webhook/${'9'.repeat(10_000)}`, 'unknown_task'],
    [`/kimi/webhook/${TASK_ID}%20`, 'unknown_task'],
    ['/kimi/webhook/__proto__', 'unknown_task'],
    ['/kimi//webhook/kimi-1-1', 'not_found'],
    ['//kimi/webhook/kimi-1-1', 'not_found'],
    ['/kimi/webhook/../webhook/kimi-1-1', 'not_found'],
    ['/KIMI/WEBHOOK/kimi-1-1', 'not_found'],
    ['/kimi/webhook/kimi-1-1/', 'not_found'],
    ['/healthz/', 'not_found'],
    ['//!@#', 'not_found'],
    ['http://[', 'not_found'],
    ['*', 'not_found'],
  ])('%s is not found', async (target, code) => {
    const { url, signals } = await openEdge();
    // Signed for the task that the path names: only the path is wrong.
    const task_id = decodeURIComponent(target.split('/')[3] ?? '');
    const body = JSON.stringify(callbackFor(task_id));
    expect(await send(url, requestBytes({ target, headers: signedHeaders(body), body }))).toMatchObject(
      refusal(404, code),
    );
    expect(signals()).toBe(0);
  });

  it('with a host in it, or a query behind it, is reduced to its path', async () => {
    const { url, signals } = await openEdge();
    for (const target of [`http://elsewhere.example${PATH}`, `${PATH}?x=1`]) {
      const answer = await send(url, requestBytes({ target, headers: signedHeaders(RIGHT), body: RIGHT }));
      expect(answer).toMatchObject({ status: 200 });
    }
    expect(signals()).toBe(2);
  });

  it('that cannot be decoded is 400', async () => {
    const { url } = await openEdge();
    for (const target of ['/kimi/webhook/%', '/kimi/webhook/%ff', '/kimi/webhook/%E0%A4%A']) {
      expect(await send(url, requestBytes({ target, headers: PLAUSIBLE, body: '{}' }))).toMatchObject(
        refusal(400, 'bad_request'),
      );
    }
  });
});

describe('many requests', () => {
  it('a thousand pipelined requests are answered in order', async () => {
    const { url, signals } = await openEdge();
    const { socket, answers } = await dial(url);
    const one = requestBytes({ target: PATH, headers: signedHeaders(RIGHT), body: RIGHT });
    const other = requestBytes({ target: PATH, headers: PLAUSIBLE, body: RIGHT });
    socket.write(Buffer.concat(Array.from({ length: 1000 }, (_, index) => (index % 2 === 0 ? one : other))));
    await until(() => answers().length === 1000);
    expect(new Set(answers().map(({ status }, index) => `${index % 2} ${status}`))).toEqual(
      new Set(['0 200', '1 401']),
    );
    expect(signals()).toBe(500);
    socket.destroy();
  });

  it('idle connections are closed after headersTimeout, and real callbacks are served meanwhile', async () => {
    const { url, server } = await openEdge({ headersTimeout: 2_000, connectionsCheckingInterval: 50 });
    const idle: Socket[] = [];
    for (let opened = 0; opened < 1000; opened += 1) idle.push((await dial(url)).socket);
    // Half send nothing, half never end their headers.
    for (const socket of idle.slice(500)) socket.write(`POST ${PATH} HTTP/1.1\r\n`);
    const latencies: number[] = [];
    do latencies.push(await postRight(url));
    while ((await connections(server)) > 1);
    expect(latencies.toSorted((a, b) => a - b)[Math.floor(latencies.length / 2)]).toBeLessThan(100);
    for (const socket of idle) await until(() => socket.destroyed);
  });

  it('a sender that never reads responses is disconnected', async () => {
    const { url, server } = await openEdge({ timeout: 1_000 });
    const { socket, closed } = await dial(url);
    socket.pause();
    // Pipelined until the responses fill the socket buffers of both sides, and the server stops reading.
    const many = 'GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n'.repeat(2_000);
    const flood = (): void => {
      while (!socket.destroyed && socket.write(many));
    };
    socket.on('drain', flood);
    flood();
    await until(async () => (await connections(server)) === 0);
    socket.resume();
    await closed;
    expect(await postRight(url)).toBeGreaterThan(0);
  });
});

/** Responds with what the reader returns for each body: its length, or why it was not read. */
async function openReader(maxBytes: number, budgetBytes: number): Promise<string> {
  const reader = new BodyReader({ maxBytes, budgetBytes });
  return await serve((request, response) => {
    void reader.read(request).then(
      (body) => response.end(String(body.length)),
      (error: Error) => response.end(error.message),
    );
  });
}

const chunkOf = (size: number): string => `${size.toString(16)}\r\n${'x'.repeat(size)}\r\n`;

describe('bodies that arrive at the same time', () => {
  const chunked = 'POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n';

  it('share the memory: the oldest is cut off, a new one is read', async () => {
    const url = await openReader(1_000_000, 2_000_000);
    const slow: Awaited<ReturnType<typeof dial>>[] = [];
    for (let index = 0; index < 3; index += 1) {
      const sender = await dial(url);
      sender.socket.write(chunked + chunkOf(900_000));
      slow.push(sender);
      // Read by now: the next request on the same connection was.
      await until(() => index < 2 || slow[0]?.answers().length === 1);
    }
    expect(slow[0]?.answers()[0]?.body).toBe('too_slow');
    expect(await send(url, requestBytes({ body: 'x'.repeat(900_000) }))).toMatchObject({ body: '900000' });
    await until(() => slow[1]?.answers().length === 1);
    expect(slow[1]?.answers()[0]?.body).toBe('too_slow');
    for (const { socket } of slow) socket.destroy();
  });

  it('are read completely, to the last byte, however they are split', async () => {
    const url = await openReader(100_000, 1_000_000);
    for (const size of [0, 1, 4095, 4096, 4097, 65_536, 99_999, 100_000]) {
      const pieces = Array.from({ length: 7 }, (_, index) => Math.floor(size / 7) + (index === 0 ? size % 7 : 0));
      const body = pieces
        .filter((piece) => piece > 0)
        .map(chunkOf)
        .join('');
      expect(await send(url, `${chunked}${body}0\r\n\r\n`)).toMatchObject({ body: String(size) });
      expect(await send(url, requestBytes({ body: 'x'.repeat(size) }))).toMatchObject({ body: String(size) });
    }
    expect(await send(url, `${chunked}${chunkOf(100_001)}`)).toMatchObject({ body: 'too_large' });
  });

  it('release their memory when they end, however they end', async () => {
    const url = await openReader(1_000_000, 2_000_000);
    for (let round = 0; round < 20; round += 1) {
      const { socket, closed } = await dial(url);
      socket.write(chunked + chunkOf(900_000));
      socket.end();
      await closed;
      expect(await send(url, requestBytes({ body: 'x'.repeat(1_000_001) }))).toMatchObject({ body: 'too_large' });
    }
    expect(await send(url, requestBytes({ body: 'x'.repeat(1_000_000) }))).toMatchObject({ body: '1000000' });
  });
});

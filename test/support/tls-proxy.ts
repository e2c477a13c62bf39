/** A TLS-terminating proxy in front of the Temporal server that checks client certificates or API keys. */
import { once } from 'node:events';
import { connect, createSecureServer, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';
import { onTestFinished } from 'vitest';
import { temporaryFolder } from './resources.ts';

/** A certificate and its key, as PEM text and as files. */
export interface Certificate {
  cert: string;
  key: string;
  certPath: string;
  keyPath: string;
}

/**
 * @param issuer signs it; without one it is a self-signed authority
 * @param host name of the certificate
 * @param valid start and end of validity, in milliseconds from now
 */
export async function certificate(
  name: string,
  issuer?: Certificate,
  host = 'localhost',
  valid: [from: number, to: number] = [-60_000, 86_400_000],
): Promise<Certificate> {
  const [notBeforeDate, notAfterDate] = valid.map((ms) => new Date(Date.now() + ms)) as [Date, Date];
  const made = await generate([{ name: 'commonName', value: name }], {
    notBeforeDate,
    notAfterDate,
    keyType: 'ec',
    algorithm: 'sha256',
    ...(issuer
      ? { ca: issuer, extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: host }] }] }
      : {
          extensions: [
            { name: 'basicConstraints', cA: true, critical: true },
            { name: 'keyUsage', keyCertSign: true, cRLSign: true, critical: true },
          ],
        }),
  });
  const folder = await temporaryFolder();
  const [certPath, keyPath] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
  await writeFile(certPath, made.cert);
  await writeFile(keyPath, made.private);
  return { cert: made.cert, key: made.private, certPath, keyPath };
}

const UNAUTHENTICATED = '16';

/**
 * @param own its certificate
 * @param asks authority of client certificates, or the API key, that clients must present
 * @returns its address
 */
export async function openTlsProxy(
  engine: string,
  own: Certificate,
  asks: { clientsOf?: Certificate; key?: string },
): Promise<string> {
  const upstream = connect(`http://${engine}`);
  const wanted = asks.clientsOf && { ca: asks.clientsOf.cert, requestCert: true, rejectUnauthorized: true };
  const server = createSecureServer({ cert: own.cert, key: own.key, ...wanted });
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    if (asks.key !== undefined && headers.authorization !== `Bearer ${asks.key}`) {
      const refusal = { 'content-type': 'application/grpc', 'grpc-status': UNAUTHENTICATED, 'grpc-message': 'no' };
      stream.respond(refusal, { endStream: true });
      return;
    }
    const passed = upstream.request(headers);
    stream.on('error', () => passed.close()).pipe(passed);
    passed.on('error', () => stream.close());
    passed.on('response', (answer) => {
      if (stream.destroyed) return;
      stream.respond(answer, { waitForTrailers: true });
      passed.pipe(stream);
    });
    let trailers = {};
    passed.on('trailers', (last) => (trailers = last));
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  });
  server.on('sessionError', () => {});
  server.listen(0, 'localhost');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    upstream.destroy();
  });
  return `localhost:${(server.address() as AddressInfo).port}`;
}

import { createServer, type RequestListener, type Server } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { generate } from 'selfsigned';

const HOST = 'api.moonshot.cn';

/**
 * Makes the simulated Kimi Moonshot's API for processes with the environment that it returns, so that Moonshot's models, prices and
 * rules apply: they reach its address through a proxy, and trust its certificate.
 *
 * @param folder for the certificate
 * @param listen makes a server listen, and returns its port
 */
export async function moonshotOf(
  app: RequestListener,
  folder: string,
  listen: (server: Server) => Promise<number>,
): Promise<NodeJS.ProcessEnv> {
  const { cert, private: key } = await generate([{ name: 'commonName', value: HOST }], {
    keyType: 'ec',
    extensions: [{ name: 'subjectAltName', altNames: [{ type: 2, value: HOST }] }],
  });
  const trusted = join(folder, 'moonshot.pem');
  await writeFile(trusted, cert);
  const kimi = createSecureServer({ cert, key }, app);
  const proxy = createServer((_, response) => response.writeHead(502).end());
  proxy.on('connect', (_, client) => {
    client.on('error', () => {});
    client.write('HTTP/1.1 200 Connection established\r\n\r\n');
    kimi.emit('connection', client);
  });
  return {
    KIMI_API_URL: `https://${HOST}/v1`,
    HTTPS_PROXY: `http://127.0.0.1:${await listen(proxy)}`,
    // It would be preferred.
    https_proxy: '',
    NODE_EXTRA_CA_CERTS: trusted,
  };
}

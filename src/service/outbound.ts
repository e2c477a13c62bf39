/** How other machines are reached: through the proxy that the environment names, as other tools do. */
import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';
import { isLoopback, publicAddress } from './http.ts';
import { ConfigError } from '../config/problems.ts';

/** How long a proxy may take to open a tunnel, in milliseconds, unless its agent says otherwise. */
const TUNNEL_MS = 10_000;

/**
 * `localhost` is this machine whatever a resolver says (RFC 6761): machines know it as one of two addresses, or not at all, and
 * what is asked for listens on one of them.
 */
const lookup: LookupFunction = (hostname, options, callback) => {
  if (!/^(?:.+\.)?localhost\.?$/i.test(hostname)) {
    dns.lookup(hostname, options, callback);
    return;
  }
  const addresses = [
    { address: '127.0.0.1', family: 4 },
    { address: '::1', family: 6 },
  ];
  if (options.all) callback(null, addresses);
  else callback(null, '127.0.0.1', 4);
};

/** The agent for requests that go to their address directly, whatever proxies there are. */
export function directAgent(options: Agent.Options = {}): Agent {
  const { connect } = options;
  return new Agent({
    ...options,
    connect: typeof connect === 'function' ? connect : { autoSelectFamily: true, ...connect, lookup },
  });
}

/**
 * The agent for requests to an address: through the proxy of `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names the
 * host. This machine is always reached directly.
 *
 * @throws {ConfigError} where a proxy's address is none.
 */
export function outboundAgent(
  url: string,
  options: Agent.Options = {},
  env: NodeJS.ProcessEnv = process.env,
): Dispatcher {
  if (isLoopback(new URL(url).hostname)) return directAgent(options);
  const { connect } = options;
  const tls = typeof connect === 'object' ? connect : {};
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: proxyIn(env, 'HTTP_PROXY'),
    httpsProxy: proxyIn(env, 'HTTPS_PROXY'),
    noProxy: env['no_proxy'] || env['NO_PROXY'] || '',
    proxyTls: tls,
    requestTls: tls,
    clientFactory: (proxy, own) => new Tunnels(proxy, { ...own, headersTimeout: tls.timeout ?? TUNNEL_MS }),
  });
}

/** A proxy's address may come without its scheme, as for curl. */
function proxyIn(env: NodeJS.ProcessEnv, name: string): string {
  const value = (env[name.toLowerCase()] || env[name] || '').trim();
  if (value === '') return '';
  const url = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new ConfigError([
    { subject: name, why: 'needs an http or https URL', example: 'http://proxy.example.com:3128' },
  ]);
}

/** Connections to a proxy. Its failures name it: it is not the host that is asked for that fails. */
class Tunnels extends Pool {
  private readonly address: string;

  constructor(proxy: URL, options: object) {
    super(proxy.origin, options);
    this.address = publicAddress(proxy.href);
  }

  override connect = (async (options: Dispatcher.ConnectOptions): Promise<Dispatcher.ConnectData> => {
    let answer: Dispatcher.ConnectData;
    try {
      answer = await super.connect(options);
    } catch (error) {
      const { code, message } = error as { code?: string; message?: string };
      throw new ProxyError(`the proxy ${this.address} cannot be used: ${code ?? message}`, { cause: error });
    }
    if (answer.statusCode === 200) return answer;
    answer.socket.on('error', () => {}).destroy();
    throw new ProxyError(`the proxy ${this.address} answered ${answer.statusCode}; look at HTTPS_PROXY and NO_PROXY`);
  }) as Pool['connect'];
}

/** The proxy did not open a tunnel: the host behind it has received nothing. */
class ProxyError extends Error {
  override readonly name = 'ProxyError';
}

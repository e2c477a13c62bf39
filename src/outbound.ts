/** How other machines are reached: through the proxy that the environment names, as other tools do. */
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';
import { isLoopback, publicAddress } from './address.ts';
import { ConfigError } from './config.ts';

/** How long a proxy may take to open a tunnel, in milliseconds, unless its agent says otherwise. */
const TUNNEL_MS = 10_000;

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
  if (isLoopback(new URL(url).hostname)) return new Agent(options);
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

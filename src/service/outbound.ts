/** Requests to other machines, through the proxy of the environment, as in other tools. */
import dns from 'node:dns';
import { readFileSync } from 'node:fs';
import { X509Certificate } from 'node:crypto';
import type { LookupFunction } from 'node:net';
import { checkServerIdentity, rootCertificates, type PeerCertificate } from 'node:tls';
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici';
import type { TaskError } from '../shared/task.ts';
import type { Cause } from '../shared/error-detail.ts';
import { isLoopback, publicAddress } from './http.ts';
import { GIVEN_ENV } from '../config/env-file.ts';
import { ConfigError } from '../config/problems.ts';

/** How long a proxy may take to open a tunnel, in milliseconds, unless the agent has another limit. */
const TUNNEL_MS = 10_000;

/**
 * `localhost` is this machine, whatever a resolver returns (RFC 6761). Resolvers know one of its two addresses or none, and a server
 * may listen on either.
 */
export const lookup: LookupFunction = (hostname, options, callback) => {
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

/** The agent for requests that bypass every proxy. */
export function directAgent(options: Agent.Options = {}): Agent {
  const { connect } = options;
  return new Agent({
    ...options,
    connect: typeof connect === 'function' ? connect : { autoSelectFamily: true, lookup, ...connect },
  });
}

/**
 * The agent for requests to an address: through the proxy of `HTTPS_PROXY` or `HTTP_PROXY`, unless `NO_PROXY` names the
 * host. This machine is always reached directly.
 *
 * @throws {ConfigError} if a proxy's address is not a URL.
 */
export function outboundAgent(
  url: string,
  options: Agent.Options = {},
  env: NodeJS.ProcessEnv = process.env,
): Dispatcher {
  const { connect } = options;
  const tls = { ...(typeof connect === 'object' ? connect : {}), ...lateAuthorities(env) };
  if (isLoopback(new URL(url).hostname)) return directAgent({ ...options, connect: tls });
  // That of a caller is for the host; a proxy may be anywhere.
  const { lookup: _, ...proxyTls } = tls as typeof tls & { lookup?: LookupFunction };
  return new EnvHttpProxyAgent({
    ...options,
    connect: tls,
    httpProxy: proxyIn(env, 'HTTP_PROXY'),
    httpsProxy: proxyIn(env, 'HTTPS_PROXY'),
    noProxy: env['no_proxy'] || env['NO_PROXY'] || '',
    proxyTls,
    requestTls: proxyTls,
    clientFactory: (proxy, own) => new Tunnels(proxy, { ...own, headersTimeout: tls.timeout ?? TUNNEL_MS }),
  });
}

/** @returns the certificates that a `.env` file adds with `NODE_EXTRA_CA_CERTS`, as Node would have added them. */
function lateAuthorities({ NODE_EXTRA_CA_CERTS: file }: NodeJS.ProcessEnv): { ca?: string[] } {
  if (!file || file === GIVEN_ENV['NODE_EXTRA_CA_CERTS']) return {};
  try {
    return { ca: [...rootCertificates, readFileSync(file, 'utf8')] };
  } catch {
    // As with Node, what cannot be read adds nothing; `doctor` names it.
    return {};
  }
}

/**
 * Checks that a certificate names the host. A certificate that is itself in the file of `NODE_EXTRA_CA_CERTS` needs no name: OpenClaw
 * makes a certificate without any for its gateway.
 *
 * @returns why it is refused
 */
export function checkIdentity(host: string, peer: PeerCertificate): Error | undefined {
  return isTrustedItself(peer) ? undefined : checkServerIdentity(host, peer);
}

function isTrustedItself({ fingerprint256 }: PeerCertificate): boolean {
  const file = process.env['NODE_EXTRA_CA_CERTS'];
  if (!file) return false;
  try {
    const certificates = readFileSync(file, 'utf8').match(/-----BEGIN CERTIFICATE-----[^]*?-----END CERTIFICATE-----/g);
    return certificates?.some((each) => new X509Certificate(each).fingerprint256 === fingerprint256) ?? false;
  } catch {
    return false;
  }
}

/** @returns the agent, which says when it begins to send a request: before that, nothing was sent. */
export function tellingSent(agent: Dispatcher, onSent: () => void): Dispatcher {
  return agent.compose((dispatch) => (options, handler) => {
    const onRequestStart = handler.onRequestStart?.bind(handler);
    handler.onRequestStart = (controller, context) => {
      onRequestStart?.(controller, context);
      if (!controller.aborted) onSent();
    };
    return dispatch(options, handler);
  });
}

/** A proxy's address may come without its scheme, as for curl. */
function proxyIn(env: NodeJS.ProcessEnv, name: string): string {
  const value = (env[name.toLowerCase()] || env[name] || '').trim();
  if (value === '') return '';
  const url = value.includes('://') ? value : `http://${value}`;
  if (URL.canParse(url) && /^https?:$/.test(new URL(url).protocol)) return url;
  throw new ConfigError([{ subject: name, code: 'http_url', params: {}, example: 'http://proxy.example.com:3128' }]);
}

/** Connections to a proxy. Its failures name the proxy, and not the host behind it. */
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
      throw new ProxyError({ proxy: this.address, why: code ?? message ?? '' }, { cause: error });
    }
    if (answer.statusCode === 200) return answer;
    answer.socket.on('error', () => {}).destroy();
    throw new ProxyError({ proxy: this.address, status: answer.statusCode });
  }) as Pool['connect'];
}

/** The proxy did not open a tunnel: the host behind it has received nothing. */
class ProxyError extends Error {
  override readonly name = 'ProxyError';

  constructor(
    readonly proxy: Omit<Cause, 'cause'>,
    options?: ErrorOptions,
  ) {
    const { proxy: address, why, status } = proxy;
    const words =
      status === undefined ? `cannot be used: ${why}` : `answered ${status}; look at HTTPS_PROXY and NO_PROXY`;
    super(`the proxy ${address} ${words}`, options);
  }
}

/** @returns a connection error's code, or its message, which may be empty (happy eyeballs) or long. */
export function describe(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: string };
  // undici's error for a chunked response without its last chunk.
  if (message?.includes('Invalid EOF state')) return 'it was cut before its end';
  return (typeof code === 'string' ? code : message) ?? String(error);
}

/** @returns why a host was not reached. */
export function causeOf(error: unknown): Cause {
  return { cause: describe(error), ...(error instanceof ProxyError && error.proxy) };
}

/** Why a host could not be reached, as an error type that has a sentence in every language. Nothing was sent. */
export type ReachProblem =
  | 'certificate_untrusted'
  | 'certificate_expired'
  | 'certificate_of_another_host'
  | 'proxy_failed'
  | 'unreachable';

/** Why a host did not answer. */
export interface Unreached extends TaskError {
  type: ReachProblem;
}

export function unreached(error: unknown): Unreached {
  const detail = { code: 'unreached', ...causeOf(error) } as const;
  return { type: reachProblem(error), message: detail.cause, detail };
}

/** What Node and OpenSSL call these problems. */
const CERTIFICATE_PROBLEMS: [RegExp, ReachProblem][] = [
  [
    /^(?:DEPTH_ZERO_)?SELF_SIGNED_CERT|^UNABLE_TO_(?:GET_ISSUER|VERIFY_LEAF)|^CERT_(?:UNTRUSTED|REJECTED|SIGNATURE_FAILURE)$|^INVALID_CA$/,
    'certificate_untrusted',
  ],
  [/^CERT_(?:HAS_EXPIRED|NOT_YET_VALID)$/, 'certificate_expired'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$|^HOSTNAME_MISMATCH$/, 'certificate_of_another_host'],
];

/** @returns what kept a request from being sent: a certificate, a proxy, or that nothing answered. */
export function reachProblem(error: unknown): ReachProblem {
  for (let each = error; each instanceof Error; each = each.cause) {
    const { code } = each as NodeJS.ErrnoException;
    const problem = CERTIFICATE_PROBLEMS.find(([codes]) => codes.test(code ?? ''));
    if (problem) return problem[1];
  }
  return error instanceof ProxyError ? 'proxy_failed' : 'unreachable';
}

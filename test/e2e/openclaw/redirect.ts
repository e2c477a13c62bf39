/**
 * Loaded into the gateway (`--import`): connections to the hosts in `REDIRECTED_HOSTS` (JSON, addresses by host) go to stand-ins. LINE's
 * and Feishu's channels have no setting for that, nor have the files of Slack.
 */
import dns from 'node:dns/promises';
import { syncBuiltinESMExports } from 'node:module';
import net from 'node:net';
import tls, { type ConnectionOptions } from 'node:tls';

const stands = JSON.parse(process.env['REDIRECTED_HOSTS'] ?? '{}') as Record<string, string>;

/** The gateway looks up where it sends to, and refuses private addresses. No connection to this one is made. */
const PUBLIC = { address: '8.8.8.8', family: 4 };

const { lookup } = dns;
dns.lookup = (async (host: string, options?: { all?: boolean }) => {
  if (stands[host] === undefined) return await lookup(host, options ?? {});
  return options?.all ? [PUBLIC] : PUBLIC;
}) as typeof dns.lookup;

const { connect } = tls;
tls.connect = ((options: ConnectionOptions, connected?: () => void) => {
  const stand = stands[options.servername ?? options.host ?? ''];
  if (stand === undefined) return connect(options, connected);
  const { hostname, port } = new URL(stand);
  const socket = net.connect(Number(port), hostname);
  return socket.once('connect', () => socket.emit('secureConnect'));
}) as typeof tls.connect;

syncBuiltinESMExports();

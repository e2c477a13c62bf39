/**
 * Which addresses events may be sent to. Programs name them, so a service that posts there could be made to call what only this machine
 * or its network can reach (server-side request forgery).
 */
import { BlockList, isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import type { Refusal } from '../shared/error-detail.ts';

/** Longest address, in characters. */
const MAX_CHARS = 2_048;

/** Hosts, addresses and networks that events may be sent to although they are not public: `KIMI_NOTIFY_ALLOW`. */
export class AllowedHosts {
  private readonly names: Set<string>;
  private readonly networks = new BlockList();

  constructor(entries: readonly string[]) {
    this.names = new Set(entries.map((entry) => entry.toLowerCase()));
    for (const entry of entries) {
      const [address = '', bits] = entry.split('/');
      const family = familyOf(address);
      if (family) this.networks.addSubnet(address, Number(bits ?? (family === 'ipv4' ? 32 : 128)), family);
    }
  }

  /** @param host of a URL: a name in lower case, or an address without brackets */
  has(host: string): boolean {
    const address = isLocalhost(host) ? '127.0.0.1' : host;
    const family = familyOf(address);
    return this.names.has(host) || (family !== undefined && this.networks.check(address, family));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' | undefined {
  return ({ 4: 'ipv4', 6: 'ipv6' } as const)[isIP(address)];
}

/** `localhost` is this machine, whatever a resolver returns (RFC 6761). */
function isLocalhost(host: string): boolean {
  return /^(?:.+\.)?localhost\.?$/.test(host);
}

/** The part of IPv6 that is assigned to the public internet (RFC 4291, IANA). */
const GLOBAL = ipaddr.IPv6.parseCIDR('2000::/3');

/** @returns whether an address belongs to the public internet; one in IPv6 that stands for one in IPv4 counts as that. */
export function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  if (parsed.range() !== 'unicast') return false;
  return parsed.kind() === 'ipv4' || parsed.match(...GLOBAL);
}

/**
 * @returns why no event is sent to an address, as far as it says so itself: what a name resolves to is checked at each connection.
 *   Decimal, octal and hexadecimal forms of an address are read as the URL standard says.
 */
export function refusalOf(address: string, allowed: AllowedHosts): Refusal | undefined {
  if (address.length > MAX_CHARS || !URL.canParse(address)) return 'no_url';
  const { protocol, username, password, hostname } = new URL(address);
  if (!/^https?:$/.test(protocol)) return 'no_url';
  if (username || password) return 'credentials';
  const host = hostname.replace(/^\[(?<address>.*)\]$/, '$<address>');
  if (allowed.has(host)) return undefined;
  if (isLocalhost(host) || (isIP(host) && !isPublic(host))) return 'private';
  return protocol === 'http:' ? 'clear' : undefined;
}

/** @returns an address fit to be shown or recorded: without the user info and query, where people put secrets. */
export function publicAddress(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}${pathname}`;
}

/** @returns whether a host, without its port, is this machine to itself alone. */
export function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}

/** @returns the address at which what listens on a host is reached from this machine: every interface means loopback too. */
export function httpAddress(host: string, port: number): string {
  const reached = host === '' || host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host;
  return `http://${authority(reached, port)}`;
}

/** @returns `host:port`, an IPv6 address in brackets. */
export function authority(host: string, port: number | string): string {
  return `${host.includes(':') && !host.startsWith('[') ? `[${host}]` : host}:${port}`;
}

import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http';
import { isLoopback } from './address.ts';

/**
 * Whether a request may come from a web page of another site: a page whose name was made to point to this machine (DNS
 * rebinding) sends that name as `Host`, and a page that calls us by our own address sends its `Origin`. Programs send no
 * `Origin`, and those that speak HTTP/1.0 may send no `Host`; a browser always does.
 *
 * @param origins other origins that may ask, e.g. `https://temporal.example.com`
 */
export function isForeign({ host, origin }: IncomingHttpHeaders, origins: readonly string[] = []): boolean {
  const isOurs = (name: string): boolean => origins.some((allowed) => new URL(allowed).host === name);
  if (host !== undefined && !isLoopback(host.replace(/:\d{1,5}$/, '')) && !isOurs(host)) return true;
  return origin !== undefined && origin !== `http://${host}` && !origins.includes(origin);
}

/**
 * Refuses what may come from a web page of another site, with 403. Where others can reach a service, they call it by names
 * that it does not know: then it is not in the way.
 *
 * @param listensOn the address that the service listens on
 */
export function hostCheck(
  listensOn: string,
  app: RequestListener,
  { origins = [], except = () => false }: { origins?: string[]; except?: (request: IncomingMessage) => boolean } = {},
): RequestListener {
  if (!isLoopback(listensOn)) return app;
  return (request, response) => {
    if (except(request) || !isForeign(request.headers, origins)) {
      app(request, response);
      return;
    }
    const error = { code: 'foreign_host', message: 'this address is for programs of this machine only' };
    const body = JSON.stringify({ error });
    response.writeHead(403, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': Buffer.byteLength(body),
      connection: 'close',
    });
    response.end(body);
  };
}

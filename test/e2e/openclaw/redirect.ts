/**
 * Loaded into the gateway (`--import`): requests to the hosts in `REDIRECTED_HOSTS` (JSON, addresses by host) go to stand-ins. LINE's and
 * Feishu's channels have no setting for that.
 */
import http, { type RequestOptions } from 'node:http';
import https from 'node:https';

const stands = JSON.parse(process.env['REDIRECTED_HOSTS'] ?? '{}') as Record<string, string>;

const { fetch } = globalThis;
const redirected = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
  if (input instanceof Request) return await fetch(input, init);
  const url = new URL(input);
  const stand = stands[url.hostname];
  return await fetch(stand === undefined ? url : new URL(`${url.pathname}${url.search}`, stand), init);
};
// The gateway uses its own client, except where `fetch` looks like a mock of its tests.
globalThis.fetch = Object.assign(redirected, { mock: {} });

// Of Feishu's client (axios).
const { request } = https;
https.request = ((options: RequestOptions, answered?: (response: http.IncomingMessage) => void) => {
  const stand = stands[options.hostname ?? ''];
  if (stand === undefined) return request(options, answered);
  const { hostname, port } = new URL(stand);
  return http.request({ ...options, protocol: 'http:', hostname, port, agent: undefined }, answered);
}) as typeof https.request;

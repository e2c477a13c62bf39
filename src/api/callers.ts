/** Who sent a request to the API. */
import type { IncomingMessage } from 'node:http';
import type { RequestHandler } from 'express';
import { rateLimit } from 'express-rate-limit';
import type { Logger } from 'pino';
import { HttpError, isForeign, isLoopback } from '../service/http.ts';
import type { Caller } from '../shared/access.ts';
import { holderOf } from './tokens.ts';

const callers = new WeakMap<IncomingMessage, Caller>();

/** @returns who sent a request. */
export function callerOf(request: IncomingMessage): Caller {
  const caller = callers.get(request);
  if (!caller) throw new Error('the request was not authenticated');
  return caller;
}

/** @returns the name of the token that a request was sent with. */
export function tokenOf(request: IncomingMessage): string | undefined {
  const caller = callerOf(request);
  return caller.by === 'token' ? caller.name : undefined;
}

/** Accepts every request: for a socket that only this user can open. */
export const fromThisUser: RequestHandler = (request, _response, next) => {
  callers.set(request, { by: 'user' });
  next();
};

export interface TcpOptions {
  /** The folder with the tokens. */
  home: string;
  /** The address that the server listens on. */
  host: string;
  /** Most requests of a token in a minute; 0 is unlimited. */
  perMinute: number;
  log: Logger;
}

const MINUTE_MS = 60_000;

/** For a TCP port: checks the token of a request and its limit, before any body is read. */
export function fromTokens({ home, host, perMinute, log }: TcpOptions): RequestHandler[] {
  const authenticate: RequestHandler = async (request, response, next) => {
    const [, token] = /^Bearer +([\x21-\x7E]{1,200})$/i.exec(request.get('authorization') ?? '') ?? [];
    const holder = token === undefined ? undefined : await holderOf(home, token).catch(unreadable(log));
    if (!holder) {
      response.set('WWW-Authenticate', 'Bearer realm="Kimi Dispatch"');
      const wanted =
        token === undefined ? 'Send a token: Authorization: Bearer TOKEN' : 'The token is unknown or revoked';
      throw new HttpError(401, 'unauthorized', wanted);
    }
    callers.set(request, holder);
    next();
  };
  const limit = rateLimit({
    windowMs: MINUTE_MS,
    limit: perMinute,
    standardHeaders: 'draft-8',
    legacyHeaders: false,
    keyGenerator: (request) => nameOf(callerOf(request)),
    handler: (_request, _response, next) => {
      next(new HttpError(429, 'rate_limited', `The token has sent more than ${perMinute} requests in this minute`));
    },
  });
  return [refusePages(host), authenticate, ...(perMinute > 0 ? [limit] : [])];
}

function nameOf(caller: Caller): string {
  return caller.by === 'token' ? caller.name : caller.by;
}

function unreadable(log: Logger): (error: unknown) => never {
  return (error) => {
    log.error({ err: error }, 'no token can be checked');
    throw new HttpError(503, 'tokens_unreadable', 'The tokens cannot be read; the reason is in the log');
  };
}

/**
 * Refuses web pages of other sites. An address that other machines can reach has names that are not known here: there, only a page
 * of another name than that of the request is refused.
 */
function refusePages(listensOn: string): RequestHandler {
  const isOfOtherSite = isLoopback(listensOn)
    ? isForeign
    : ({ host, origin }: IncomingMessage['headers']) =>
        origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host);
  return ({ headers }, _response, next) => {
    if (isOfOtherSite(headers))
      throw new HttpError(403, 'foreign_host', 'This address is for programs, and not for web pages of other sites');
    next();
  };
}

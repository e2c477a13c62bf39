import type { Request, RequestHandler } from 'express';
import { HttpError, isForeign, secretCheck } from '../service/http.ts';
import type { LiveReport } from '../report/live.ts';
import { contentPolicy } from '../report/page.ts';

export interface DashboardOptions {
  report: Pick<LiveReport, 'page'>;
  /** Who has it may read, wherever they are. Without it, this machine may. */
  token?: string | undefined;
}

/** What the browser is to keep from everybody else, and from itself. */
const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `${contentPolicy(true)}; frame-ancestors 'none'`,
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Serves the report that renews itself, to whoever may read it. */
export function createDashboard({ report, token }: DashboardOptions): RequestHandler {
  const check = token === undefined ? requireThisMachine : requireToken(token);
  return async (request, response) => {
    // A browser asks for a login by this header; it is left out where the answer is the page.
    if (token !== undefined) response.set('WWW-Authenticate', 'Basic realm="Kimi Dispatch", charset="UTF-8"');
    check(request);
    response.removeHeader('WWW-Authenticate');
    response.set(HEADERS).end(await report.page());
  };
}

/** What proxies say of those they speak for. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * A stranger's page that had its own name point to this machine (DNS rebinding) sends that name. A proxy in front would let
 * in everybody it serves.
 */
function requireThisMachine(request: Request): void {
  if (
    isForeign({ ...request.headers, host: request.headers.host ?? '' }) ||
    FORWARDED.some((name) => request.headers[name] !== undefined)
  ) {
    throw new HttpError(
      403,
      'not_this_machine',
      'this page is for this machine only; elsewhere, set KIMI_DASHBOARD_TOKEN',
    );
  }
}

/** Basic authentication is what browsers ask for by themselves, and remember for this origin. Any user name will do. */
function requireToken(token: string): (request: Request) => void {
  const isOurs = secretCheck(token);
  return (request) => {
    const [, base64 = ''] = /^Basic +([\w+/=]+)$/i.exec(request.get('authorization') ?? '') ?? [];
    const [, given = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(base64, 'base64').toString()) ?? [];
    if (!isOurs(given)) {
      throw new HttpError(401, 'bad_dashboard_token', 'the password is KIMI_DASHBOARD_TOKEN; any user name will do');
    }
  };
}

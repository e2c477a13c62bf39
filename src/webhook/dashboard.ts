import type { Request, RequestHandler } from 'express';
import { HttpError, isForeign, secretCheck } from '../service/http.ts';
import type { LiveReport } from '../report/live.ts';
import { contentPolicy } from '../report/page.ts';

export interface DashboardOptions {
  report: Pick<LiveReport, 'page'>;
  /** Password of the page. Without it, only this machine may read the page. */
  token?: string | undefined;
}

/** Keep the page out of frames, caches, referrers and other origins. */
const HEADERS = {
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `${contentPolicy(true)}; frame-ancestors 'none'`,
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

/** Serves the live report to authorized readers. */
export function createDashboard({ report, token }: DashboardOptions): RequestHandler {
  const check = token === undefined ? requireThisMachine : requireToken(token);
  return async (request, response) => {
    // Makes a browser ask for the password; removed again if the answer is the page.
    if (token !== undefined) response.set('WWW-Authenticate', 'Basic realm="Kimi Dispatch", charset="UTF-8"');
    check(request);
    response.removeHeader('WWW-Authenticate');
    response.set(HEADERS).end(await report.page());
  };
}

/** Headers that proxies add. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * A web page whose name was made to point to this machine (DNS rebinding) sends that name as `Host`. A request through a proxy
 * may come from any of the proxy's clients.
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

/** Basic authentication: browsers ask for the password and remember it for this origin. The user name is ignored. */
function requireToken(token: string): (request: Request) => void {
  const isOurs = secretCheck(token);
  return (request) => {
    const [, base64 = ''] = /^Basic +([\w+/=]+)$/i.exec(request.get('authorization') ?? '') ?? [];
    const [, given = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(base64, 'base64').toString()) ?? [];
    if (!isOurs(given)) {
      throw new HttpError(401, 'bad_dashboard_token', 'the password is KIMI_DASHBOARD_TOKEN, with any user name');
    }
  };
}

import { Router, text, type ErrorRequestHandler, type Request, type RequestHandler } from 'express';
import { keyOf } from '../api/operation.ts';
import { detailsOf } from '../api/problems.ts';
import { allow, notFound } from '../service/express.ts';
import { HttpError, isForeign, secretCheck } from '../service/http.ts';
import { may, type Deed } from '../shared/access.ts';
import { TASK_ID } from '../shared/task-id.ts';
import type { LiveReport } from '../report/live.ts';
import { contentPolicy } from '../report/page.ts';
import type { Reader } from '../report/reader.ts';
import { MAX_PROMPT_BYTES } from '../shared/task.ts';
import { linkIn } from './answer-link.ts';

export interface DashboardOptions {
  report: Pick<LiveReport, 'page'>;
  /** Pages of tasks, with their answers; absent if they are not shown. */
  reader?: Pick<Reader, 'page' | 'markdown' | 'may' | 'cancel' | 'continue'> | undefined;
  /** Password of the page. Without it, only this machine may read the page. */
  token?: string | undefined;
  /** Secrets that links to single answers may be signed with. */
  linkSecrets?: readonly string[] | undefined;
}

/** Keep what is read out of frames, caches, referrers and other origins. */
const HEADERS = {
  'Cache-Control': 'no-store',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
};

const PAGE_HEADERS = {
  ...HEADERS,
  'Content-Type': 'text/html; charset=utf-8',
  'Content-Security-Policy': `${contentPolicy(true)}; frame-ancestors 'none'`,
};

const DOWNLOAD_HEADERS = {
  ...HEADERS,
  'Content-Type': 'text/markdown; charset=utf-8',
  'Content-Security-Policy': "default-src 'none'; sandbox",
};

/** Serves the live report, and the pages of tasks, to authorized readers. */
export function createDashboard({ report, reader, token, linkSecrets = [] }: DashboardOptions): RequestHandler {
  const check = token === undefined ? requireThisMachine : requireToken(token);
  const linkOf = (request: Request): string | undefined => linkIn(request.originalUrl, idOf(request), linkSecrets);
  // A reader with the password may do everything; the holder of a link may read its task.
  const allowed =
    (deed: Deed): RequestHandler =>
    (request, response, next) => {
      const task_id = idOf(request);
      const mayByLink = linkOf(request) !== undefined && may({ by: 'link', task_id }, deed, { task_id });
      return mayByLink ? next() : check(request, response, next);
    };
  const router = Router({ strict: true, caseSensitive: true });

  router
    .route('/')
    .get(check, async (_request, response) => {
      response.set(PAGE_HEADERS).end(await report.page());
    })
    .all(allow('GET'));
  if (!reader) return router;

  router
    .route('/tasks/:taskId')
    .get(allowed('read'), async (request, response) => {
      const { status, page } = await reader.page(idOf(request), linkOf(request));
      response.status(status).set(PAGE_HEADERS).end(page);
    })
    .all(allow('GET'));

  router
    .route('/tasks/:taskId/answer.md')
    .get(allowed('read'), async (request, response) => {
      const answer = await reader.markdown(idOf(request));
      if (!answer) throw notFound();
      response.attachment(fileName(answer.name)).set(DOWNLOAD_HEADERS).end(answer.text);
    })
    .all(allow('GET'));

  const { may: offered } = reader;
  if (offered.cancel) {
    router
      .route('/tasks/:taskId/cancel')
      .post(allowed('change'), requireOwnPage, async (request, response) => {
        await reader.cancel(idOf(request));
        response.json({ status: 'cancelled' });
      })
      .all(allow('POST'), asHttpError);
  }
  if (offered.continue) {
    router
      .route('/tasks/:taskId/continue')
      .post(allowed('start'), requireOwnPage, text({ limit: MAX_PROMPT_BYTES }), async (request, response) => {
        const prompt: unknown = request.body;
        const asked = typeof prompt === 'string' ? prompt : '';
        response.status(201).json({ task_id: await reader.continue(idOf(request), asked, keyOf(request)) });
      })
      .all(allow('POST'), asHttpError);
  }
  return router;
}

function idOf({ params }: Request): string {
  const { taskId } = params;
  if (typeof taskId !== 'string' || !TASK_ID.test(taskId)) throw notFound();
  return taskId;
}

/** @returns the name of a file that every system can store. */
function fileName(taskName: string): string {
  return `${taskName.replaceAll(/[^\p{L}\p{M}\p{N}._-]+/gu, '-').replace(/^\.+/, '') || 'answer'}.md`;
}

/**
 * A browser sends the password with every request to this origin, also with those of other sites' pages (CSRF). It says where a request
 * comes from in `Sec-Fetch-Site`, or, at an address without TLS, in `Origin`.
 */
const requireOwnPage: RequestHandler = ({ headers }, _response, next) => {
  const { host, origin, 'sec-fetch-site': site } = headers;
  const isOwn =
    site === undefined
      ? origin !== undefined && URL.canParse(origin) && new URL(origin).host === host
      : site === 'same-origin';
  if (!isOwn) throw new HttpError(403, 'foreign_page', 'only the page of the task may do this');
  next();
};

/** Problems of tasks have the codes and statuses of the API. */
const asHttpError: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  const details = detailsOf(error);
  next(details ? new HttpError(details.status, details.code, details.title) : error);
};

/** Headers that proxies add. */
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip'];

/**
 * A web page whose name was made to point to this machine (DNS rebinding) sends that name as `Host`. A request through a proxy
 * may come from any of the proxy's clients.
 */
const requireThisMachine: RequestHandler = (request, _response, next) => {
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
  next();
};

/** Basic authentication: browsers ask for the password and remember it for this origin. The user name is ignored. */
function requireToken(token: string): RequestHandler {
  const isOurs = secretCheck(token);
  return (request, response, next) => {
    const [, base64 = ''] = /^Basic +([\w+/=]+)$/i.exec(request.get('authorization') ?? '') ?? [];
    const [, given = ''] = /^[^:]*:(.*)$/s.exec(Buffer.from(base64, 'base64').toString()) ?? [];
    if (!isOurs(given)) {
      // Makes a browser ask for the password.
      response.set('WWW-Authenticate', 'Basic realm="Kimi Dispatch", charset="UTF-8"');
      throw new HttpError(401, 'bad_dashboard_token', 'the password is KIMI_DASHBOARD_TOKEN, with any user name');
    }
    next();
  };
}

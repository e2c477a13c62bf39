import type { Response } from 'express';
import { HttpError } from '../service/http.ts';

/** An error response of Kimi, or a gateway's page. Live bodies were observed to have no `code`. */
export class Refusal extends HttpError {
  override readonly name = 'Refusal';

  constructor(
    status: number,
    /** `undefined` for a page of the gateway in front of Kimi. */
    readonly type: string | undefined,
    message: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(status, type ?? 'web_page', message);
  }

  /** @returns `{"error": {"message", "type"}}` */
  get body(): { error: { message: string; type: string | undefined } } {
    return { error: { message: this.message, type: this.type } };
  }

  send(response: Response): void {
    response.status(this.status).set(this.headers);
    if (this.type === undefined) response.type('html').send(this.message);
    else response.json(this.body);
  }
}

type Row = readonly [status: number, type: string | undefined, message: string, headers?: Record<string, string>];

const ACCOUNT = 'org-simulated0000000000000000<ak-simulated00000000000>';
/** A live 429 had both headers, another had neither. */
const AFTER_1_S = { 'retry-after': '1', 'x-retry-after': '1' };

/**
 * The errors that Kimi was observed to return, under names of our own.
 *
 * `[[simulate: status=…]]` gives the first row with that status.
 */
export const REFUSALS = {
  'invalid-request': [400, 'invalid_request_error', 'Invalid request: as the simulation was asked'],
  'content-filter': [400, 'content_filter', 'The request was rejected because it was considered high risk'],
  'input-too-long': [400, 'invalid_request_error', 'Input token length too long'],
  'over-context': [
    400,
    'invalid_request_error',
    'Invalid request: Your request exceeded model token limit: 262144 (requested: 274613)',
  ],
  'bad-key': [401, 'invalid_authentication_error', 'Invalid Authentication'],
  'no-key': [401, 'incorrect_api_key_error', 'Incorrect API key provided'],
  'not-open': [403, 'permission_denied_error', 'The API you are accessing is not open'],
  'other-user': [403, 'permission_denied_error', 'You are not allowed to get other user info'],
  ip: [403, 'permission_denied_error', 'Your IP is not allowed to access this organization'],
  'no-model': [404, 'resource_not_found_error', 'Not found the model simulated-model or Permission denied'],
  'rate-limit': [
    429,
    'rate_limit_reached_error',
    'Organization Rate limit exceeded, please try again after 1 seconds',
    AFTER_1_S,
  ],
  concurrency: [
    429,
    'rate_limit_reached_error',
    `Your account ${ACCOUNT} request reached organization max concurrency: 1, please try again after 1 seconds`,
    AFTER_1_S,
  ],
  rpm: [
    429,
    'rate_limit_reached_error',
    `Your account ${ACCOUNT} request reached organization max RPM: 3, please try again after 1 seconds`,
  ],
  tpm: [
    429,
    'rate_limit_reached_error',
    `Your account ${ACCOUNT} request reached organization TPM rate limit, current: 500001, limit: 500000`,
  ],
  tpd: [
    429,
    'rate_limit_reached_error',
    `Your account ${ACCOUNT} request reached organization TPD rate limit, current: 1500001, limit: 1500000`,
  ],
  overloaded: [429, 'engine_overloaded_error', 'The engine is currently overloaded, please try again later'],
  suspended: [
    429,
    'exceeded_current_quota_error',
    `Your account ${ACCOUNT} is suspended, please check your plan and billing details`,
  ],
  quota: [
    429,
    'exceeded_current_quota_error',
    'You exceeded your current token quota: 0, please check your account balance',
  ],
  'client-closed': [499, 'client_closed_request', 'The client closed the request before it was answered'],
  'server-error': [500, 'server_error', 'invalid state transition'],
  'unexpected-output': [500, 'unexpected_output', 'invalid state transition'],
  // No recording shows this body.
  unavailable: [503, 'server_unavailable', 'The service is temporarily unavailable, please try again later'],
  'gateway-timeout': [
    504,
    undefined,
    '<html>\r\n<head><title>504 Gateway Time-out</title></head>\r\n<body>\r\n<center><h1>504 Gateway Time-out</h1></center>\r\n</body>\r\n</html>\r\n',
  ],
} as const satisfies Record<string, Row>;

/** @returns a row of the table as an error. */
export function refusal(name: keyof typeof REFUSALS): Refusal {
  return fromRow(REFUSALS[name]);
}

/** @returns the first row with this status (and type, if given); an error of our own if there is none. */
export function refusalWith(status: number, type?: string): Refusal {
  const row = Object.values<Row>(REFUSALS).find((row) => row[0] === status && (type === undefined || row[1] === type));
  return row ? fromRow(row) : new Refusal(status, type ?? 'server_error', 'as the simulation was asked');
}

/** @returns 400 for an invalid request. */
export function invalid(message: string): Refusal {
  return new Refusal(400, 'invalid_request_error', message);
}

function fromRow([status, type, message, headers]: Row): Refusal {
  return new Refusal(status, type, message, headers);
}

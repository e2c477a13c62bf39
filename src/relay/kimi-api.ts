import type { Account } from '../kimi/account.ts';
import { KimiError } from '../kimi/errors.ts';
import { KimiHttp, type HttpResponse } from '../kimi/http.ts';
import { parseJson, readRefusal } from '../kimi/refusal.ts';

/** Kimi's API beside completions, with the relay's key. */
export class KimiApi {
  private readonly http: KimiHttp | undefined;

  /** @param silenceMs how long Kimi may be silent, in milliseconds */
  constructor({ apiUrl, apiKey }: Account, silenceMs: number) {
    if (apiKey) this.http = new KimiHttp({ url: apiUrl, key: apiKey, timeoutMs: silenceMs });
  }

  /**
   * @param limit of the response, in bytes
   * @returns the text of a successful response
   * @throws {KimiError}
   */
  async call(request: (http: KimiHttp) => Promise<HttpResponse>, limit: number): Promise<string> {
    const { http } = this;
    if (!http) throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
    const response = await request(http);
    const body = await http.readText(response, limit);
    const { statusCode, headers } = response;
    if (statusCode >= 200 && statusCode < 300) return body;
    throw readRefusal(statusCode, headers, parseJson(body) ?? body);
  }
}

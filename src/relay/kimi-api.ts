import type { Account } from '../kimi/account.ts';
import { KimiError } from '../kimi/errors.ts';
import { KimiHttp, type HttpResponse } from '../kimi/http.ts';
import { parseJson, readRefusal } from '../kimi/refusal.ts';
import { describe } from '../service/outbound.ts';

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
    const http = this.opened();
    const response = await request(http);
    const body = await http.readText(response, limit);
    const { statusCode, headers } = response;
    if (isSuccess(response)) return body;
    throw readRefusal(statusCode, headers, parseJson(body) ?? body);
  }

  /**
   * @param limit of a line, in UTF-16 units
   * @returns the lines of a successful response as they are received
   * @throws {KimiError}
   */
  async *lines(request: (http: KimiHttp) => Promise<HttpResponse>, limit: number): AsyncGenerator<string> {
    const http = this.opened();
    const response = await request(http);
    const { statusCode, headers, body } = response;
    if (!isSuccess(response)) throw readRefusal(statusCode, headers, await http.readJson(response, limit));
    const decoder = new TextDecoder();
    let rest = '';
    try {
      for await (const bytes of body) {
        const lines = (rest + decoder.decode(bytes, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        if (rest.length > limit) throw new Error(`a line is over ${limit} characters`);
        for (const line of lines) yield http.withoutKey(line);
      }
    } catch (error) {
      throw new KimiError('interrupted', 'interrupted', describe(error), { cause: error });
    }
    if (rest !== '') yield http.withoutKey(rest);
  }

  private opened(): KimiHttp {
    const { http } = this;
    if (http) return http;
    throw new KimiError('refused', 'no_api_key', 'KIMI_API_KEY is not set in the relay’s environment');
  }
}

function isSuccess({ statusCode }: HttpResponse): boolean {
  return statusCode >= 200 && statusCode < 300;
}

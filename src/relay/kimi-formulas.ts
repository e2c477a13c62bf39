import * as z from 'zod';
import type { Account } from '../kimi/account.ts';
import { KimiError } from '../kimi/errors.ts';
import { FORMULAS } from '../kimi/formulas.ts';
import type { HttpResponse, KimiHttp } from '../kimi/http.ts';
import { parseJson } from '../kimi/refusal.ts';
import type { Tool } from '../shared/task.ts';
import { KimiApi } from './kimi-api.ts';

/** Definition of a function, as it goes into a request. */
const definition = z.looseObject({ function: z.looseObject({ name: z.string().min(1) }) });
const definitions = z.object({ tools: z.array(definition).min(1) });

export type Definition = z.infer<typeof definition>;

const fiber = z.object({
  status: z.string(),
  context: z
    .object({ output: z.string().nullish(), encrypted_output: z.string().nullish(), error: z.unknown().optional() })
    .nullish(),
  error: z.unknown().optional(),
});

/** What a tool returned: `clear` if it can be read here. */
export type Returned = { content: string; clear: boolean } | { failed: string };

/** How long Kimi may be silent, in milliseconds: it runs the tool before it answers. */
const SILENCE_MS = 120_000;

/** Largest list of definitions, and largest result of a tool, in bytes. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Moonshot's Formula API: `GET /formulas/{uri}/tools`, `POST /formulas/{uri}/fibers`. */
export class KimiFormulas {
  private readonly api: KimiApi;

  constructor(account: Account) {
    this.api = new KimiApi(account, SILENCE_MS);
  }

  /** @returns the functions of a tool. It is free. @throws {KimiError} `refused`, `turned_away`, `not_sent` or `outcome_unknown` */
  async definitions(tool: Tool, signal: AbortSignal): Promise<Definition[]> {
    const json = await this.call((http) => http.send('GET', `formulas/${FORMULAS[tool]}/tools`, { signal }));
    const parsed = definitions.safeParse(json);
    if (parsed.success) return parsed.data.tools;
    throw new KimiError('not_sent', 'malformed_answer', 'Kimi’s list of a tool’s functions has another form');
  }

  /**
   * Runs a tool. A successful call is paid for.
   *
   * @param args as the model wrote them
   * @throws {KimiError} `turned_away` or `not_sent` if it was not run, `outcome_unknown` if it may have been
   */
  async run(tool: Tool, name: string, args: string, signal: AbortSignal): Promise<Returned> {
    try {
      const body = { name, arguments: args };
      const json = await this.call((http) => http.post(`formulas/${FORMULAS[tool]}/fibers`, { signal, body }));
      const { data } = fiber.safeParse(json);
      const { output, encrypted_output } = data?.context ?? {};
      const content = output ?? encrypted_output;
      if (data?.status === 'succeeded' && content) return { content, clear: Boolean(output) };
      return { failed: `the tool returned nothing (${data?.status ?? 'unknown form'})` };
    } catch (error) {
      if (error instanceof KimiError && error.kind === 'refused') return { failed: error.message };
      throw error;
    }
  }

  private async call(request: (http: KimiHttp) => Promise<HttpResponse>): Promise<unknown> {
    return parseJson(await this.api.call(request, MAX_BYTES));
  }
}

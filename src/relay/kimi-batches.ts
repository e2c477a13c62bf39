import * as z from 'zod';
import type { Account } from '../kimi/account.ts';
import { KimiError } from '../kimi/errors.ts';
import type { HttpResponse, KimiHttp } from '../kimi/http.ts';
import { parseJson } from '../kimi/refusal.ts';
import { MAX_CALLBACK_BYTES } from '../shared/callback.ts';
import { KimiApi } from './kimi-api.ts';

const batch = z.object({
  id: z.string().min(1),
  status: z.string(),
  output_file_id: z.string().nullish(),
  error_file_id: z.string().nullish(),
  metadata: z.record(z.string(), z.unknown()).nullish(),
  errors: z.unknown().optional(),
});
const list = z.object({ data: z.array(batch), has_more: z.boolean().nullish() });

/** A batch at Moonshot. `status`: `validating`, `in_progress`, `finalizing`, `completed`, `failed`, `expired`, `cancelling`, `cancelled`. */
export type Batch = z.infer<typeof batch>;

/** What a batch is found again by, and what else is kept with it. */
export type BatchMetadata = { task_id: string } & Record<string, string>;

/** How long Kimi may be silent, in milliseconds. */
const SILENCE_MS = 60_000;

/** Batches of a page, and pages that are looked through. */
const PAGE = 100;
const PAGES = 20;

/**
 * Moonshot's batch API: `POST /batches`, `GET /batches`, `GET /batches/{id}`, `POST /batches/{id}/cancel`.
 *
 * Its {@link KimiError} is `refused`, `turned_away` or `not_sent`; only {@link create} can have an unknown outcome.
 */
export class KimiBatches {
  private readonly api: KimiApi;

  constructor(account: Account) {
    this.api = new KimiApi(account, SILENCE_MS);
  }

  /** @param window e.g. `24h` */
  async create(input_file_id: string, metadata: BatchMetadata, window: string, signal: AbortSignal): Promise<Batch> {
    const body = { input_file_id, endpoint: '/v1/chat/completions', completion_window: window, metadata };
    return await this.call(batch, async (http) => await http.post('batches', { signal, body }));
  }

  async get(id: string, signal: AbortSignal): Promise<Batch> {
    const path = `batches/${encodeURIComponent(id)}`;
    return await repeatable(
      async () => await this.call(batch, async (http) => await http.send('GET', path, { signal })),
    );
  }

  /** @returns the batch of a task; `undefined` if there is none. */
  async find(task_id: string, signal: AbortSignal): Promise<Batch | undefined> {
    let after = '';
    for (let page = 0; page < PAGES; page += 1) {
      const path = `batches?limit=${PAGE}${after && `&after=${encodeURIComponent(after)}`}`;
      const { data, has_more: hasMore } = await repeatable(
        async () => await this.call(list, async (http) => await http.send('GET', path, { signal })),
      );
      const found = data.find(({ metadata }) => metadata?.['task_id'] === task_id);
      if (found || !hasMore) return found;
      after = data.at(-1)?.id ?? '';
    }
    return undefined;
  }

  async cancel(id: string, signal: AbortSignal): Promise<void> {
    const path = `batches/${encodeURIComponent(id)}/cancel`;
    await repeatable(async () => await this.call(batch, async (http) => await http.post(path, { signal, body: {} })));
  }

  private async call<T extends z.ZodType>(
    shape: T,
    request: (http: KimiHttp) => Promise<HttpResponse>,
  ): Promise<z.infer<T>> {
    const parsed = shape.safeParse(parseJson(await this.api.call(request, MAX_CALLBACK_BYTES)));
    if (parsed.success) return parsed.data;
    throw new KimiError('outcome_unknown', 'malformed_answer', 'Kimi’s answer about a batch has another form');
  }
}

async function repeatable<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (error) {
    throw error instanceof KimiError && error.kind === 'outcome_unknown' ? error.asNotSent() : error;
  }
}

import { FormData } from 'undici';
import * as z from 'zod';
import type { Account } from '../kimi/account.ts';
import { KimiError } from '../kimi/errors.ts';
import { MAX_PROMPT_BYTES } from '../shared/task.ts';
import { KimiApi } from './kimi-api.ts';

/** Moonshot's files API: `POST /files`, `GET /files`, `GET /files/{id}/content`, `DELETE /files/{id}`. It is free. */
export interface UploadedFile {
  id: string;
  filename: string;
  /** Seconds since 1970. */
  created_at: number;
}

const uploaded = z.object({ id: z.string().min(1), filename: z.string(), created_at: z.number() });
const list = z.object({ data: z.array(uploaded) });

/** How long Kimi may be silent, in milliseconds: it extracts the text before it answers. */
const SILENCE_MS = 300_000;

/** Largest list, and largest text of a file in JSON, in bytes. */
const MAX_LIST_BYTES = 4_000_000;
const MAX_TEXT_BYTES = 7 * MAX_PROMPT_BYTES;

type Method = 'GET' | 'POST' | 'DELETE';

/** Files of an account at Kimi. Each call may be repeated; its {@link KimiError} is `refused`, `turned_away` or `not_sent`. */
export class KimiFiles {
  private readonly api: KimiApi;

  constructor(account: Account) {
    this.api = new KimiApi(account, SILENCE_MS);
  }

  async upload(
    name: string,
    content: Buffer,
    signal: AbortSignal,
    purpose: 'file-extract' | 'batch' = 'file-extract',
  ): Promise<UploadedFile> {
    const form = new FormData();
    form.set('purpose', purpose);
    form.set('file', new Blob([content]), name);
    return await this.json(uploaded, 'POST', 'files', signal, form);
  }

  async list(signal: AbortSignal): Promise<UploadedFile[]> {
    return (await this.json(list, 'GET', 'files', signal)).data;
  }

  /** @returns the extracted text, in Kimi's own form: it goes into a message as it is. */
  async text(id: string, signal: AbortSignal): Promise<string> {
    return await this.call('GET', `files/${encodeURIComponent(id)}/content`, signal, MAX_TEXT_BYTES);
  }

  /** @returns the lines of a file as they are received. @param limit of a line, in UTF-16 units */
  async *lines(id: string, limit: number, signal: AbortSignal): AsyncGenerator<string> {
    const path = `files/${encodeURIComponent(id)}/content`;
    try {
      yield* this.api.lines(async (http) => await http.send('GET', path, { signal }), limit);
    } catch (error) {
      throw error instanceof KimiError ? repeatable(error) : error;
    }
  }

  /** Removes a file; that it is gone is no error. */
  async remove(id: string, signal: AbortSignal): Promise<void> {
    await this.call('DELETE', `files/${encodeURIComponent(id)}`, signal, MAX_LIST_BYTES).catch((error: unknown) => {
      if (!(error instanceof KimiError) || error.type !== 'resource_not_found_error') throw error;
    });
  }

  private async json<T extends z.ZodType>(
    shape: T,
    method: Method,
    path: string,
    signal: AbortSignal,
    form?: FormData,
  ): Promise<z.infer<T>> {
    const text = await this.call(method, path, signal, MAX_LIST_BYTES, form);
    try {
      return shape.parse(JSON.parse(text));
    } catch (error) {
      throw new KimiError('not_sent', 'malformed_answer', 'Kimi’s answer about a file has another form', {
        cause: error,
      });
    }
  }

  private async call(
    method: Method,
    path: string,
    signal: AbortSignal,
    limit: number,
    form?: FormData,
  ): Promise<string> {
    try {
      return await this.api.call(
        async (http) => await http.send(method, path, { signal, ...(form && { form }) }),
        limit,
      );
    } catch (error) {
      throw error instanceof KimiError ? repeatable(error) : error;
    }
  }
}

/** A file may be uploaded again: the earlier upload is found by its name. A file that cannot be extracted will not be. */
function repeatable(error: KimiError): KimiError {
  const { kind, type, message, detail } = error;
  if (kind !== 'outcome_unknown' && kind !== 'interrupted') return error;
  const isFinal = /extract/i.test(message);
  return isFinal ? new KimiError('refused', type, detail ?? message, { cause: error }) : error.asNotSent();
}

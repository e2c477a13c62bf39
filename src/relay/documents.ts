/** Documents of a task, which Kimi reads before the request: uploaded once, and removed again. */
import type { Logger } from 'pino';
import type { Account } from '../kimi/account.ts';
import { refuseIfTooLong } from '../kimi/context.ts';
import { KimiError } from '../kimi/errors.ts';
import { storedFile } from '../kimi/stored-file.ts';
import type { ChatRequest } from '../kimi/request.ts';
import type { RelayFile, RelayRequest } from '../shared/relay.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import type { KimiFiles, UploadedFile } from './kimi-files.ts';
import type { ReceivedStore } from './recordings.ts';

export interface DocumentsDependencies {
  files: Pick<KimiFiles, 'upload' | 'list' | 'text' | 'remove'>;
  contents: Pick<ContentStore, 'get' | 'put'>;
  received: Pick<ReceivedStore, 'documentsOf' | 'noteDocuments'>;
  /** Where tokens are counted. */
  account: Account;
  log: Logger;
}

/** How long the removal of an upload may take, in milliseconds. The task has not to wait for it. */
const REMOVE_MS = 10_000;

/** Age of an upload that no task uses any more, in milliseconds: its text is read within minutes. */
const LEFT_BEHIND_MS = 3_600_000;

/** Names of uploads, by which an attempt finds those of an attempt before it: task, SHA-256 of the document, its own name. */
const UPLOAD = /^kimi-\d{1,12}-\d{1,9}\.[0-9a-f]{16}\./;

function prefixOf(task_id: string, { sha256 }: Pick<RelayFile, 'sha256'>): string {
  return `${task_id}.${sha256.slice(0, 16)}.`;
}

/**
 * Has Kimi extract the text of documents. Each step is recorded, or found again at Kimi by the upload's name: an attempt after a crash
 * uploads nothing a second time. The texts are stored like the documents, encrypted where payloads are.
 */
export class Documents {
  constructor(private readonly dependencies: DocumentsDependencies) {}

  /**
   * @returns the body with the text of each document in a system message, at the head (Moonshot's documentation)
   * @throws {KimiError} `refused`, `turned_away` or `not_sent`
   */
  async into(
    { task_id, files = [] }: RelayRequest,
    body: RelayRequest['body'],
    signal: AbortSignal,
  ): Promise<RelayRequest['body']> {
    if (files.length === 0) return body;
    const texts = await this.textsOf(task_id, files, signal);
    const messages = [...texts.map((content) => ({ role: 'system', content })), ...body.messages];
    const whole = { ...body, messages };
    await refuseIfTooLong(this.dependencies.account, whole as unknown as ChatRequest, signal);
    return whole;
  }

  /** Removes the uploads of a task that was cancelled. */
  async forget({ task_id, files = [] }: RelayRequest): Promise<void> {
    if (files.length === 0) return;
    const signal = AbortSignal.timeout(REMOVE_MS);
    await this.removeAll(async () => await this.uploadsOf(task_id, signal), { task_id });
  }

  /** Removes what lost relays have left behind for {@link LEFT_BEHIND_MS}. */
  async sweep(now = Date.now()): Promise<void> {
    const { files } = this.dependencies;
    await this.removeAll(async () => {
      const all = await files.list(AbortSignal.timeout(REMOVE_MS));
      return all.filter(
        ({ filename, created_at }) => UPLOAD.test(filename) && created_at * 1000 < now - LEFT_BEHIND_MS,
      );
    });
  }

  private async textsOf(task_id: string, files: RelayFile[], signal: AbortSignal): Promise<string[]> {
    const { contents, received } = this.dependencies;
    const known = await received.documentsOf(task_id);
    const texts = new Map<string, string>();
    if (!known.removed) {
      const uploads = await this.uploadsOf(task_id, signal);
      try {
        for (const file of files) {
          if (known.texts[file.sha256] !== undefined) continue;
          const text = await this.extract(task_id, file, uploads, signal);
          texts.set(file.sha256, text);
          known.texts[file.sha256] = await contents.put(Buffer.from(text));
          await received.noteDocuments(task_id, known);
        }
      } catch (error) {
        // Otherwise the next attempt uses the uploads.
        if (error instanceof KimiError && error.kind === 'refused')
          await this.removeAll(async () => await this.uploadsOf(task_id, signal), { task_id });
        throw error;
      }
      // Listed again: the upload of a lost attempt may have appeared meanwhile.
      known.removed = await this.removeAll(async () => await this.uploadsOf(task_id, signal), { task_id });
      await received.noteDocuments(task_id, known);
    }
    return await Promise.all(
      files.map(async ({ sha256 }) => {
        return texts.get(sha256) ?? (await contents.get(known.texts[sha256] ?? '')).toString('utf8');
      }),
    );
  }

  /** @param uploads those of the task; the new one is added */
  private async extract(
    task_id: string,
    file: RelayFile,
    uploads: UploadedFile[],
    signal: AbortSignal,
  ): Promise<string> {
    const { files, contents, log } = this.dependencies;
    const prefix = prefixOf(task_id, file);
    try {
      let upload = uploads.find(({ filename }) => filename.startsWith(prefix));
      if (!upload) {
        upload = await files.upload(prefix + file.name, await storedFile(contents, file), signal);
        uploads.push(upload);
        log.info({ task_id, file: upload.id, bytes: file.bytes }, 'uploaded a document');
      }
      const text = await files.text(upload.id, signal);
      if (isEmpty(text)) throw new KimiError('refused', 'unread_file', { code: 'unread_file', name: file.name });
      return text;
    } catch (error) {
      throw error instanceof KimiError && isAboutFile(error) ? unread(file, error) : error;
    }
  }

  private async uploadsOf(task_id: string, signal: AbortSignal): Promise<UploadedFile[]> {
    const all = await this.dependencies.files.list(signal);
    return all.filter(({ filename }) => filename.startsWith(`${task_id}.`));
  }

  /** @returns whether all were removed; what was not is removed by a later attempt, or by {@link sweep}. */
  private async removeAll(find: () => Promise<UploadedFile[]>, about: { task_id?: string } = {}): Promise<boolean> {
    const { files, log } = this.dependencies;
    try {
      for (const { id } of await find()) await files.remove(id, AbortSignal.timeout(REMOVE_MS));
      return true;
    } catch (err) {
      log.warn({ ...about, err }, 'uploaded documents could not be removed at Kimi yet');
      return false;
    }
  }
}

/** Kimi's text is JSON with `content`; of a scanned document it is empty. */
function isEmpty(text: string): boolean {
  try {
    const { content } = JSON.parse(text) as { content?: unknown };
    return typeof content === 'string' && content.trim() === '';
  } catch {
    return text.trim() === '';
  }
}

/** Errors of the key and the account are not about the file. */
function isAboutFile({ kind, type }: KimiError): boolean {
  return kind === 'refused' && /^(?:invalid_request_error|server_error|unexpected_output|content_filter)$/.test(type);
}

function unread({ name }: RelayFile, error: KimiError): KimiError {
  const words = error.detail?.code === 'answered' ? error.detail.words : error.message;
  const detail = { code: 'unread_file', name, words: words ?? error.message } as const;
  return new KimiError('refused', 'unread_file', detail, { cause: error });
}

/** Files that programs have uploaded, by their ids: the requests of batches, and what goes with prompts. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { PRIVATE_FILE, PRIVATE_FOLDER } from '../results/file.ts';
import { syncFolder, unlessAbsent } from '../service/files.ts';
import { isoSeconds } from '../shared/format.ts';
import type { ContentStore } from '../temporal/payloads/contents.ts';
import { isGone } from './rows.ts';
import type { Attachment } from './tasks.ts';

/** An uploaded file. */
export interface Upload {
  id: string;
  /** Its name, without folders. */
  name: string;
  /** What it is for, in the words of its program. */
  purpose: string;
  bytes: number;
  /** ISO 8601. */
  created_at: string;
  /** Name of the token that uploaded it. */
  owner?: string;
  /** Of its content. */
  claim: string;
}

/** A file to upload. */
export type NewUpload = Attachment & Pick<Upload, 'purpose' | 'owner'>;

export interface Uploads {
  add(file: NewUpload): Promise<Upload>;
  /** @returns every file, the newest first. */
  list(): Promise<Upload[]>;
  /** @returns `undefined` if there is no such file. */
  find(id: string): Promise<Upload | undefined>;
  /** @returns the content of a file; `undefined` if there is no such file. */
  content(id: string): Promise<Buffer | undefined>;
  /** @returns whether there was such a file. */
  remove(id: string): Promise<boolean>;
}

/** How long a file is kept, in milliseconds: as OpenAI keeps those of batches. */
export const UPLOAD_KEEP_MS = 30 * 24 * 3_600_000;

const ID = /^file-[\da-f]{24}$/;

/** A folder with a file for each upload: the claim of what is known of it. That, and its content, are stored like large payloads. */
export class UploadFolder implements Uploads {
  constructor(
    private readonly folder: string,
    private readonly contents: ContentStore,
  ) {}

  /** Removes the old ones, too. When it resolves, the file survives a power cut. */
  async add({ name, content, purpose, owner }: NewUpload): Promise<Upload> {
    const upload: Upload = {
      id: `file-${randomBytes(12).toString('hex')}`,
      name,
      purpose,
      bytes: content.length,
      created_at: isoSeconds(Date.now()),
      ...(owner !== undefined && { owner }),
      claim: await this.contents.put(content),
    };
    const claim = await this.contents.put(Buffer.from(JSON.stringify(upload)));
    await mkdir(this.folder, PRIVATE_FOLDER);
    for (const id of await this.ids()) if (await this.isOld(id)) await this.remove(id);
    await writeFileAtomic(this.pathOf(upload.id), claim, PRIVATE_FILE);
    await syncFolder(this.folder);
    return upload;
  }

  async list(): Promise<Upload[]> {
    const found: Upload[] = [];
    for (const id of await this.ids()) {
      const upload = await this.find(id);
      if (upload) found.push(upload);
    }
    return found.toSorted((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id));
  }

  async find(id: string): Promise<Upload | undefined> {
    if (!ID.test(id) || (await this.isOld(id))) return undefined;
    const claim = await readFile(this.pathOf(id), 'utf8').catch(unlessAbsent);
    const known = claim === undefined ? undefined : await this.read(claim);
    return known && (JSON.parse(known.toString()) as Upload);
  }

  async content(id: string): Promise<Buffer | undefined> {
    const upload = await this.find(id);
    return upload && (await this.read(upload.claim));
  }

  /** Its content is removed with the payloads of its day. */
  async remove(id: string): Promise<boolean> {
    if (!ID.test(id)) return false;
    try {
      await rm(this.pathOf(id));
      return true;
    } catch (error) {
      return unlessAbsent(error as NodeJS.ErrnoException) ?? false;
    }
  }

  private async isOld(id: string): Promise<boolean> {
    const { mtimeMs } = (await stat(this.pathOf(id)).catch(unlessAbsent)) ?? {};
    return mtimeMs !== undefined && mtimeMs < Date.now() - UPLOAD_KEEP_MS;
  }

  private async read(claim: string): Promise<Buffer | undefined> {
    return await this.contents.get(claim).catch((error: unknown) => {
      if (!isGone(error)) throw error;
      return undefined;
    });
  }

  private async ids(): Promise<string[]> {
    const names = (await readdir(this.folder).catch(unlessAbsent)) ?? [];
    return names.filter((name) => ID.test(name));
  }

  private pathOf(id: string): string {
    return join(this.folder, id);
  }
}

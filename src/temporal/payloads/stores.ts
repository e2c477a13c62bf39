import { existsSync } from 'node:fs';
import { access, constants, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ServiceError } from '../../service/exit.ts';
import { codeOf } from '../../shared/system-error.ts';
import { syncFolder } from '../../service/files.ts';
import type { PayloadStore } from './storage.ts';

/** Payloads in a folder that only this user can read: one folder per day, one file per payload. */
export class PayloadFolder implements PayloadStore {
  readonly label: string;

  constructor(readonly path: string) {
    this.label = path;
  }

  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await access(this.path, constants.W_OK);
    } catch (error) {
      throw new ServiceError('payload_folder', { cause: codeOf(error) }, { cause: error });
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.path, name);
    const day = dirname(file);
    const made = await mkdir(day, { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { mode: 0o600 });
    for (const folder of made === undefined ? [day] : [day, this.path, dirname(made)]) await syncFolder(folder);
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(join(this.path, name));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  /**
   * Removes payloads of earlier days, with the partial files of killed processes.
   *
   * @returns the days that were removed.
   */
  async removeBefore(day: string): Promise<string[]> {
    const names = existsSync(this.path) ? await readdir(this.path) : [];
    const days = names.filter((name) => /^\d{4}-\d\d-\d\d$/.test(name) && name < day);
    for (const name of days) await rm(join(this.path, name), { recursive: true, force: true });
    return days;
  }
}

/** Prefix of every key, so that a bucket may hold other objects and a lifecycle rule can select ours. */
const PREFIX = 'kimi-dispatch/';

/**
 * Payloads in an S3 bucket. The AWS SDK reads region, endpoint and credentials: `AWS_REGION`, `AWS_ENDPOINT_URL_S3`,
 * `AWS_ACCESS_KEY_ID`, profiles and others.
 */
export class PayloadBucket implements PayloadStore {
  readonly label: string;
  private opened: ReturnType<typeof openS3> | undefined;

  constructor(private readonly bucket: string) {
    this.label = `s3://${bucket}`;
  }

  /** Does not access the bucket: a policy that allows putting and getting objects suffices. */
  async prepare(): Promise<void> {
    try {
      const { client } = await this.open();
      await Promise.all([client.config.region(), client.config.credentials()]);
    } catch (error) {
      throw new ServiceError('bucket_unusable', { cause: codeOf(error) }, { cause: error });
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const { sdk, client } = await this.open();
    await client.send(new sdk.PutObjectCommand({ Bucket: this.bucket, Key: PREFIX + name, Body: bytes }));
  }

  async get(name: string): Promise<Uint8Array | undefined> {
    const { sdk, client } = await this.open();
    try {
      const { Body } = await client.send(new sdk.GetObjectCommand({ Bucket: this.bucket, Key: PREFIX + name }));
      return await Body?.transformToByteArray();
    } catch (error) {
      if (error instanceof sdk.NoSuchKey) return undefined;
      throw error;
    }
  }

  private async open(): ReturnType<typeof openS3> {
    this.opened ??= openS3();
    return await this.opened;
  }
}

/** Loads the SDK at first use: it takes a third of a second, and most installations do not need it. */
async function openS3() {
  const { GetObjectCommand, NoSuchKey, PutObjectCommand, S3Client } = await import('./s3.ts');
  // Servers other than Amazon's often have no host name for each bucket.
  return { sdk: { GetObjectCommand, NoSuchKey, PutObjectCommand }, client: new S3Client({ forcePathStyle: true }) };
}

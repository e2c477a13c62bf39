import { existsSync } from 'node:fs';
import { access, constants, mkdir, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import writeFileAtomic from 'write-file-atomic';
import { ServiceError } from '../../service/exit.ts';
import { syncFolder } from '../../service/files.ts';
import type { PayloadPlace } from './storage.ts';
import type * as Sdk from '@aws-sdk/client-s3';

/** Payloads in a folder, for this user alone: one folder a day, one file a payload. */
export class PayloadFolder implements PayloadPlace {
  readonly label: string;

  constructor(readonly path: string) {
    this.label = `folder ${path}`;
  }

  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true, mode: 0o700 });
      await access(this.path, constants.W_OK);
    } catch (error) {
      throw new ServiceError(
        `cannot write to the payload folder: ${(error as Error).message}; choose another with KIMI_PAYLOAD_DIR`,
      );
    }
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    const file = join(this.path, name);
    const day = dirname(file);
    const made = await mkdir(day, { recursive: true, mode: 0o700 });
    await writeFileAtomic(file, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength), { mode: 0o600 });
    // A rename, and a new folder, survive a power cut only once the folder they are in is synced.
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
   * Removes what was stored on days before this one, and what killed processes left half-written then.
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

/** What every key starts with, so that a bucket may hold other things and a lifecycle rule can name ours. */
const PREFIX = 'kimi-dispatch/';

/**
 * Payloads in an S3 bucket. Region, endpoint and credentials are the AWS SDK's own affair: `AWS_REGION`,
 * `AWS_ENDPOINT_URL_S3`, `AWS_ACCESS_KEY_ID`, profiles and the rest.
 */
export class PayloadBucket implements PayloadPlace {
  readonly label: string;
  private opened: Promise<{ sdk: typeof Sdk; client: Sdk.S3Client }> | undefined;

  constructor(private readonly bucket: string) {
    this.label = `bucket ${bucket}`;
  }

  /** Asks nothing of the bucket: a policy that allows putting and getting objects is enough. */
  async prepare(): Promise<void> {
    try {
      const { client } = await this.open();
      await Promise.all([client.config.region(), client.config.credentials()]);
    } catch (error) {
      throw new ServiceError(`KIMI_PAYLOAD_S3_BUCKET cannot be used: ${(error as Error).message}`, { cause: error });
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

  /** Loads the SDK where it is first needed: it takes a third of a second, and most installations never do. */
  private async open(): Promise<{ sdk: typeof Sdk; client: Sdk.S3Client }> {
    this.opened ??= import('@aws-sdk/client-s3').then((sdk) => ({
      sdk,
      // Servers other than Amazon's often have no name for each bucket.
      client: new sdk.S3Client({ forcePathStyle: true }),
    }));
    return await this.opened;
  }
}

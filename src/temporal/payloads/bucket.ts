import type * as Sdk from '@aws-sdk/client-s3';
import { ServiceError } from '../../service/errors.ts';
import type { PayloadPlace } from './storage.ts';

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

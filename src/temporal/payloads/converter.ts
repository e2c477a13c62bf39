import { join } from 'node:path';
import type { DataConverter, PayloadCodec } from '@temporalio/common';
import { ExternalStorage } from '@temporalio/common/lib/converter/extstore.js';
import type { Config } from '../../config/index.ts';
import { DIST } from '../../service/files.ts';
import { PayloadBucket, PayloadFolder } from './stores.ts';
import { EncryptionCodec } from './codec.ts';
import { ContentStore } from './contents.ts';
import { passSmallPayloads } from './small-payloads.ts';
import { PayloadDriver } from './storage.ts';

export type PayloadConfig = Pick<
  Config,
  'KIMI_HOME' | 'KIMI_PAYLOAD_DIR' | 'KIMI_PAYLOAD_KEYS' | 'KIMI_PAYLOAD_S3_BUCKET'
>;

/** Payloads of this size or more are stored outside the engine, in bytes. The engine rejects 2 MiB. */
export const STORED_FROM_BYTES = 256 * 1024;

/** Conversion of payloads between a process and the engine. */
export interface Payloads {
  /** For every client and worker. The codec runs before the storage: payloads outside the engine are encrypted too. */
  dataConverter: DataConverter & { payloadCodecs: PayloadCodec[]; externalStorage: ExternalStorage };
  folder: PayloadFolder;
  /** Contents of the files that go with prompts. */
  contents: ContentStore;
  /** Checks that large payloads can be stored. @throws {ServiceError} */
  prepare(): Promise<void>;
}

/** Opens no file or connection yet: commands without large payloads do not need the storage. */
export function openPayloads(config: PayloadConfig): Payloads {
  passSmallPayloads(STORED_FROM_BYTES);
  const folder = new PayloadFolder(config.KIMI_PAYLOAD_DIR ?? join(config.KIMI_HOME, 'payloads'));
  const bucket = config.KIMI_PAYLOAD_S3_BUCKET && new PayloadBucket(config.KIMI_PAYLOAD_S3_BUCKET);
  const chosen = bucket ? new PayloadDriver('s3', bucket) : new PayloadDriver('folder', folder);
  // The folder stays readable: open tasks may have payloads there from before the bucket was configured.
  const drivers: [PayloadDriver, ...PayloadDriver[]] = bucket
    ? [chosen, new PayloadDriver('folder', folder)]
    : [chosen];
  const keys = config.KIMI_PAYLOAD_KEYS;
  const codec = new EncryptionCodec(keys);
  return {
    dataConverter: {
      payloadCodecs: [codec],
      externalStorage: new ExternalStorage({
        drivers,
        driverSelector: () => chosen,
        payloadSizeThreshold: STORED_FROM_BYTES,
      }),
      ...(keys.size > 0 && { failureConverterPath: join(DIST, 'failure-converter.cjs') }),
    },
    folder,
    contents: new ContentStore(codec, drivers),
    prepare: async () => await chosen.backend.prepare(),
  };
}

import { StorageDriverClaim } from '@temporalio/common/lib/converter/extstore.js';
import { ServiceError } from '../../service/exit.ts';
import type { EncryptionCodec } from './codec.ts';
import type { PayloadDriver } from './storage.ts';

/**
 * Contents of files, stored like large payloads: encrypted if payloads are, and removed with them. A task has their claims,
 * `<storage>/<day stored>/<sha256 of the stored bytes>`, so no workflow loads them.
 */
export class ContentStore {
  /** @param drivers the first one stores, every one is read. */
  constructor(
    private readonly codec: EncryptionCodec,
    private readonly drivers: readonly [PayloadDriver, ...PayloadDriver[]],
  ) {}

  /** Stores a content; when it resolves, it survives a power cut. @returns its claim */
  async put(data: Uint8Array): Promise<string> {
    const [driver] = this.drivers;
    const payloads = await this.codec.encode([{ metadata: { encoding: Buffer.from('binary/plain') }, data }]);
    const [claim] = await driver.store(undefined, payloads);
    return `${driver.name}/${claim?.claimData['name']}`;
  }

  /** @throws {ServiceError} if the content is gone or cannot be read */
  async get(claim: string): Promise<Buffer> {
    const storage = claim.slice(0, claim.indexOf('/'));
    const driver = this.drivers.find(({ name }) => name === storage);
    if (!driver) throw new ServiceError('payload_misnamed', { name: claim.slice(0, 100) });
    const stored = await driver.retrieve(undefined, [
      new StorageDriverClaim({ name: claim.slice(storage.length + 1) }),
    ]);
    const [payload] = await this.codec.decode(stored);
    return Buffer.from(payload?.data ?? []);
  }
}

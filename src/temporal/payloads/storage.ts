import { createHash } from 'node:crypto';
import type { Payload } from '@temporalio/common';
import { StorageDriverClaim, type StorageDriver } from '@temporalio/common/lib/converter/extstore.js';
import { ServiceError } from '../../service/exit.ts';
import { codeOf } from '../../shared/system-error.ts';
import { fromBytes, toBytes } from './codec.ts';

/** Storage of large payloads by name: a folder or a bucket. */
export interface PayloadStore {
  /** Its name in messages, e.g. `folder ~/…/payloads`. */
  readonly label: string;
  /** Checks that it can be used. @throws {ServiceError} */
  prepare(): Promise<void>;
  /** Stores bytes; when it resolves, they survive a power cut. The same name always has the same bytes. */
  put(name: string, bytes: Uint8Array): Promise<void>;
  /** @returns the bytes, or `undefined` if the name is unknown. */
  get(name: string): Promise<Uint8Array | undefined>;
}

/** `<day stored>/<sha256 of the bytes>`. Other names are rejected, so no claim points outside the store. */
const NAME = /^\d{4}-\d\d-\d\d\/(?<sha256>[0-9a-f]{64})$/;

/**
 * Stores payloads that are too large for the engine. The engine gets a claim, `{ name }`. Payloads pass the codec before: encrypted
 * ones are stored encrypted.
 *
 * The same content is stored once per day, so that sweep.ts can remove whole days, and none that is being written.
 */
export class PayloadDriver implements StorageDriver {
  readonly type: string;

  constructor(
    readonly name: string,
    readonly backend: PayloadStore,
  ) {
    this.type = `kimi-dispatch.${name}`;
  }

  async store(_context: unknown, payloads: Payload[]): Promise<StorageDriverClaim[]> {
    return await Promise.all(
      payloads.map(async (payload) => {
        const bytes = toBytes(payload);
        const name = `${dayOf(Date.now())}/${sha256(bytes)}`;
        try {
          await this.backend.put(name, bytes);
        } catch (error) {
          const where = this.backend.label;
          throw new ServiceError('payload_not_stored', { where, cause: codeOf(error) }, { cause: error });
        }
        return new StorageDriverClaim({ name });
      }),
    );
  }

  async retrieve(_context: unknown, claims: StorageDriverClaim[]): Promise<Payload[]> {
    return await Promise.all(claims.map(async ({ claimData: { name = '' } }) => await this.retrieveOne(name)));
  }

  private async retrieveOne(name: string): Promise<Payload> {
    const expected = NAME.exec(name)?.groups?.['sha256'];
    if (!expected) throw new ServiceError('payload_misnamed', { name: name.slice(0, 100) });
    const { label: where } = this.backend;
    const bytes = await this.backend.get(name).catch((error: unknown) => {
      throw new ServiceError('payload_unreadable', { name, where, cause: codeOf(error) }, { cause: error });
    });
    if (!bytes) throw new ServiceError('payload_gone', { name, where });
    if (sha256(bytes) !== expected) {
      throw new ServiceError('payload_damaged', { name, where });
    }
    return fromBytes(bytes);
  }
}

/** @returns the day of a time, in UTC, e.g. `2026-11-24`. */
export function dayOf(time: number): string {
  return new Date(time).toISOString().slice(0, 10);
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

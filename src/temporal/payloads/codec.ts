import type { KeyObject } from 'node:crypto';
import type { Payload, PayloadCodec, SerializationContext } from '@temporalio/common';
import { decrypt, encrypt } from '../../service/aes-gcm.ts';
import { ServiceError } from '../../service/exit.ts';
import proto from '@temporalio/proto';

/** Metadata of an encrypted payload, as in Temporal's samples. */
const ENCODING = 'binary/encrypted';
const KEY_ID = 'encryption-key-id';

const text = new TextDecoder();

/**
 * Encrypts payloads: the first key encrypts, every key decrypts, and the payload holds the key's id. Without keys nothing is
 * encrypted. Unencrypted payloads are still read, so keys may be introduced while tasks are open.
 *
 * The plaintext of an encrypted payload's data is the whole payload.
 */
export class EncryptionCodec implements PayloadCodec {
  constructor(private readonly keys: ReadonlyMap<string, KeyObject>) {}

  async encode(payloads: Payload[]): Promise<Payload[]> {
    const [first] = this.keys;
    return first ? payloads.map((payload) => sealed(payload, ...first)) : payloads;
  }

  /**
   * @throws {ServiceError} if the key is unknown or wrong; names the key's id, and the task if the SDK provides it.
   */
  async decode(payloads: Payload[], context?: SerializationContext): Promise<Payload[]> {
    return payloads.map((payload) => {
      if (text.decode(payload.metadata?.['encoding']) !== ENCODING) return payload;
      const id = text.decode(payload.metadata?.[KEY_ID]);
      const key = this.keys.get(id);
      const named = { key: id, task: context?.workflowId };
      if (!key) throw new ServiceError('payload_key_missing', named);
      try {
        return fromBytes(decrypt(payload.data ?? new Uint8Array(), key));
      } catch {
        throw new ServiceError('payload_key_wrong', named);
      }
    });
  }
}

function sealed(payload: Payload, id: string, key: KeyObject): Payload {
  return {
    metadata: { encoding: Buffer.from(ENCODING), [KEY_ID]: Buffer.from(id) },
    data: encrypt(toBytes(payload), key),
  };
}

/** Serializes a whole payload, with its metadata. */
export function toBytes(payload: Payload): Uint8Array {
  return proto.temporal.api.common.v1.Payload.encode(payload).finish();
}

/** The inverse of {@link toBytes}. */
export function fromBytes(bytes: Uint8Array): Payload {
  return proto.temporal.api.common.v1.Payload.decode(bytes);
}

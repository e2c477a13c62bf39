import type { Payload } from '@temporalio/common';
import proto from '@temporalio/proto';

const message = proto.temporal.api.common.v1.Payload;

/** A whole payload, metadata included, as the bytes that are encrypted or stored. */
export function toBytes(payload: Payload): Uint8Array {
  return message.encode(payload).finish();
}

/** Reads {@link toBytes}' bytes. */
export function fromBytes(bytes: Uint8Array): Payload {
  return message.decode(bytes);
}

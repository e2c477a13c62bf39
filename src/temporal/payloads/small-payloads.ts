import type { Payload } from '@temporalio/common';
import { isReferencePayload } from '@temporalio/common/lib/internal-non-workflow/extstore-helpers.js';
import { ExternalStorageRunner } from '@temporalio/common/lib/internal-non-workflow/external-storage-runner.js';

let isDone = false;

/**
 * Lets payloads pass that are neither stored outside the engine nor large enough for it, as almost all. The SDK (1.24) makes two abort
 * controllers and an `AbortSignal.any` for each payload of each message before it looks.
 *
 * @param threshold size in bytes from which a payload is stored; its metadata has less than half of them
 */
export function passSmallPayloads(threshold: number): void {
  if (isDone) return;
  isDone = true;
  // Both are called with their object.
  // oxlint-disable-next-line typescript/unbound-method
  const { store, retrieve } = ExternalStorageRunner.prototype;
  Object.assign(ExternalStorageRunner.prototype, {
    async store(this: ExternalStorageRunner, ...[payloads, options]: Parameters<typeof store>): Promise<Payload[]> {
      const areSmall = payloads.every(({ data }) => (data?.length ?? 0) < threshold / 2);
      return areSmall ? payloads : await store.call(this, payloads, options);
    },
    async retrieve(
      this: ExternalStorageRunner,
      ...[payloads, options]: Parameters<typeof retrieve>
    ): Promise<Payload[]> {
      return payloads.some(isReferencePayload) ? await retrieve.call(this, payloads, options) : payloads;
    },
  } satisfies Partial<typeof ExternalStorageRunner.prototype>);
}

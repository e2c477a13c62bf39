import type { IncomingMessage } from 'node:http';

/** A body that was not read to its end. */
export class UnreadBody extends Error {
  override readonly name = 'UnreadBody';

  constructor(readonly reason: 'too_large' | 'too_slow' | 'broken_off') {
    super(reason);
  }
}

export interface BodyLimits {
  /** The largest body, in bytes. */
  maxBytes: number;
  /** What all bodies that are arriving may hold together, in bytes: at least twice the largest. */
  budgetBytes: number;
}

/** What a body's first bytes are given room for; most callbacks need no more. Bytes. */
const FIRST_BYTES = 4096;

/** A body that is arriving. */
interface Arriving {
  /** What has come, and room for more. */
  bytes: Buffer;
  size: number;
  cutOff: () => void;
}

/**
 * Reads bodies from strangers into a bounded amount of memory. Where they hold more together than they may, the one that
 * has been arriving longest is cut off: a real callback arrives within milliseconds, so it is never that one.
 *
 * What counts is the memory taken, not the bytes that came: each body is one buffer that grows. A list of chunks would
 * let a sender of single bytes take hundreds of times what it sends.
 */
export class BodyReader {
  /** The oldest first. */
  private readonly arriving = new Set<Arriving>();
  private heldBytes = 0;

  constructor(private readonly limits: BodyLimits) {}

  /**
   * Reads a request's body. Where it throws, the rest of the body is read and thrown away.
   *
   * @throws {UnreadBody}
   */
  async read(request: IncomingMessage): Promise<Buffer> {
    const declared = Number(request.headers['content-length'] ?? this.limits.maxBytes);
    if (declared > this.limits.maxBytes) throw new UnreadBody('too_large');
    return await new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        if (!this.arriving.delete(body)) return;
        this.heldBytes -= body.bytes.length;
        request.off('data', take).resume();
        settle();
      };
      const fail = (reason: UnreadBody['reason']): void => end(() => reject(new UnreadBody(reason)));
      const take = (chunk: Buffer): void => {
        const size = body.size + chunk.length;
        if (size > declared) fail('too_large');
        else if (
          size <= body.bytes.length ||
          this.grow(body, Math.min(Math.max(size, 2 * body.size, FIRST_BYTES), declared))
        ) {
          chunk.copy(body.bytes, body.size);
          body.size = size;
        }
      };
      const body: Arriving = { bytes: Buffer.alloc(0), size: 0, cutOff: () => fail('too_slow') };
      this.arriving.add(body);
      request
        .on('data', take)
        .once('end', () => end(() => resolve(body.bytes.subarray(0, body.size))))
        .once('error', () => fail('broken_off'))
        .once('close', () => fail('broken_off'));
    });
  }

  /** @returns whether there is room now; false where this very body had to be cut off. */
  private grow(body: Arriving, capacity: number): boolean {
    for (const oldest of this.arriving) {
      if (this.heldBytes + capacity - body.bytes.length <= this.limits.budgetBytes) break;
      oldest.cutOff();
    }
    if (!this.arriving.has(body)) return false;
    const grown = Buffer.allocUnsafeSlow(capacity);
    body.bytes.copy(grown, 0, 0, body.size);
    this.heldBytes += capacity - body.bytes.length;
    body.bytes = grown;
    return true;
  }
}

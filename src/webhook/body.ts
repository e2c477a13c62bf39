import type { IncomingMessage } from 'node:http';

/** A body that was not read to its end. */
export class UnreadBody extends Error {
  override readonly name = 'UnreadBody';

  constructor(readonly reason: 'too_large' | 'too_slow' | 'disconnected') {
    super(reason);
  }
}

export interface BodyLimits {
  /** The largest body, in bytes. */
  maxBytes: number;
  /** Memory for all bodies that are arriving, in bytes: at least twice the largest. */
  budgetBytes: number;
}

const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** Reads a body as JSON; a byte order mark is skipped. @throws if it is not JSON in UTF-8 */
export function parseJson(body: Buffer): unknown {
  return JSON.parse(UTF8.decode(body));
}

/** Initial buffer of a body, in bytes; most callbacks need no more. */
const FIRST_BYTES = 4096;

/** A body that is arriving. */
interface Arriving {
  /** The bytes received, and room for more. */
  bytes: Buffer;
  size: number;
  cutOff: () => void;
}

/**
 * Reads the bodies of unauthenticated requests into a bounded amount of memory. If all together exceed it, the body that has been
 * arriving longest is cut off: a real callback arrives within milliseconds, so it is never that one.
 *
 * The limit applies to allocated memory, not to bytes received: each body is one buffer that grows. A list of chunks would
 * let a sender of single bytes allocate hundreds of times what it sends.
 */
export class BodyReader {
  /** The oldest first. */
  private readonly arriving = new Set<Arriving>();
  private heldBytes = 0;

  constructor(private readonly limits: BodyLimits) {}

  /**
   * Reads a request's body. If it throws, the rest of the body is read and discarded.
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
        .once('error', () => fail('disconnected'))
        .once('close', () => fail('disconnected'));
    });
  }

  /** @returns whether there is room now; false if this body itself was cut off. */
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

/** An answer of the webhook other than 200 and 202: `{ error: { code, message } }`. */
export class HttpError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** What the log says besides; who sent the request is not told of folders. */
    cause?: Error,
  ) {
    super(message, { cause });
  }
}

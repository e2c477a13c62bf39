/** An answer that is an error: `{ error: { code, message } }`, or as whoever answers words it. */
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

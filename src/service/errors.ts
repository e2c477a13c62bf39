/** A problem a person can mend; its message is one sentence and all that is shown. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';
}

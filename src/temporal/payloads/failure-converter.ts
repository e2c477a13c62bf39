/**
 * Puts error messages and stack traces into payloads, so that the codec encrypts them. Loaded by path, twice: into the
 * workflows' bundle, and beside it for what activities throw.
 */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });

/**
 * Puts error messages and stack traces into payloads, so that the codec encrypts them. Loaded by path twice: into the workflows'
 * bundle, and for errors of activities.
 */
import { DefaultFailureConverter } from '@temporalio/common';

export const failureConverter = new DefaultFailureConverter({ encodeCommonAttributes: true });

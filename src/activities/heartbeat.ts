import { activityInfo, ApplicationFailure, heartbeat } from '@temporalio/activity';
import { failureDetails } from '../shared/failure-details.ts';

/**
 * Sends heartbeats while work is in progress, so that a killed worker is detected within seconds (see the activity options). A local
 * activity sends none: its workflow task has a timeout.
 */
export async function beating<T>(work: () => Promise<T>): Promise<T> {
  if (!activityInfo().isLocal) heartbeat();
  return await beatingOn(work);
}

/**
 * Like `beating`, for work whose first heartbeat was sent already.
 *
 * @param details of each heartbeat
 */
export async function beatingOn<T>(work: () => Promise<T>, details?: () => unknown): Promise<T> {
  const timer = activityInfo().isLocal ? undefined : setInterval(() => heartbeat(details?.()), 1_000);
  try {
    return await work();
  } catch (error) {
    throw isFileError(error) ? fileFailure(error) : error;
  } finally {
    clearInterval(timer);
  }
}

/** An error of the operating system about a file, with its code. */
type FileError = NodeJS.ErrnoException & { code: string };

function isFileError(error: unknown): error is FileError {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return error instanceof Error && code !== undefined && syscall !== undefined;
}

/** Retried: the disk may be full for a while. */
function fileFailure(error: FileError): ApplicationFailure {
  const details = failureDetails({ type: 'file_error', detail: { code: 'file', cause: error.code } });
  return ApplicationFailure.create({ message: error.message, type: error.name, details, cause: error });
}

import { activityInfo, heartbeat } from '@temporalio/activity';

/**
 * Sends heartbeats while work is in progress, so that a killed worker is detected within seconds (see the activity options). A local
 * activity sends none: its workflow task has a timeout.
 *
 * @param details of each heartbeat, if any
 */
export async function beating<T>(work: () => Promise<T>, details?: () => unknown): Promise<T> {
  const isLocal = activityInfo().isLocal;
  const beat = (): void => heartbeat(details?.());
  if (!isLocal) beat();
  const timer = isLocal ? undefined : setInterval(beat, 1_000);
  try {
    return await work();
  } finally {
    clearInterval(timer);
  }
}

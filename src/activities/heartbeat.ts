import { activityInfo, heartbeat } from '@temporalio/activity';

/**
 * Heartbeats while work is under way, so that a killed worker is noticed within seconds (see the activity options). A local
 * activity has none: its workflow task is watched.
 *
 * @param details what each heartbeat carries, if anything
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

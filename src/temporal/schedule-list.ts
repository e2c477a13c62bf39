import type { Client } from '@temporalio/client';
import type { temporal } from '@temporalio/proto';

type Listed = temporal.api.schedule.v1.IScheduleListEntry & { scheduleId: string };

/** Lists all schedules of the namespace, undecoded: their memos may be encrypted with the keys of other stacks. */
export async function* schedulesOf({ workflowService, options: { namespace } }: Client): AsyncGenerator<Listed> {
  let nextPageToken: Uint8Array | undefined;
  do {
    const page = await workflowService.listSchedules({ namespace, nextPageToken });
    for (const { scheduleId, ...entry } of page.schedules) if (scheduleId) yield { ...entry, scheduleId };
    nextPageToken = page.nextPageToken;
  } while (nextPageToken.length > 0);
}

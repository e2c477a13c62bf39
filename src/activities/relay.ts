import { Context } from '@temporalio/activity';
import { cancelRequest } from '../relay/client.ts';
import { relayQueue } from '../shared/names.ts';
import type { RelayRequest } from '../shared/relay.ts';

export function relayActivities() {
  return {
    /** Cancels the relay's request for a task, if there is one: it calls back with the answer so far. */
    async cancelRelay(request: RelayRequest): Promise<void> {
      const { client, info } = Context.current();
      await cancelRequest(client, relayQueue(info.taskQueue), request);
    },
  };
}

import type { CliText } from '../zh-TW/index.ts';

/** What the commands of webhooks say. */
export const webhook: CliText['webhook'] = {
  accepted: (origin, status, ms) => `${origin} accepted the test event: it answered ${status} in ${ms} ms.`,
  notAccepted: (why) => `The test event was not accepted: ${why}`,
  none: 'There are no events that are not delivered.',
  noneGivenUp: 'There are no events that were given up.',
  columns: ['Event', 'Task', 'Receiver', 'State', 'Since', 'Reason'],
  states: { pending: 'retrying', delivered: 'delivered', given_up: 'given up' },
  resent: (ids) => `Sent again, for three more days: ${ids.join(', ')}`,
  dropped: (id) => `Removed, and not sent any more: ${id}`,
  unknown: (id) => `There is no undelivered event "${id}". kimi-dispatch webhook list shows which there are.`,
  notGivenUp: (id) => `There is no event "${id}" that was given up. kimi-dispatch webhook list shows which there are.`,
};

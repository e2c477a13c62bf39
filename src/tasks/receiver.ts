/** The program that is sent an event when a task ends. */
import { AllowedHosts, refusalOf } from '../notify/receiver.ts';
import { unlessUnknown } from '../temporal/client.ts';
import type { TaskContext } from './context.ts';
import { taskAsked } from './look-up.ts';
import { Problem } from './problem.ts';
import type { NewTask } from './tasks.ts';

/** @returns a task with the receiver of its `notify_as`, unless it has one itself, or that task has none. */
export async function withReceiverOf<T extends NewTask>(
  context: Pick<TaskContext, 'contents' | 'withClient'>,
  { notify_as: named, ...task }: T,
): Promise<Omit<T, 'notify_as'>> {
  if (named === undefined || task.notify) return task;
  const asked = await context.withClient(async (client) => {
    const known = await unlessUnknown(client.workflow.getHandle(named).describe());
    return known && (await taskAsked(client, named));
  });
  const claim = asked?.event?.receiver?.claim;
  return claim === undefined ? task : { ...task, notify: { url: (await context.contents.get(claim)).toString() } };
}

/** @throws {Problem} `bad_receiver` */
export function checkReceiver({ config }: Pick<TaskContext, 'config'>, { notify }: Pick<NewTask, 'notify'>): void {
  const why = notify && refusalOf(notify.url, new AllowedHosts(config.KIMI_NOTIFY_ALLOW));
  if (why) throw new Problem('bad_receiver', { why });
}

/** @returns the task with the stored address of its receiver, in place of the address. */
export async function withReceiver<T extends Pick<NewTask, 'notify' | 'event'>>(
  { contents }: Pick<TaskContext, 'contents'>,
  { notify, ...task }: T,
): Promise<Omit<T, 'notify'>> {
  if (!notify) return task;
  const { url } = notify;
  const receiver = { origin: new URL(url).origin, claim: await contents.put(Buffer.from(url)) };
  return { ...task, event: { ...task.event, receiver } };
}

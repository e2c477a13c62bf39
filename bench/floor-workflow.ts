import {
  condition,
  defineSignal,
  proxyActivities,
  proxyLocalActivities,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';

/** The steps of a task; each takes the task id. */
export interface FloorActivities {
  dispatch(workflowId: string): Promise<unknown>;
  persist(workflowId: string, received: unknown): Promise<void>;
  wake(workflowId: string): Promise<void>;
  acknowledge(workflowId: string): Promise<void>;
}

export const GO_SIGNAL = 'go';
const goSignal = defineSignal<[received?: unknown]>(GO_SIGNAL);

const options = { startToCloseTimeout: '10s' } as const;
const regular = proxyActivities<FloorActivities>(options);
const local = proxyLocalActivities<FloorActivities>(options);

/** The steps of a task as the SDK's guides write them: what leaves the machine is a regular activity. Four workflow tasks. */
export async function plain(): Promise<void> {
  const { workflowId } = workflowInfo();
  const answer = answered();
  await regular.dispatch(workflowId);
  await local.persist(workflowId, await answer());
  await regular.wake(workflowId);
  await local.acknowledge(workflowId);
}

/**
 * The minimal workflow with the same guarantees: the wait is durable, each step is repeated until it has succeeded and carries the
 * task's id, the file is synced before the wake. Local activities only, so two workflow tasks: one until the wait and one after it.
 */
export async function least(): Promise<void> {
  const { workflowId } = workflowInfo();
  const answer = answered();
  await local.dispatch(workflowId);
  await local.persist(workflowId, await answer());
  await local.wake(workflowId);
}

/** @returns a function that waits for the signal. */
function answered(): () => Promise<unknown> {
  let gone = false;
  let answer: unknown;
  setHandler(goSignal, (received) => {
    gone = true;
    answer = received;
  });
  return async () => {
    await condition(() => gone);
    return answer;
  };
}

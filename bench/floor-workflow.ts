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

const { dispatch, wake } = proxyActivities<Pick<FloorActivities, 'dispatch' | 'wake'>>({ startToCloseTimeout: '10s' });
const { persist, acknowledge } = proxyLocalActivities<Pick<FloorActivities, 'persist' | 'acknowledge'>>({
  startToCloseTimeout: '10s',
});

/** The minimal workflow with the steps of a task: no timer, no search attribute, no text. */
export async function floor(): Promise<void> {
  const { workflowId } = workflowInfo();
  let gone = false;
  let answer: unknown;
  setHandler(goSignal, (received) => {
    gone = true;
    answer = received;
  });
  await dispatch(workflowId);
  await condition(() => gone);
  await persist(workflowId, answer);
  await wake(workflowId);
  await acknowledge(workflowId);
}

import { condition, defineSignal, proxyActivities, proxyLocalActivities, setHandler } from '@temporalio/workflow';

/** The steps of a task, with nothing in them. */
export interface FloorActivities {
  dispatch(): Promise<void>;
  persist(): Promise<void>;
  wake(): Promise<void>;
  acknowledge(): Promise<void>;
}

export const GO_SIGNAL = 'go';
const goSignal = defineSignal(GO_SIGNAL);

const { dispatch, wake } = proxyActivities<Pick<FloorActivities, 'dispatch' | 'wake'>>({ startToCloseTimeout: '10s' });
const { persist, acknowledge } = proxyLocalActivities<Pick<FloorActivities, 'persist' | 'acknowledge'>>({
  startToCloseTimeout: '10s',
});

/** The least that a task's shape costs on the engine: no timer, no payload, no search attribute, no text. */
export async function floor(): Promise<void> {
  let gone = false;
  setHandler(goSignal, () => {
    gone = true;
  });
  await dispatch();
  await condition(() => gone);
  await persist();
  await wake();
  await acknowledge();
}

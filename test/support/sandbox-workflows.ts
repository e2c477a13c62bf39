/** Workflows that observe the sandbox that they run in. */
import { ApplicationFailure, condition, proxyLocalActivities, sleep, uuid4 } from '@temporalio/workflow';

interface EchoActivities {
  echo(text: string): Promise<string>;
}

const { echo } = proxyLocalActivities<EchoActivities>({ startToCloseTimeout: '10s' });

function observe(): string {
  return JSON.stringify({
    random: [Math.random(), Math.random(), uuid4()],
    now: [Date.now(), new Date().toISOString()],
    // Names with two underscores belong to the SDK and to us.
    globals: Object.getOwnPropertyNames(globalThis)
      .filter((name) => !name.startsWith('__'))
      .toSorted(),
  });
}

/** Fails, also in a replay, if the observed values differ from the recorded ones. @returns the observed values. */
export async function observing(): Promise<string[]> {
  const observed: string[] = [];
  for (let round = 0; round < 3; round++) {
    const now = observe();
    const recorded = await echo(now);
    if (recorded !== now) throw ApplicationFailure.nonRetryable(`observed ${now}, recorded ${recorded}`);
    observed.push(now);
    await sleep(Math.ceil(Math.random() * 20));
  }
  return observed;
}

/** An object that a module exports. */
export const exported = { left: 0 };

/** @returns the error of each attempt to leave something for other workflows. */
export async function leaving(): Promise<string[]> {
  const attempts = [
    () => Object.assign(globalThis, { left: 1 }),
    () => Object.assign(globalThis, { Date: 1 }),
    () => Object.assign(Math, { random: 1 }),
    () => Object.assign(JSON, { left: 1 }),
    () => Object.assign(exported, { left: 1 }),
  ];
  return attempts.map((attempt) => {
    try {
      attempt();
      return 'none';
    } catch (error) {
      return (error as Error).name;
    }
  });
}

export async function looping(): Promise<never> {
  for (;;);
}

export async function throwing(): Promise<void> {
  throw ApplicationFailure.nonRetryable('thrown on purpose');
}

/** Rejects a promise that has no handler, then waits. */
export async function rejecting(): Promise<void> {
  void Promise.reject(new Error('without a handler'));
  await condition(() => false);
}

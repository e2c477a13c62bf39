/** The workflows with an additional step at the start: an incompatible change. */
import { sleep } from '@temporalio/workflow';
import type { RelayRequest, RelaySummary } from '../../src/shared/relay.ts';
import type { Task, TaskSummary } from '../../src/shared/task.ts';
import { kimiLimiter as unchangedLimiter, type LimiterStart } from '../../src/workflows/limiter.ts';
import { kimiRelay as unchangedRelay } from '../../src/workflows/relay.ts';
import { kimiTask as unchangedTask } from '../../src/workflows/task.ts';

export async function kimiTask(task: Task): Promise<TaskSummary> {
  await sleep('1s');
  return await unchangedTask(task);
}

export async function kimiLimiter(start: LimiterStart): Promise<void> {
  await sleep('1s');
  await unchangedLimiter(start);
}

export async function kimiRelay(request: RelayRequest): Promise<RelaySummary> {
  await sleep('1s');
  return await unchangedRelay(request);
}

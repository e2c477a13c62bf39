/** Tasks as the engine lists them. */
import type { WorkflowExecutionInfo } from '@temporalio/client';
import { SEARCH_ATTRIBUTES, TASK_WORKFLOW } from '../shared/names.ts';
import type { TaskState } from '../shared/task.ts';

/** @returns the engine's query for the tasks of a queue. */
export function tasksOn(taskQueue: string): string {
  return `WorkflowType = "${TASK_WORKFLOW}" AND TaskQueue = ${JSON.stringify(taskQueue)}`;
}

/** @returns a condition for such a query: the state is one of these. */
export function stateIn(states: readonly TaskState[]): string {
  return `${SEARCH_ATTRIBUTES.status.name} IN (${states.map((state) => `"${state}"`).join(', ')})`;
}

/** What the list says of one task. */
export function listedTask({ workflowId, startTime, typedSearchAttributes: attributes }: WorkflowExecutionInfo) {
  const { taskName, status, model, tokens } = SEARCH_ATTRIBUTES;
  return {
    task_id: workflowId,
    task_name: attributes.get(taskName) ?? '',
    state: (attributes.get(status) ?? 'dispatching') as TaskState,
    model: attributes.get(model) ?? '',
    tokens: attributes.get(tokens) ?? null,
    /** Milliseconds since 1970. */
    started: startTime.getTime(),
  };
}

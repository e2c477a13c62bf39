import { setTimeout as pause } from 'node:timers/promises';
import { WorkflowNotFoundError, type Client } from '@temporalio/client';
import type { Logger } from 'pino';
import { RELAY_SIGNAL } from '../shared/names.ts';
import type { RelayReport, Rounds } from '../shared/relay.ts';
import type { TaskError } from '../shared/task.ts';

/** How long the engine may take to accept a report, and the delay before the next attempt, in milliseconds. */
const REPORT_MS = 5_000;

/** An answer that is complete within this time is not reported as begun: its callback says all. Milliseconds. */
const QUICK_MS = 1_000;

/** Reports to tasks how far their requests are. A task works without them: it waits for its callback. */
export class TaskReports {
  /** The problem that was last reported to each task. */
  private readonly problems = new Map<string, string>();

  constructor(private readonly log: Logger) {}

  async slept(client: Client, task_id: string, slept_ms: number): Promise<void> {
    await this.send(client, task_id, { slept_ms });
  }

  /**
   * Reports that Kimi has begun to answer; retried until it is accepted, or until `ending`.
   *
   * @param rounds before it
   */
  async begun(client: Client, task_id: string, ending: AbortSignal, rounds?: Rounds): Promise<void> {
    this.problems.delete(task_id);
    const report = { begun: true, begun_at: Date.now(), ...(rounds && { rounds }) } as const;
    await pause(QUICK_MS, undefined, { signal: ending }).catch(() => {});
    while (!ending.aborted && !(await this.send(client, task_id, report))) {
      await pause(REPORT_MS, undefined, { signal: ending }).catch(() => {});
    }
  }

  /** Reports why Kimi does not have the request yet; the same problem only once. */
  async problem(client: Client, task_id: string, problem: TaskError): Promise<void> {
    if (this.problems.get(task_id) === problem.message) return;
    this.problems.set(task_id, problem.message);
    await this.send(client, task_id, { problem });
  }

  /** @returns whether the report was accepted, or the task has ended. */
  private async send(client: Client, task_id: string, report: RelayReport): Promise<boolean> {
    try {
      const handle = client.workflow.getHandle(task_id);
      await client.connection.withDeadline(Date.now() + REPORT_MS, async () => {
        await handle.signal<[RelayReport]>(RELAY_SIGNAL, report);
      });
      return true;
    } catch (error) {
      if (error instanceof WorkflowNotFoundError) return true;
      this.log.warn({ task_id, err: error }, 'the progress of the request could not be reported to the task');
      return false;
    }
  }
}

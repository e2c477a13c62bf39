import { newKey } from '../tasks/task-id.ts';
import type { CallOptions, StartOptions, Wanted } from './client.ts';
import type { NewSchedule, Schedule, ScheduleList, StartedTask } from './types.ts';

/** How requests are made. */
interface Requests {
  ask<T>(wanted: Wanted, signal: AbortSignal | undefined): Promise<T>;
  /** @param code the problem of a second time */
  once(wanted: Wanted, code: string, signal: AbortSignal | undefined): Promise<void>;
}

/** Tasks that are started on time. A schedule is named by its name or its id. */
export class SdkSchedules {
  constructor(private readonly requests: Requests) {}

  /** @param schedule when it is due (`every Monday 9:30`, `每天 8:00`, or cron), and what is started then */
  async add(schedule: NewSchedule, { idempotencyKey = newKey(), signal }: StartOptions = {}): Promise<Schedule> {
    const headers = { 'idempotency-key': idempotencyKey };
    return await this.requests.ask({ method: 'POST', path: '/v1/schedules', headers, body: schedule }, signal);
  }

  /** @returns all schedules, by name. */
  async list({ signal }: CallOptions = {}): Promise<Schedule[]> {
    return (await this.requests.ask<ScheduleList>({ path: '/v1/schedules' }, signal)).schedules;
  }

  async pause(name: string, { signal }: CallOptions = {}): Promise<Schedule> {
    return await this.requests.ask({ method: 'POST', path: `${pathOf(name)}/pause`, body: {} }, signal);
  }

  async resume(name: string, { signal }: CallOptions = {}): Promise<Schedule> {
    return await this.requests.ask({ method: 'POST', path: `${pathOf(name)}/resume`, body: {} }, signal);
  }

  /** Starts the task of a schedule now. @returns its id */
  async run(name: string, { idempotencyKey = newKey(), signal }: StartOptions = {}): Promise<string> {
    const headers = { 'idempotency-key': idempotencyKey };
    const wanted = { method: 'POST', path: `${pathOf(name)}/run`, headers, body: { wait_ms: 0 } } as const;
    return (await this.requests.ask<StartedTask>(wanted, signal)).task_id;
  }

  /** Removes a schedule. A task that it started continues. */
  async remove(name: string, { signal }: CallOptions = {}): Promise<void> {
    await this.requests.once({ method: 'DELETE', path: pathOf(name) }, 'unknown_schedule', signal);
  }
}

function pathOf(name: string): string {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}

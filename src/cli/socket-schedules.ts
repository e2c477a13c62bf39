/** Schedules by the API of the running service. Loaded by every command: it must stay small. */
import type { NewSchedule, Schedule, Schedules } from '../schedules/schedules.ts';
import type { StartedTask } from '../tasks/tasks.ts';
import type { Ask } from './socket-tasks.ts';

export class SocketSchedules implements Schedules {
  constructor(private readonly ask: Ask) {}

  async add(schedule: NewSchedule, key: string): Promise<Schedule> {
    return await this.ask(
      { method: 'POST', path: '/v1/schedules', headers: { 'idempotency-key': key }, body: schedule },
      async (tasks) => await tasks.schedules.add(schedule, key),
    );
  }

  async list(): Promise<Schedule[]> {
    const { schedules } = await this.ask<{ schedules: Schedule[] }>(
      { method: 'GET', path: '/v1/schedules' },
      async (tasks) => ({ schedules: await tasks.schedules.list() }),
    );
    return schedules;
  }

  async pause(name: string): Promise<Schedule> {
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/pause` },
      async (tasks) => await tasks.schedules.pause(name),
    );
  }

  async resume(name: string): Promise<Schedule> {
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/resume` },
      async (tasks) => await tasks.schedules.resume(name),
    );
  }

  async run(name: string, key: string, waitMs: number): Promise<StartedTask> {
    const headers = { 'idempotency-key': key };
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/run`, headers, body: { wait_ms: Math.round(waitMs) } },
      async (tasks) => await tasks.schedules.run(name, key, waitMs),
    );
  }

  async remove(name: string): Promise<void> {
    await this.ask({ method: 'DELETE', path: pathOf(name) }, async (tasks, isUncertain) => {
      await tasks.schedules.remove(name).catch((error: unknown) => {
        // The service may have removed it before its connection was lost.
        if (!isUncertain || (error as { code?: unknown }).code !== 'unknown_schedule') throw error;
      });
      return { name };
    });
  }
}

function pathOf(name: string): string {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}

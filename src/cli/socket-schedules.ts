/** Schedules by the API of the running service. Loaded by every command: it must stay small. */
import type { NewSchedule, Schedule, Schedules } from '../schedules/schedules.ts';
import type { Route } from '../shared/chat.ts';
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

  async list(chat?: Route): Promise<Schedule[]> {
    const { schedules } = await this.ask<{ schedules: Schedule[] }>(
      { method: 'GET', path: '/v1/schedules', query: routeQuery(chat) },
      async (tasks) => ({ schedules: await tasks.schedules.list(chat) }),
    );
    return schedules;
  }

  async pause(name: string, chat?: Route): Promise<Schedule> {
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/pause`, body: { route: chat } },
      async (tasks) => await tasks.schedules.pause(name, chat),
    );
  }

  async resume(name: string, chat?: Route): Promise<Schedule> {
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/resume`, body: { route: chat } },
      async (tasks) => await tasks.schedules.resume(name, chat),
    );
  }

  async run(name: string, key: string, waitMs: number, chat?: Route): Promise<StartedTask> {
    const headers = { 'idempotency-key': key };
    return await this.ask(
      { method: 'POST', path: `${pathOf(name)}/run`, headers, body: { wait_ms: Math.round(waitMs), route: chat } },
      async (tasks) => await tasks.schedules.run(name, key, waitMs, chat),
    );
  }

  async remove(name: string, chat?: Route): Promise<void> {
    await this.ask({ method: 'DELETE', path: pathOf(name), query: routeQuery(chat) }, async (tasks, isUncertain) => {
      await tasks.schedules.remove(name, chat).catch((error: unknown) => {
        // The service may have removed it before its connection was lost.
        if (!isUncertain || (error as { code?: unknown }).code !== 'unknown_schedule') throw error;
      });
      return { name };
    });
  }
}

/** @returns a query's part that names a chat. */
export function routeQuery(route: Route | undefined): { route?: string } {
  return route ? { route: JSON.stringify(route) } : {};
}

function pathOf(name: string): string {
  return `/v1/schedules/${encodeURIComponent(name)}`;
}

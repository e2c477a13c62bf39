import type { McpServer } from '@modelcontextprotocol/server';
import { expect, it } from 'vitest';
import { Channel } from '../../src/mcp/channel.ts';
import type { ResultFile } from '../../src/shared/result.ts';
import { Problem } from '../../src/tasks/problem.ts';
import type { Tasks } from '../../src/tasks/tasks.ts';
import { until } from '../support/resources.ts';

it('an engine that is lost for a while is no end of a task', async () => {
  const answers = [
    async () => await Promise.reject(new Problem('engine_lost', { address: 'localhost:7233' })),
    async () => ({ task_name: 'calculator', status: 'done' }) as ResultFile,
  ];
  const tasks = { result: async () => await answers.shift()?.() } as unknown as Tasks;
  const sent: unknown[] = [];
  const server = { server: { notification: async (one: unknown) => void sent.push(one) } } as unknown as McpServer;
  const channel = new Channel(server, { lang: 'en', open: async () => tasks, explain: async () => '' });
  channel.watch('kimi-1-1');
  await until(() => sent.length > 0);
  expect(sent).toEqual([
    expect.objectContaining({
      params: expect.objectContaining({ meta: { task_id: 'kimi-1-1', status: 'done' } }) as unknown,
    }),
  ]);
});

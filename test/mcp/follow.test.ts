/** What follows a task for a client: the channel and `kimi_wait`, with services that are away for a while. */
import type { McpServer, ServerContext } from '@modelcontextprotocol/server';
import { expect, it } from 'vitest';
import { Channel } from '../../src/mcp/channel.ts';
import type { Door } from '../../src/mcp/door.ts';
import { waitFor } from '../../src/mcp/wait.ts';
import { Problem } from '../../src/tasks/problem.ts';
import type { Standing, Tasks } from '../../src/tasks/tasks.ts';
import { until } from '../support/resources.ts';

const LOST = new Problem('engine_lost', { address: 'localhost:7233' });

const OPEN = { task_id: 'kimi-1-1', task_name: 'calculator', state: 'queued', status: 'queued' } as Standing;

const ENDED = { ...OPEN, state: 'done', status: 'done', result_file: '/r/kimi-1-1.json' } as Standing;

const WHEN = '2026-11-30T12:00:00Z';

async function result() {
  return {
    task_id: 'kimi-1-1',
    task_name: 'calculator',
    model: 'm',
    status: 'done',
    created_at: WHEN,
    completed_at: WHEN,
  };
}

/** @param looks what each look at the task returns or throws @param changes what is reported after each look that returns it open */
function doorTo(looks: (Standing | Problem)[], changes: Standing[][]) {
  const seen = { looks: 0 };
  const find = async (): Promise<Standing> => {
    seen.looks += 1;
    const look = looks.shift();
    if (!look || look instanceof Problem) throw look ?? new Error('one look too many');
    return look;
  };
  const door: Door = {
    lang: 'en',
    open: async () => ({ find, result }) as unknown as Tasks,
    changes: async function* () {
      yield* changes.shift() ?? [];
    },
    explain: async () => '',
  };
  return { door, seen };
}

function context(): { ctx: ServerContext; reports: string[] } {
  const reports: string[] = [];
  const notify = async ({ params }: { params: { message: string } }) => void reports.push(params.message);
  const mcpReq = { _meta: { progressToken: 1 }, notify, signal: new AbortController().signal };
  return { ctx: { mcpReq } as unknown as ServerContext, reports };
}

it('the channel reports an end that comes after the engine was lost, and after the services were', async () => {
  const { door } = doorTo([LOST, OPEN, OPEN], [[], [ENDED]]);
  const sent: unknown[] = [];
  const server = { server: { notification: async (one: unknown) => void sent.push(one) } } as unknown as McpServer;
  new Channel(server, door).watch('kimi-1-1');
  await until(() => sent.length > 0);
  expect(sent).toEqual([
    expect.objectContaining({
      params: expect.objectContaining({ meta: { task_id: 'kimi-1-1', status: 'done' } }) as unknown,
    }),
  ]);
});

it('kimi_wait looks once, and again only if the services were away; what is wrong at the first look, or at the end, is thrown', async () => {
  const { door, seen } = doorTo([OPEN, LOST, OPEN], [[OPEN], [OPEN, ENDED]]);
  const { ctx, reports } = context();
  expect((await waitFor('kimi-1-1', 30, door, ctx)).structuredContent).toMatchObject({ ended: true });
  expect(seen.looks).toBe(3);
  expect(reports.length).toBeGreaterThan(0);
  await expect(waitFor('kimi-1-1', 30, doorTo([LOST], []).door, ctx)).rejects.toThrow(LOST);
  await expect(waitFor('kimi-1-1', 2, doorTo([OPEN, LOST, LOST], []).door, ctx)).rejects.toThrow(LOST);
});

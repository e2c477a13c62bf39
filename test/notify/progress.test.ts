/** The line of progress of the gateway's plugin; test/e2e/openclaw/offers.test.ts shows it in the real gateway. */
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Route } from '../../src/shared/chat.ts';
import { editIn, ProgressLines, type Messages } from '../../openclaw/plugin/src/progress.ts';
import type { Delivery } from '../../openclaw/plugin/src/notifier.ts';
import { temporaryFolder, until } from '../support/resources.ts';

const ID = 'kimi-1707654321-12345';
const ROUTE: Route = { channel: 'telegram', to: '4242' };
const EVERY_MS = 20;

async function open({
  stateDir,
  sends = async () => ({ outcome: 'sent', message_ids: ['7'] }),
  edits = async () => {},
}: { stateDir?: string; sends?: () => Promise<Delivery>; edits?: () => Promise<void> } = {}) {
  const folder = stateDir ?? (await temporaryFolder());
  const posted: string[] = [];
  const places: string[] = [];
  const edited: string[] = [];
  const runs: string[][] = [];
  const task = { task_name: 'essay', state: 'dispatched', progress: { text: '10' } as { text: string } | undefined };
  const ran = { exit: 0 };
  const messages: Messages = {
    post: async (_route, text) => {
      posted.push(text);
      return await sends();
    },
    edit: async (route, id, text) => {
      places.push(route.to);
      expect(id).toBe('7');
      edited.push(text);
      await edits();
    },
  };
  const run = async (args: string[]) => {
    runs.push(args);
    return { ...ran, stdout: JSON.stringify(task), stderr: '' };
  };
  const lines = new ProgressLines(run, messages, folder, EVERY_MS);
  onTestFinished(() => lines.stop());
  /** The files of tasks that are followed. */
  const followed = async () => await readdir(join(folder, 'kimi-dispatch/progress')).catch(() => []);
  /** Waits until every task has been looked at once more. */
  const look = async () => {
    const before = runs.length;
    await until(() => runs.length > before);
    await lines.settled();
  };
  return { folder, lines, posted, edited, places, runs, task, ran, followed, look };
}

describe('a line of progress', () => {
  it('is sent once, edited when there is news, and replaced at the end', async () => {
    const { lines, posted, edited, places, runs, task, followed, look } = await open();
    lines.follow(ID, ROUTE);
    // The same message, delivered again.
    lines.follow(ID, ROUTE);
    await until(() => posted.length > 0);
    expect(posted).toEqual(['⏳ essay：10']);
    expect(runs[0]).toEqual(['status', ID, '--json', '--route', JSON.stringify(ROUTE)]);
    await look();
    expect(edited).toEqual([]);
    task.progress = { text: '20' };
    await until(() => edited.length > 0);
    lines.ended(ID, 'essay', 'done');
    await lines.settled();
    expect(edited).toEqual(['⏳ essay：20', '✅ essay']);
    expect(places).toEqual([ROUTE.to, ROUTE.to]);
    expect(posted).toHaveLength(1);
    expect(await followed()).toEqual([]);
  });

  it('is replaced although nobody told the plugin of the end', async () => {
    const { lines, posted, edited, task } = await open();
    lines.follow(ID, ROUTE);
    await until(() => posted.length > 0);
    task.state = 'cancelled';
    await until(() => edited.length > 0);
    expect(edited).toEqual(['🚫 essay']);
  });

  it('does not appear for a task that ends before, or has no progress', async () => {
    const { lines, posted, edited, task, followed, look } = await open();
    task.progress = undefined;
    lines.follow(ID, ROUTE);
    await look();
    await look();
    task.state = 'done';
    await until(async () => (await followed()).length === 0);
    expect([posted, edited]).toEqual([[], []]);
  });

  it.each([
    ['line', 'U1'],
    ['whatsapp', '886900000000'],
    ['webchat', 'agent:main:main'],
  ])('does not appear in %s %s', async (channel, to) => {
    const { lines, followed } = await open();
    lines.follow(ID, { channel, to });
    await lines.settled();
    expect(await followed()).toEqual([]);
  });

  it('is edited in the chat as the channel names it', async () => {
    const { lines, posted, edited, places, task } = await open({
      sends: async () => ({ outcome: 'sent', message_ids: ['7'], place: 'D1' }),
    });
    lines.follow(ID, { channel: 'slack', to: 'U1' });
    await until(() => posted.length > 0);
    task.progress = { text: '20' };
    await until(() => edited.length > 0);
    lines.ended(ID, 'essay', 'done');
    await lines.settled();
    expect(places).toEqual(['D1', 'D1']);
  });

  it('continues in the same message after the gateway was killed', async () => {
    const first = await open();
    first.lines.follow(ID, ROUTE);
    await until(() => first.posted.length > 0);
    await first.lines.settled();
    first.lines.stop();
    const { lines, posted, edited, task } = await open({ stateDir: first.folder });
    task.progress = { text: '30' };
    lines.resume();
    await until(() => edited.length > 0);
    expect(edited).toEqual(['⏳ essay：30']);
    expect(posted).toEqual([]);
  });

  it('is not sent again if the gateway was killed while it sent it', async () => {
    const stateDir = await temporaryFolder();
    await mkdir(join(stateDir, 'kimi-dispatch/progress'), { recursive: true });
    const line = { route: ROUTE, since: Date.now() - 1_000, isSending: true };
    await writeFile(join(stateDir, 'kimi-dispatch/progress', ID), JSON.stringify(line));
    const { lines, posted, followed } = await open({ stateDir });
    lines.resume();
    await until(async () => (await followed()).length === 0);
    expect(posted).toEqual([]);
  });

  it.each([
    ['refused for now', { outcome: 'failed' }, true],
    ['perhaps shown', { outcome: 'failed', isUncertain: true }, false],
    ['sent without an id', { outcome: 'sent' }, false],
  ] as const)('that was %s', async (_what, delivery, isRepeated) => {
    const { lines, posted, followed } = await open({ sends: async () => delivery });
    lines.follow(ID, ROUTE);
    await until(async () => (isRepeated ? posted.length > 1 : posted.length > 0 && (await followed()).length === 0));
    expect(posted.length > 1).toBe(isRepeated);
  });

  it('survives an edit that fails, and services that are down', async () => {
    let isBroken = true;
    const { lines, posted, edited, task, ran, look, followed } = await open({
      edits: async () => {
        if (isBroken) throw new Error('no');
      },
    });
    lines.follow(ID, ROUTE);
    await until(() => posted.length > 0);
    task.progress = { text: '20' };
    await until(() => edited.length > 1);
    ran.exit = 5;
    await look();
    ran.exit = 0;
    lines.ended(ID, 'essay', 'done');
    await lines.settled();
    isBroken = false;
    task.state = 'done';
    await until(async () => (await followed()).length === 0);
    expect(new Set(edited)).toEqual(new Set(['⏳ essay：20', '✅ essay']));
    expect(edited.at(-1)).toBe('✅ essay');
    expect(posted).toHaveLength(1);
  });
});

it('is edited through the gateway', async () => {
  const calls: unknown[] = [];
  const edit = editIn(async (method, _options, { idempotencyKey: _key, ...request }) => {
    calls.push([method, request]);
  });
  await edit({ channel: 'slack', to: 'C1', account_id: 'second' }, '1.2', '✅ <!channel>');
  await edit(ROUTE, '7', '✅ essay');
  await edit({ channel: 'feishu', to: 'ou_1' }, 'om_2', 'x');
  const request = { action: 'edit', conversationReadOrigin: 'direct-operator' };
  const params = { to: 'C1', messageId: '1.2', message: expect.not.stringContaining('<!channel>') };
  expect(calls).toEqual([
    ['message.action', { ...request, channel: 'slack', accountId: 'second', params }],
    [
      'message.action',
      { ...request, channel: 'telegram', params: { to: '4242', messageId: '7', message: '✅ essay' } },
    ],
    // Its messages name a private chat otherwise than its user.
    ['message.action', { ...request, channel: 'feishu', params: { messageId: 'om_2', message: 'x' } }],
  ]);
});

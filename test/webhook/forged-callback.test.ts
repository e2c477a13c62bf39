/** Any client of the engine can send the signal `callback`: only answers that the webhook has forwarded are accepted. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createActivities } from '../../src/activities/index.ts';
import { isProven, withProof } from '../../src/webhook/proof.ts';
import type { Callback } from '../../src/shared/callback.ts';
import { CALLBACK_SIGNAL } from '../../src/shared/names.ts';
import { MAX_UNPROVEN, type DeadLetter } from '../../src/webhook/dead-letters.ts';
import { callbackFor, passOn } from '../support/callback.ts';
import { NEXT_SECRET, SECRET, temporaryFolder, until } from '../support/resources.ts';
import { openWorld, type World } from '../support/world.ts';

const TASK = 'kimi-1-1';

/** Answers that never passed the webhook, for a task. */
const forgeries = (task_id: string): unknown[] => [
  callbackFor(task_id),
  { ...callbackFor(task_id), proof: '0'.repeat(64) },
  withProof(callbackFor(task_id), 'a-secret-that-somebody-guessed'),
  // An answer forwarded for another task: unchanged, and with the id of this one.
  withProof(callbackFor('kimi-1-2'), SECRET),
  { ...withProof(callbackFor('kimi-1-2'), SECRET), metadata: { task_id } },
  { ...withProof(callbackFor(task_id), SECRET), model: 'another' },
  null,
  'done',
  [],
  undefined,
];

describe('a proof', () => {
  it.each([SECRET, NEXT_SECRET])(
    'made with any of the secrets is valid, also after serialization to JSON',
    (secret) => {
      const callback = { ...callbackFor(TASK), received_at: 1_700_000_000_000, interruptions: 2 };
      const choices = [{ message: { content: '“答案” 👍 \ud800 \u2028 \\ 0.1' }, finish_reason: 'stop' }];
      const proven = JSON.parse(JSON.stringify(withProof({ ...callback, choices }, secret))) as Callback;
      expect(isProven(TASK, proven, [SECRET, NEXT_SECRET])).toBe(true);
      expect(isProven(TASK, { ...proven, received_at: 1 }, [SECRET, NEXT_SECRET])).toBe(false);
    },
  );

  it('is invalid for forged answers', () => {
    for (const forged of forgeries(TASK)) expect(isProven(TASK, forged, [SECRET, NEXT_SECRET])).toBe(false);
  });
});

async function waiting(world: World, timeout_ms = 120_000) {
  const started = await world.start('x [[simulate: drop=1]]', { timeout_ms });
  const handle = world.handle(started);
  for (const forged of forgeries(started.task_id)) {
    if (forged === undefined) await handle.signal(CALLBACK_SIGNAL);
    else await handle.signal<[unknown]>(CALLBACK_SIGNAL, forged);
  }
  return { ...started, handle };
}

async function lettersOf(world: World): Promise<DeadLetter[]> {
  const folder = join(world.results.folder, '../dead-letters');
  const files = await readdir(folder);
  return await Promise.all(
    files.map(async (name) => JSON.parse(await readFile(join(folder, name), 'utf8')) as DeadLetter),
  );
}

describe('callbacks that the webhook did not forward', () => {
  it('are dropped, logged and stored, and a valid one is accepted after them', async () => {
    const world = await openWorld();
    const { task_id, handle } = await waiting(world);
    const answer = { ...callbackFor(task_id), choices: [{ message: { content: 'the true answer' } }] };
    await passOn(handle, answer);
    expect(await handle.result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(task_id)).toMatchObject({ output: 'the true answer' });
    expect(await world.results.read(task_id)).not.toHaveProperty('proof');
    expect(world.counts.wakes).toHaveLength(1);
    const letters = await lettersOf(world);
    // No value and null are one dead letter.
    expect(letters).toHaveLength(forgeries(task_id).length - 1);
    for (const letter of letters) expect(letter).toMatchObject({ task_id, reason: 'unproven' });
  });

  it('are stored up to a limit, also if all arrive at the same moment', async () => {
    const deadLetters = join(await temporaryFolder(), 'dead-letters');
    const callbacks = { secrets: [SECRET], deadLetters };
    const activities = createActivities({ callbacks, config: { KIMI_NOTIFY_ALLOW: [] } } as never);
    const made_up = Array.from({ length: 30 }, (_, n) => ({ ...callbackFor(TASK), id: `cmpl-${n}` }));
    const verified = await Promise.all(made_up.map(async (forged) => await activities.verifyCallback(TASK, forged)));
    expect(new Set(verified)).toEqual(new Set([false]));
    expect(await readdir(deadLetters)).toHaveLength(MAX_UNPROVEN);
    // Those of another task, whose id has the same prefix, are kept.
    await activities.verifyCallback(`${TASK}1`, callbackFor(`${TASK}1`));
    expect(await readdir(deadLetters)).toHaveLength(MAX_UNPROVEN + 1);
  });

  it('do not end the wait: the task times out, and a valid late answer is stored', async () => {
    const world = await openWorld();
    const { task_id, handle } = await waiting(world, 1_000);
    await until(async () => (await world.results.read(task_id))?.status === 'timed_out');
    await handle.signal<[Callback]>(CALLBACK_SIGNAL, callbackFor(task_id));
    await passOn(handle, callbackFor(task_id));
    expect(await handle.result()).toMatchObject({ status: 'done' });
    expect(await world.results.read(task_id)).toMatchObject({ status: 'done', late: true });
  });
});

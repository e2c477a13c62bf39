/** What a relay finds of an answer that an earlier attempt has recorded. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ReceivedStore } from '../../src/relay/recordings.ts';
import { temporaryFolder } from '../support/resources.ts';

const ID = 'kimi-1-2';

/** A store with one recording of three pieces, and its path. */
async function recorded(): Promise<{ store: ReceivedStore; path: string; lines: string[] }> {
  const store = new ReceivedStore(await temporaryFolder());
  const recording = await store.begin(ID, 0, false);
  recording.sent();
  await recording.take([{ content: 'one ' }, { content: 'two ' }, { content: 'three', done: true }]);
  await recording.close();
  const path = join(store.folder, `${ID}.0.jsonl`);
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  return { store, path, lines };
}

describe('a recording', () => {
  it('is read completely', async () => {
    const { store } = await recorded();
    const [attempt] = await store.read(ID, 1);
    expect(attempt).toMatchObject({ continues: false, sent: true, answer: { content: 'one two three', done: true } });
  });

  it.each([
    ['garbage', '\u0000\u0000garbage'],
    ['an invalid piece', 'null'],
    ['a piece of numbers', '{"content":5}'],
    ['usage without counts', '{"usage":{}}'],
  ])('with %s in a line is read up to that line', async (_, damaged) => {
    const { store, path, lines } = await recorded();
    await writeFile(path, `${lines.with(3, damaged).join('\n')}\n`);
    const [attempt] = await store.read(ID, 1);
    expect(attempt).toMatchObject({ sent: true, answer: { content: 'one ', done: false } });
  });

  it('whose first line is damaged is unusable: it is unknown what was sent', async () => {
    const { store, path, lines } = await recorded();
    await writeFile(path, `${lines.with(0, '{').join('\n')}\n`);
    expect(await store.read(ID, 1)).toEqual([undefined]);
  });

  it.each(['', '{"continues":fal'])('that is empty or incomplete (%j) shows that nothing was sent', async (content) => {
    const { store, path } = await recorded();
    await writeFile(path, content);
    expect(await store.read(ID, 1)).toMatchObject([{ sent: false, answer: { content: '' } }]);
  });

  it('of a request that Kimi refused is discarded', async () => {
    const store = new ReceivedStore(await temporaryFolder());
    const recording = await store.begin(ID, 0, false);
    recording.sent();
    await recording.discard();
    await recording.close();
    expect(await store.read(ID, 1)).toMatchObject([{ sent: false }]);
  });
});

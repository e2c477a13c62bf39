import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { claimHome, STATE } from '../../src/stack/home.ts';
import { bundle } from '../support/bundle.ts';
import { shared, temporaryFolder } from '../support/resources.ts';

const script = shared(async () => await bundle('test/support/claimer.ts'));

async function claimers(home: string, count: number): Promise<ChildProcess[]> {
  return await Promise.all(
    Array.from({ length: count }, async () => {
      const child = fork(script(), [home]);
      onTestFinished(() => void child.kill('SIGKILL'));
      await once(child, 'message');
      return child;
    }),
  );
}

async function claims(child: ChildProcess): Promise<boolean> {
  child.send('claim');
  const [{ claimed }] = (await once(child, 'message')) as [{ claimed: boolean }];
  return claimed;
}

/** Makes the lock that is there now look as if its holder lived: it never becomes stale. */
function keepFresh(home: string): void {
  const lock = join(home, 'stack.lock');
  const { birthtimeMs } = statSync(lock);
  const timer = setInterval(() => {
    const now = statSync(lock, { throwIfNoEntry: false });
    if (now?.birthtimeMs === birthtimeMs) utimesSync(lock, new Date(), new Date());
  }, 20);
  onTestFinished(() => clearInterval(timer));
}

async function killed(child: ChildProcess, home: string): Promise<void> {
  keepFresh(home);
  child.kill('SIGKILL');
  await once(child, 'exit');
}

it('the home of a killed stack is claimed at once, by one of those that start at the same moment', async () => {
  const home = await temporaryFolder();
  const [holder] = (await claimers(home, 1)) as [ChildProcess];
  expect(await claims(holder)).toBe(true);
  const next = await claimers(home, 4);
  await killed(holder, home);
  const claimed = await Promise.all(next.map(claims));
  expect(claimed.filter(Boolean)).toHaveLength(1);
  const { pid } = next[claimed.indexOf(true)] as ChildProcess;
  expect(JSON.parse(readFileSync(join(home, STATE), 'utf8'))).toMatchObject({ pid });
}, 60_000);

/** @returns whether a home is claimed whose killed stack's state says something else of its lock. */
async function isClaimedAfter(change: object): Promise<boolean> {
  const home = await temporaryFolder();
  const [holder] = (await claimers(home, 1)) as [ChildProcess];
  expect(await claims(holder)).toBe(true);
  const state = JSON.parse(readFileSync(join(home, STATE), 'utf8')) as { lock: object };
  writeFileSync(join(home, STATE), JSON.stringify({ ...state, lock: { ...state.lock, ...change } }));
  await killed(holder, home);
  return (await claimHome(home)) !== undefined;
}

it('a lock of another machine or container, or that another stack has taken since, is left alone', async () => {
  // A claim sets it.
  const umask = process.umask();
  onTestFinished(() => void process.umask(umask));
  const claimed = await Promise.all([isClaimedAfter({ space: 'elsewhere' }), isClaimedAfter({ folder: '1 1' })]);
  expect(claimed).toEqual([false, false]);
}, 60_000);

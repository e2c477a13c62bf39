import { setTimeout as pause } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { anySignal } from '../../src/service/any-signal.ts';
import { until } from '../support/until.ts';

it('a timeout among others fires, although its memory might have been collected', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const others = new AbortController();
  const fired: string[] = [];
  const wait = (): void => {
    const signal = anySignal([others.signal, AbortSignal.timeout(100)]);
    signal.addEventListener('abort', () => void fired.push((signal.reason as Error).name));
  };
  for (let i = 0; i < 10; i += 1) wait();
  // What a turn of the event loop has made is collected in a later one.
  await pause(10);
  collect();
  await until(() => fired.length === 10);
  expect(new Set(fired)).toEqual(new Set(['TimeoutError']));
});

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, it } from 'vitest';
import { identify, isAlive } from '../../src/stack/process-id.ts';

it('a process differs from earlier and later ones with the same id', async () => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)']);
  const id = identify(child.pid as number);
  expect(id).toMatchObject({ pid: child.pid, start: expect.stringMatching(/\d/) });
  if (!id) return;
  expect(isAlive(id)).toBe(true);
  expect(isAlive({ ...id, start: 'long ago' })).toBe(false);
  child.kill('SIGSTOP');
  expect(isAlive(id)).toBe(true);
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(id)).toBe(false);
});

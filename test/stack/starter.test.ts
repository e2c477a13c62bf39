/** The process that `up` in the foreground starts its stack with. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { cleanHome } from '../support/cli.ts';

it('says that its supervisor is gone, where that was killed before the start began', async () => {
  const env = await cleanHome({ KIMI_LANG: 'en', KIMI_API_KEY: 'sk-test' });
  const child = spawn(process.execPath, [join(DIST, 'starter.cjs'), 'up'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  child.disconnect();
  const [said] = await Promise.all([text(child.stderr as NonNullable<typeof child.stderr>), once(child, 'exit')]);
  expect(said).toContain('Supervisor ended');
  expect(said).not.toMatch(/^ {4}at /m);
});

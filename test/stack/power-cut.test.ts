/** A stack whose machine loses power: what is not synced is gone. */
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { cleanHome, cli, up } from '../support/cli.ts';
import { temporaryFolder, until } from '../support/resources.ts';

/** Notes the size of the engine's log, in bytes, when a sync of it has ended that began with this size. */
const NOTING = `
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const { fdatasync } = fs;
fs.fdatasync = (fd, done) => {
  const { size } = fs.fstatSync(fd);
  const isLog = fs.readlinkSync('/proc/self/fd/' + fd).endsWith('temporal.db-wal');
  fdatasync(fd, (error) => {
    if (isLog && !error) fs.appendFileSync(process.env.SYNCED, size + '\\n');
    done(error);
  });
};
syncBuiltinESMExports();
`;

it('a task that was accepted is known after a power cut', { timeout: 60_000 }, async () => {
  const folder = await temporaryFolder();
  const [noting, synced] = [join(folder, 'noting.mjs'), join(folder, 'synced')];
  await writeFile(noting, NOTING);
  const env = await cleanHome({ NODE_OPTIONS: `--import=${noting}`, SYNCED: synced });
  const { pid, children } = (await up(env, '--simulate')).state;
  const { stdout } = await cli(['dispatch', '-p', 'x [[simulate: delay=600000]]', '--json'], env);
  const onDisk = Math.max(...(await readFile(synced, 'utf8')).trim().split('\n').map(Number));
  const { task_id } = JSON.parse(stdout) as { task_id: string };

  for (const each of [pid, ...children.map((child) => child.pid)]) process.kill(each, 'SIGKILL');
  await until(async () => (await cli(['down'], env)).code === 0);
  await truncate(join(env['HOME'] ?? '', '.local/share/kimi-dispatch/temporal.db-wal'), onDisk);
  await up(env, '--simulate');

  expect(await cli(['status', task_id, '--json'], env)).toMatchObject({ code: 0 });
});

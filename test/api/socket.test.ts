/** The socket file of the API. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdir, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { listenOnSocket, socketPath } from '../../src/api/socket.ts';
import { temporaryFolder } from '../support/resources.ts';

function server() {
  const made = createServer((_request, response) => response.end('{}'));
  onTestFinished(async () => {
    if (made.listening) await new Promise((resolve) => made.close(resolve));
  });
  return made;
}

it('is accessible to its owner only, in a folder of its owner only', async () => {
  const folder = join(await temporaryFolder(), 'home');
  await listenOnSocket(server(), join(folder, 'api.sock'));
  expect((await stat(join(folder, 'api.sock'))).mode & 0o777).toBe(0o600);
  expect((await stat(folder)).mode & 0o777).toBe(0o700);
});

it('of a process that was killed is replaced', async () => {
  const path = join(await temporaryFolder(), 'api.sock');
  const program = `require('node:net').createServer().listen(${JSON.stringify(path)}, () => console.log('listening'))`;
  const killed = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(killed.stdout, 'data');
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  expect((await stat(path)).isSocket()).toBe(true);
  const next = server();
  await listenOnSocket(next, path);
  expect(next.listening).toBe(true);
});

it('does not replace another file, and is not created in a folder that others can use', async () => {
  const folder = await temporaryFolder();
  await writeFile(join(folder, 'api.sock'), 'mine');
  await expect(listenOnSocket(server(), join(folder, 'api.sock'))).rejects.toThrow('is not a socket of this user');
  const open = join(folder, 'open');
  await mkdir(open);
  await chmod(open, 0o755);
  await expect(listenOnSocket(server(), join(open, 'api.sock'))).rejects.toThrow('is open to others');
});

it('is in the home; if its path is too long for a socket, in a folder of this user and this home', async () => {
  expect(socketPath('/home/someone/.local/share/kimi-dispatch')).toBe(
    '/home/someone/.local/share/kimi-dispatch/api.sock',
  );
  const home = `/${'x'.repeat(120)}`;
  const env = { XDG_RUNTIME_DIR: await temporaryFolder() };
  const path = socketPath(home, env);
  expect(path).toMatch(new RegExp(`^${env.XDG_RUNTIME_DIR}/kimi-dispatch-\\d+-[\\da-f]{16}/api.sock$`));
  expect(socketPath(`${home}y`, env)).not.toBe(path);
  expect(socketPath(home, { XDG_RUNTIME_DIR: `/${'y'.repeat(100)}` })).toMatch(/^\/tmp\/kimi-dispatch-/);
  await listenOnSocket(server(), path);
});

/** The API's socket: a file in KIMI_HOME that only its owner can use. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chmod, lstat, mkdir, rm } from 'node:fs/promises';
import type { Server } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** Longest path of a socket, in bytes: `sun_path` has 104 on macOS and 108 on Linux, with the final zero. */
const LONGEST_PATH = 103;

/** @returns the path of a home's socket: in the home, or in a folder of this user if that path would be too long. */
export function socketPath(home: string, env: NodeJS.ProcessEnv = process.env): string {
  const own = join(home, 'api.sock');
  if (Buffer.byteLength(own) <= LONGEST_PATH) return own;
  const hash = createHash('sha256').update(home).digest('hex').slice(0, 16);
  const folder = `kimi-dispatch-${process.getuid?.() ?? 0}-${hash}`;
  const paths = [env['XDG_RUNTIME_DIR'] || tmpdir(), '/tmp'].map((place) => join(place, folder, 'api.sock'));
  return paths.find((path) => Buffer.byteLength(path) <= LONGEST_PATH) ?? own;
}

/**
 * Listens on a socket. The file of a process that was killed is replaced: one stack uses a home at a time.
 *
 * @throws if the folder, or what is in the socket's place, is not this user's alone.
 */
export async function listenOnSocket(server: Server, path: string): Promise<void> {
  const folder = dirname(path);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = await lstat(folder);
  if (uid !== process.getuid?.() || (mode & 0o077) !== 0) {
    throw new Error(`${folder} belongs to another user or is open to others; remove it`);
  }
  const before = await lstat(path).catch(() => undefined);
  if (before && (!before.isSocket() || before.uid !== uid)) {
    throw new Error(`${path} is not a socket of this user; remove it`);
  }
  await rm(path, { force: true });
  server.listen(path);
  await once(server, 'listening');
  await chmod(path, 0o600);
}

import { once } from 'node:events';
import { Writable } from 'node:stream';
import { serveStdio, StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { MAX_MESSAGE_BYTES, type Door } from './door.ts';
import { createMcpServer } from './server.ts';

/** Serves one client over standard input and output, until it closes them. */
export async function serveOnStdio(door: Door): Promise<void> {
  const { stdin, stdout } = process;
  // As bytes: the guard of standard output would change characters of an answer.
  const bytes = new Writable({ write: (chunk: Buffer, _, done) => void stdout.write(chunk, done) });
  const closed = Promise.race([once(stdin, 'end'), once(stdin, 'close')]);
  const handle = serveStdio((context) => createMcpServer(door, context), {
    transport: new StdioServerTransport(stdin, bytes, { maxBufferSize: MAX_MESSAGE_BYTES }),
    onerror: ({ message }) => console.error(message),
  });
  await closed;
  await handle.close();
}

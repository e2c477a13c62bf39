/** Raw HTTP over TCP, for requests that no library sends. */
import { connect, type Socket } from 'node:net';

/** A response; `undefined` if the connection was closed without one. */
export interface Answer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

/** @returns a connection, and everything received so far. */
export async function dial(url: string): Promise<{ socket: Socket; answers: () => Answer[]; closed: Promise<void> }> {
  const { port, hostname: host } = new URL(url);
  const socket = connect({ port: Number(port), host, noDelay: true });
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => (received += text));
  // A reset also counts as closed.
  socket.on('error', () => {});
  const closed = new Promise<void>((resolve) => void socket.once('close', () => resolve()));
  await Promise.race([new Promise<void>((resolve) => void socket.once('connect', () => resolve())), closed]);
  return { socket, answers: () => answersIn(received), closed };
}

/** Sends bytes over a new connection. @returns the first response, or what was received before it closed. */
export async function send(url: string, bytes: string | Buffer, hangUp = false): Promise<Answer | undefined> {
  const { socket, answers, closed } = await dial(url);
  const answered = new Promise<void>((resolve) => {
    socket.on('data', () => {
      if (answers().length > 0) resolve();
    });
  });
  if (hangUp) socket.end(bytes, 'latin1');
  else socket.write(bytes, 'latin1');
  await Promise.race([answered, closed]);
  socket.destroy();
  return answers()[0];
}

/** @returns the bytes of a request. Strings are encoded as latin1. */
export function requestBytes({
  method = 'POST',
  target = '/',
  headers = {},
  body = '',
}: {
  method?: string;
  target?: string;
  headers?: Record<string, string>;
  body?: string | Buffer;
}): Buffer {
  const bytes = Buffer.from(body);
  const all: Record<string, string> = { host: 'x', 'content-length': String(bytes.length), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([Buffer.from([`${method} ${target} HTTP/1.1`, ...lines, '', ''].join('\r\n'), 'latin1'), bytes]);
}

/** Complete responses in the received bytes, without `100 Continue`. */
function answersIn(received: string): Answer[] {
  const answers: Answer[] = [];
  for (let rest = received; ;) {
    const end = rest.indexOf('\r\n\r\n');
    if (end < 0) return answers;
    const [first = '', ...lines] = rest.slice(0, end).split('\r\n');
    const headers = Object.fromEntries(
      lines.map((line) => [line.split(':', 1)[0]?.toLowerCase() ?? '', line.slice(line.indexOf(':') + 1).trim()]),
    );
    const status = Number(first.split(' ')[1]);
    const length = Number(headers['content-length'] ?? 0);
    if (rest.length < end + 4 + length) return answers;
    if (status >= 200) {
      const body = Buffer.from(rest.slice(end + 4, end + 4 + length), 'latin1').toString();
      answers.push({ status, headers, body });
    }
    rest = rest.slice(end + 4 + length);
  }
}

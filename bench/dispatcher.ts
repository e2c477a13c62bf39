/** Starts tasks over HTTP, as the peers do: `POST /tasks`. It sends in one process what the command line sends in a process per task. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { socketPath } from '../src/api/socket.ts';
import { readConfig } from '../src/config/index.ts';

const api = new Pool('http://localhost', { socketPath: socketPath(readConfig().KIMI_HOME) });
const body = JSON.stringify({
  name: 'bench',
  prompt: 'x',
  model: 'moonshot-v1-128k',
  timeout_ms: 3_600_000,
  wait_ms: 10_000,
});

async function start(): Promise<{ task_id: string }> {
  const headers = { 'content-type': 'application/json' };
  const response = await api.request({ method: 'POST', path: '/v1/tasks', headers, body });
  const said = await response.body.text();
  const { task_id } = JSON.parse(said) as { task_id?: string };
  // On an overloaded machine the engine's confirmation may come later.
  if (task_id === undefined) throw new Error(said);
  return { task_id };
}

const server = createServer((_incoming, response) => {
  void start().then(
    (started) => response.end(JSON.stringify(started)),
    (error: Error) => response.writeHead(500).end(error.message),
  );
});
server.listen(Number(process.env['DISPATCHER_PORT']), '127.0.0.1', () => {
  process.send?.({ ready: true, port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit());

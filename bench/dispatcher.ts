/** Starts tasks over HTTP, as the peers do: `POST /tasks`. It does in one process what the command line does in a process per task. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startTask } from '../src/tasks/start.ts';
import { readConfig } from '../src/config/index.ts';
import { openPayloads } from '../src/temporal/payloads/converter.ts';
import { connectClient } from '../src/temporal/client.ts';

const config = readConfig();
const client = await connectClient(openPayloads(config).dataConverter);
const request = {
  task_name: 'bench',
  prompt: 'x',
  model: 'moonshot-v1-128k',
  timeout_ms: 3_600_000,
  grace_ms: 3_600_000,
  lang: config.KIMI_LANG,
};
const server = createServer((_incoming, response) => {
  void startTask(client, config.KIMI_TASK_QUEUE, request, 60_000).then(
    (started) => response.writeHead(started.status === 'accepted' ? 200 : 500).end(JSON.stringify(started)),
    (error: Error) => response.writeHead(500).end(error.message),
  );
});
server.listen(Number(process.env['DISPATCHER_PORT']), '127.0.0.1', () => {
  process.send?.({ ready: true, port: (server.address() as AddressInfo).port });
});
process.on('disconnect', () => process.exit());

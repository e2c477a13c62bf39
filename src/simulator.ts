/** The simulated Kimi as a process: `node dist/simulator.js`. It is never the real one, and every answer says so. */
import { createServer } from 'node:http';
import { join } from 'node:path';
import { ServiceError } from './service/exit.ts';
import { hostCheck } from './service/http.ts';
import { listen } from './service/ports.ts';
import { runService } from './service/run.ts';
import { createSimulator } from './simulator/app.ts';
import { warmUpHttp } from './service/warm-up.ts';

const HOST = '127.0.0.1';

await runService('simulator', async (config, log) => {
  if (!config.WEBHOOK_SECRET) throw new ServiceError('no_webhook_secret', { program: 'simulator' });
  await warmUpHttp();
  const keepIn = join(config.KIMI_HOME, 'simulator');
  const simulator = createSimulator({ secret: config.WEBHOOK_SECRET, delayMs: 3_000, log, keepIn });
  const server = createServer(hostCheck(HOST, simulator.app));
  const port = await listen(server, { host: HOST, port: config.KIMI_SIMULATOR_PORT }, 'KIMI_SIMULATOR_PORT');
  return {
    port,
    stop: () => {
      simulator.stop();
      server.close();
      server.closeAllConnections();
    },
    stopped: new Promise((resolve) => server.once('close', resolve)),
  };
});

/** The webhook process: receives Kimi's callbacks. `node dist/webhook.js` */
import { ServiceError } from './errors.ts';
import { listen, runService } from './process.ts';
import { connectClient } from './temporal.ts';
import { createWebhook } from './webhook-app.ts';
import { createWebhookServer } from './webhook-server.ts';

/** How long open requests may take to end after SIGTERM, in milliseconds. */
const DRAIN_MS = 5_000;

await runService('webhook', async (config, log) => {
  if (!config.WEBHOOK_SECRET) {
    throw new ServiceError(
      'WEBHOOK_SECRET is not set, so no callback could be trusted; e.g. WEBHOOK_SECRET=$(openssl rand -hex 32)',
    );
  }
  const client = await connectClient();
  const secrets = [config.WEBHOOK_SECRET, ...config.WEBHOOK_ADDITIONAL_SECRETS];
  const server = createWebhookServer(createWebhook({ client, secrets, log }));
  const port = await listen(server, { host: config.WEBHOOK_HOST, port: config.WEBHOOK_PORT }, 'WEBHOOK_PORT');
  return {
    port,
    stop: () => {
      server.close();
      setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
    },
    stopped: new Promise((resolve) => server.once('close', resolve)).then(() => client.connection.close()),
  };
});

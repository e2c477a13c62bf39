/** The webhook process: receives Kimi's callbacks. `node dist/webhook.js` */
import { startWebhook } from './webhook/start.ts';
import { runService } from './service/run.ts';

await runService('webhook', startWebhook);

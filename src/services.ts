/** The services of a stack in one process: webhook, relay and worker. The supervisor sends their settings. */
import { once } from 'node:events';
import { report, runService } from './service/run.ts';
import { startServices, type ServicesStart } from './stack/services.ts';

/** How often it reports that its event loop turns, in milliseconds. */
const ALIVE_MS = 1_000;

setInterval(() => report({ alive: true }), ALIVE_MS).unref();
const [{ env, engine }] = (await once(process, 'message')) as [ServicesStart];
Object.assign(process.env, env);
await runService('services', async (config) => await startServices(config, engine));

/** The worker process: runs tasks. `node dist/worker.js` */
import { startWorker } from './activities/start.ts';
import { runService } from './service/run.ts';

await runService('worker', startWorker);

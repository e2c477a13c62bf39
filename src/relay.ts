/** The relay process: sends callbacks for an API that does not. `node dist/relay.js` */
import { startRelay } from './relay/start.ts';
import { runService } from './service/run.ts';

await runService('relay', startRelay);

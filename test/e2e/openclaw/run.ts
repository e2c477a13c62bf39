/** `npm run e2e:openclaw -- [--openclaw VERSION] [FILE…]`: the end-to-end tests in that release of OpenClaw. */
import { parseArgs } from 'node:util';
import { startVitest } from 'vitest/node';

const { values, positionals } = parseArgs({ allowPositionals: true, options: { openclaw: { type: 'string' } } });
if (values.openclaw !== undefined) process.env['OPENCLAW_VERSION'] = values.openclaw;
const vitest = await startVitest('test', positionals, { config: 'test/e2e/openclaw.config.ts', run: true });
await vitest.close();

#!/usr/bin/env node
/** Entry of the command line. What it loads is compiled once and kept, where Node can do that (22.1 and newer). */
import * as nodeModule from 'node:module';

(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
const { main } = await import('./cli/main.ts');
await main(process.argv);
// Once all is printed, or it is known that it cannot be. The engine's client tries a call again that was given up, and breaks
// on the connection that is closed.
process.stdout.write('', () => setImmediate(() => process.exit()));

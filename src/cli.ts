#!/usr/bin/env node
/** Entry point of the command line. Compiled code is cached by Node 22.1 and newer. */
import * as nodeModule from 'node:module';

(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
const { main } = await import('./cli/main.ts');
await main(process.argv);
// Exits after the last output: the engine's client would retry an abandoned call on a closed connection and throw.
process.stdout.write('', () => setImmediate(() => process.exit()));

#!/usr/bin/env node
/** Entry point of the command line. Compiled code is cached by Node 22.1 and newer. */
import * as nodeModule from 'node:module';

(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
const args = process.argv.slice(2);
const { isForegroundUp, upInForeground } = await import('./stack/foreground.ts');
if (isForegroundUp(args)) process.exitCode = await upInForeground(args);
else await import('./starter.ts');

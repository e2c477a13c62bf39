#!/usr/bin/env node
/** Entry point of the command line. Compiled code is cached by Node 22.1 and newer. */
import * as nodeModule from 'node:module';

(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
const args = process.argv.slice(2);
if (isForegroundUp(args)) {
  const { upInForeground } = await import('./stack/foreground.ts');
  process.exitCode = await upInForeground(args);
} else await import('./starter.ts');

/** Options with which `up` does not run a stack in the foreground. */
function isForegroundUp([command, ...options]: string[]): boolean {
  return command === 'up' && !options.some((option) => /^(?:-d|--detach|-h|--help)$/.test(option));
}

#!/usr/bin/env node
/** Entry point of the command line. Compiled code is cached by Node 22.1 and newer. */
import { writeSync } from 'node:fs';
import * as nodeModule from 'node:module';

/** The version of the package: set by scripts/build.ts. */
declare const KIMI_DISPATCH_VERSION: string;

(nodeModule as { enableCompileCache?: () => void }).enableCompileCache?.();
const args = process.argv.slice(2);
if (isVersion(args) && isPrinted(`${KIMI_DISPATCH_VERSION}\n`)) process.exitCode = 0;
else if (isForegroundUp(args)) {
  const { upInForeground } = await import('./stack/foreground.ts');
  process.exitCode = await upInForeground(args);
} else await import('./starter.ts');

/** The version alone: nothing else is loaded for it. */
function isVersion([option, ...others]: string[]): boolean {
  return (option === '-V' || option === '--version') && others.length === 0;
}

/** @returns `false` if standard output does not take it: the command then reports why. */
function isPrinted(line: string): boolean {
  try {
    return writeSync(1, line) === Buffer.byteLength(line);
  } catch {
    return false;
  }
}

/** Options with which `up` does not run a stack in the foreground. */
function isForegroundUp([command, ...options]: string[]): boolean {
  return command === 'up' && !options.some((option) => /^(?:-d|--detach|-h|--help)$/.test(option));
}

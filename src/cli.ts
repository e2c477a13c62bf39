#!/usr/bin/env node
/** Entry point of the command line: loads no more than a command needs. */
import { join } from 'node:path';
import { runCached } from './cli/code-cache.ts';
import { isQuick, namedCommand } from './cli/command-name.ts';
import { useNodesCache } from './cli/node-cache.ts';
import { writeNow } from './cli/output/write-now.ts';

/** The version of the package: set by scripts/build.ts. */
declare const KIMI_DISPATCH_VERSION: string;

const args = process.argv.slice(2);
// If it cannot be written, the command reports why.
if (isVersion(args) && writeNow(`${KIMI_DISPATCH_VERSION}\n`).length === 0) process.exitCode = 0;
else if (isForegroundUp(args)) void upInForeground();
else runCached(join(import.meta.dirname, 'starter.cjs'), useOf(namedCommand(args)));

/** What the starter is run for. */
function useOf(name: string): string {
  if (name === '') return 'help';
  return isQuick(name) ? name : 'others';
}

async function upInForeground(): Promise<void> {
  useNodesCache();
  const foreground = await import('./stack/foreground.ts');
  process.exitCode = await foreground.upInForeground(args);
}

/** The version alone: nothing else is loaded for it. */
function isVersion([option, ...others]: string[]): boolean {
  return (option === '-V' || option === '--version') && others.length === 0;
}

/** Options with which `up` does not run a stack in the foreground. */
function isForegroundUp([command, ...options]: string[]): boolean {
  return command === 'up' && !options.some((option) => /^(?:-d|--detach|-h|--help)$/.test(option));
}

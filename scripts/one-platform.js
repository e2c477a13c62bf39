/**
 * After an install: removes the SDK's native builds for other platforms, 108 of 137 MB. If npm runs no install scripts, they stay,
 * and everything still works.
 */
import { readdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
try {
  const { getPrebuiltTargetName } = require('@temporalio/core-bridge/common.js');
  const releases = join(dirname(require.resolve('@temporalio/core-bridge/package.json')), 'releases');
  const others = readdirSync(releases).filter((target) => target !== getPrebuiltTargetName());
  for (const target of others) rmSync(join(releases, target), { recursive: true });
} catch {
  // The folder may belong to another user: an install must not fail over disk space.
}

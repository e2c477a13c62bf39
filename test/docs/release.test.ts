/** One version everywhere: what “How to release” in CONTRIBUTING.md changes by hand. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { VERSION } from '../support/releases.ts';

it.each([
  ['CHANGELOG.md', /^## (?<version>\S+)/m],
  ['package-lock.json', /"version": "(?<version>.+)"/],
  ['openclaw/plugin/package.json', /"version": "(?<version>.+)"/],
  ['docker-compose.yml', /image: kimi-dispatch:(?<version>\S+)/],
])('%s has the version of package.json', (file, pattern) => {
  const found = pattern.exec(readFileSync(join(PACKAGE_ROOT, file), 'utf8'));
  expect(found?.groups?.['version']).toBe(VERSION);
});

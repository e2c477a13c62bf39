/** Releases: one version everywhere, as “How to release” in CONTRIBUTING.md says, and its commit in git. */
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { releaseCommit, VERSION } from '../support/releases.ts';
import { temporaryFolder } from '../support/resources.ts';

it.each([
  ['CHANGELOG.md', /^## (?<version>\S+)/m],
  ['package-lock.json', /"version": "(?<version>.+)"/],
  ['openclaw/plugin/package.json', /"version": "(?<version>.+)"/],
  ['docker-compose.yml', /image: kimi-dispatch:(?<version>\S+)/],
])('%s has the version of package.json', (file, pattern) => {
  const found = pattern.exec(readFileSync(join(PACKAGE_ROOT, file), 'utf8'));
  expect(found?.groups?.['version']).toBe(VERSION);
});

it('the commit of a release is found by its heading, unless it is the current one or git does not have it', async () => {
  const folder = await temporaryFolder();
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=test', '-c', 'user.email=test@localhost', ...args], { cwd: folder })
      .toString()
      .trim();
  const commit = (changelog: string): string => {
    writeFileSync(join(folder, 'CHANGELOG.md'), changelog);
    git('add', '.');
    git('commit', '--quiet', '--message', 'a change');
    return git('rev-parse', 'HEAD');
  };
  git('init', '--quiet');
  commit('## 1.0.0 (unreleased)\n');
  expect(await releaseCommit('1.0.0', folder)).toBeUndefined();
  const release = commit('## 1.0.0\n');
  expect(await releaseCommit('1.0.0', folder)).toBeUndefined();
  commit('## 1.0.1 (unreleased)\n\n## 1.0.0\n\n- Reworded.\n');
  expect(await releaseCommit('1.0.0', folder)).toBe(release);

  const shallow = await temporaryFolder();
  execFileSync('git', ['clone', '--quiet', '--depth', '1', `file://${folder}`, shallow]);
  expect(await releaseCommit('1.0.0', shallow)).toBeUndefined();
});

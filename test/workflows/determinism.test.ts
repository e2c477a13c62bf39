/** Modules that workflows load are linted for determinism: no Node modules, no timers or globals outside the workflow sandbox. */
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { DIST, PACKAGE_ROOT } from '../../src/service/files.ts';

/** Each line is an error in a workflow. */
const NONDETERMINISTIC = {
  "import 'node:fs';": 'import(no-nodejs-modules)',
  "import 'crypto';": 'import(no-nodejs-modules)',
  "import 'zod';": 'eslint(no-restricted-imports)',
  'setInterval(() => {});': 'eslint(no-restricted-globals)',
  'console.log(process.cwd());': 'eslint(no-restricted-globals)',
  'console.log(performance.now());': 'eslint(no-restricted-globals)',
};

/** Loaded by services alone. */
const OUTSIDE = 'src/limiter/client.ts';

/** Paths of the modules of `src/` in the workflow bundle, by its source map. */
function bundledModules(): string[] {
  const [, base64 = ''] = readFileSync(join(DIST, 'workflows.cjs'), 'utf8').split(/sourceMappingURL=.*base64,/);
  const { sources } = JSON.parse(Buffer.from(base64, 'base64').toString()) as { sources: string[] };
  return sources.map((source) => relative(PACKAGE_ROOT, source)).filter((path) => /^src\/.*\.ts$/.test(path));
}

interface Diagnostic {
  code: string;
  filename: string;
  labels: [{ span: { line: number } }];
}

/** Replaces these modules by the nondeterministic lines. @returns what oxlint reports. */
function lint(modules: string[]): Diagnostic[] {
  const folder = mkdtempSync(join(tmpdir(), 'kimi-lint-'));
  copyFileSync(join(PACKAGE_ROOT, '.oxlintrc.json'), join(folder, '.oxlintrc.json'));
  for (const path of modules) {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), Object.keys(NONDETERMINISTIC).join('\n'));
  }
  const oxlint = join(PACKAGE_ROOT, 'node_modules', '.bin', 'oxlint');
  const { stdout } = spawnSync(oxlint, ['--format', 'json'], { cwd: folder, encoding: 'utf8' });
  return (JSON.parse(stdout) as { diagnostics: Diagnostic[] }).diagnostics;
}

const modules = bundledModules();
const expected = Object.values(NONDETERMINISTIC).map((rule, index) => `${index + 1}: ${rule}`);

describe('nondeterministic code is a lint error', () => {
  let diagnostics: Diagnostic[];
  beforeAll(() => {
    diagnostics = lint([...modules, OUTSIDE]);
  });
  const errorsIn = (path: string): string[] =>
    diagnostics
      .filter(({ filename }) => filename === path)
      .map(({ code, labels: [{ span }] }) => `${span.line}: ${code}`);

  it('the bundle contains modules of every folder that workflows load', () => {
    const rooms = new Set(modules.map((path) => path.split('/')[1]));
    expect(rooms).toEqual(new Set(['limiter', 'shared', 'text', 'workflows']));
  });

  it.each(modules)('in %s', (path) => {
    expect(errorsIn(path)).toEqual(expect.arrayContaining(expected));
  });

  it('not in a module of the services', () => {
    expect(errorsIn(OUTSIDE)).not.toContainEqual(expect.stringMatching(/no-restricted|no-nodejs/));
  });
});

/** Module-level state that no workflow can observe: a cache of what does not change. */
const CACHES = ['src/shared/format.ts: let segmenter: Intl.Segmenter | undefined;'];

/** Workflows in the worker's own thread share their modules: state in a module would be visible to other workflows, in an undefined order. */
it('no module that workflows load has state', () => {
  const state = /^(?:export )?(?:(?:let|var) |const \w+[^=]*= (?:new \w+(?:<.*>)?\(\)|\[\]|\{\});).*$/gm;
  expect(
    'let count = 0;\nconst seen = new Map<string, number>();\nconst NAMES = new Set([1]);'.match(state),
  ).toHaveLength(2);
  const found = modules.flatMap((path) =>
    (readFileSync(join(PACKAGE_ROOT, path), 'utf8').match(state) ?? []).map((line) => `${path}: ${line}`),
  );
  expect(found).toEqual(CACHES);
});

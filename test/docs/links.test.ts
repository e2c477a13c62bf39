/** Every link of every page has a target: files, anchors, and the pages that code refers to. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { expect, it } from 'vitest';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { filesOf, textOf, tokensOf } from './pages.ts';

const PAGES = filesOf('*.md');

/** @returns the anchors of a page's headings, as GitHub generates them */
function anchorsOf(file: string): string[] {
  const seen = new Map<string, number>();
  const tokens = tokensOf(file);
  return tokens.flatMap(({ content }, index) => {
    if (tokens[index - 1]?.type !== 'heading_open') return [];
    const plain = content.replaceAll(/\[(?<label>[^\]]*)\]\([^)]*\)/g, '$<label>').replaceAll(/[`*]/g, '');
    const slug = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
      .replaceAll(' ', '-');
    const count = seen.get(slug) ?? 0;
    seen.set(slug, count + 1);
    return [count === 0 ? slug : `${slug}-${count}`];
  });
}

/** @returns the problem of a link on a page, if any */
function problemWith(href: string, from: string): string | undefined {
  const [path = '', anchor] = decodeURI(href).split('#');
  const target = path === '' ? from : normalize(join(dirname(from), path));
  if (!existsSync(join(PACKAGE_ROOT, target))) return `${href}: no such file`;
  if (anchor === undefined || statSync(join(PACKAGE_ROOT, target)).isDirectory()) return undefined;
  return anchorsOf(target).includes(anchor) ? undefined : `${href}: no such heading`;
}

it.each(PAGES)('the links of %s', (page) => {
  const links = tokensOf(page).flatMap((token) => token.attrGet('href') ?? token.attrGet('src') ?? []);
  const local = links.filter((href) => !/^[a-z]+:/.test(href));
  expect(local.flatMap((href) => problemWith(href, page) ?? [])).toEqual([]);
});

it('pages that code, rules and scripts refer to exist', () => {
  const files = filesOf('src', 'openclaw', 'test', 'bench', 'deploy', 'scripts', '*.yml', '.ci').filter(
    (file) => !/\.(?:png|svg|json|md)$/.test(file),
  );
  const references = files.flatMap((file) =>
    [...textOf(file).matchAll(/(?<![\w/])docs\/[\w/.-]+\.md(?:#[\w-]+)?/g)].map(([link]) => ({ file, link })),
  );
  expect(references.length).toBeGreaterThan(20);
  const wrong = references.flatMap(({ file, link }) => {
    const problem = problemWith(link, 'README.md');
    return problem === undefined ? [] : [`${file}: ${problem}`];
  });
  expect(wrong).toEqual([]);
});

it('files that pages name exist', () => {
  const named = PAGES.filter((page) => page !== 'CHANGELOG.md').flatMap((page) =>
    [...textOf(page).matchAll(/`(?<path>(?:src|test|bench|deploy|scripts|openclaw|docs)\/[\w/.-]+\.\w+)`/g)].map(
      ({ groups }) => ({ page, path: groups?.['path'] ?? '' }),
    ),
  );
  expect(named.length).toBeGreaterThan(30);
  expect(named.filter(({ path }) => !existsSync(join(PACKAGE_ROOT, path)))).toEqual([]);
});

it.each(['README.md', 'README.zh-TW.md'])('%s is short: 130 lines and 8 KB at most', (page) => {
  const text = textOf(page);
  expect(text.split('\n').length - 1).toBeLessThanOrEqual(130);
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(8192);
});

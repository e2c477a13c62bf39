/** docs/openapi.json. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openApiDocument } from '../../src/api/document.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';

const document = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'docs/openapi.json'), 'utf8')) as {
  components: { schemas: object };
};

it('is what npm run openapi writes', () => {
  expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
});

it('refers only to schemas that it has', () => {
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(?<name>\w+)"/g);
  const used = new Set([...references].map(({ groups }) => groups?.['name']));
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...used]));
  expect(used.size).toBeGreaterThan(10);
});

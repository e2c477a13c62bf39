/** docs/openapi.json, and the types made from it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { apiTypes } from '../../scripts/api-types.ts';
import { BASELINE, broken, promisesOf } from '../../scripts/openapi-promises.ts';
import { openApiDocument } from '../../src/api/document.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { RELEASED, VERSION } from '../support/releases.ts';

const document = JSON.parse(readFileSync(join(PACKAGE_ROOT, 'docs/openapi.json'), 'utf8')) as {
  components: { schemas: object };
};

it('is what npm run openapi writes', () => {
  expect(document).toEqual(JSON.parse(JSON.stringify(openApiDocument())));
});

it('has the types of the client in TypeScript, as npm run openapi writes them', async () => {
  expect(readFileSync(join(PACKAGE_ROOT, 'src/sdk/types.ts'), 'utf8')).toBe(await apiTypes(document));
});

it('refers only to schemas that it has', () => {
  const references = JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(?<name>\w+)"/g);
  const used = new Set([...references].map(({ groups }) => groups?.['name']));
  expect(Object.keys(document.components.schemas)).toEqual(expect.arrayContaining([...used]));
  expect(used.size).toBeGreaterThan(10);
});

it('breaks nothing that clients of the last release rely on', () => {
  const before = readFileSync(BASELINE, 'utf8').trimEnd().split('\n');
  expect(before.length).toBeGreaterThan(500);
  const now = promisesOf(openApiDocument() as Parameters<typeof promisesOf>[0]);
  expect(broken(before, now)).toEqual([]);
  const added = now.filter((line) => !before.includes(line));
  expect(RELEASED.includes(VERSION) ? added : [], 'npm run openapi-baseline belongs to the release').toEqual([]);
});

it.each<[string, (copy: Copy) => unknown, string[]]>([
  ['an operation is gone', ({ paths }) => delete paths['/v1/limits'], ['has GET /v1/limits']],
  [
    'a member of an answer is gone',
    ({ components: { schemas } }) => delete schemas['Cancellation']?.properties['status'],
    ['has Cancellation.status'],
  ],
  [
    'a member of an answer may be absent',
    ({ components: { schemas } }) => schemas['Cancellation']?.required?.splice(1),
    ['always Cancellation.status'],
  ],
  [
    'a member of a request has to be sent',
    ({ components: { schemas } }) => schemas['NewTask']?.required?.push('model'),
    ['needs NewTask.model'],
  ],
  [
    'a value is refused',
    ({ components: { schemas } }) => schemas['NewTask']?.properties['lang']?.enum?.splice(0, 1),
    ['has NewTask.lang "zh-TW"'],
  ],
  [
    'a code is gone',
    ({ paths }) => {
      const answer = paths['/v1/tasks/{task_id}/ack']?.post?.responses['409'];
      if (answer) answer.description = answer.description.replace(', not_late', '');
    },
    ['has POST /v1/tasks/{task_id}/ack 409 not_late'],
  ],
  [
    'a new operation wants something',
    ({ paths }) =>
      Object.assign(paths, {
        '/v1/new': { post: { parameters: [{ name: 'x', in: 'query', required: true }], responses: {} } },
      }),
    [],
  ],
])('notices that %s', (_, change, lines) => {
  const before = promisesOf(copyOf());
  const after = copyOf();
  change(after);
  const found = broken(before, promisesOf(after));
  expect(found).toEqual(expect.arrayContaining(lines));
  expect(found.length > 0).toBe(lines.length > 0);
});

interface Copy {
  paths: Record<string, { post?: { responses: Record<string, { description: string }> } }>;
  components: {
    schemas: Record<string, { properties: Record<string, { enum?: string[] }>; required?: string[] }>;
  };
}

function copyOf(): Copy & Parameters<typeof promisesOf>[0] {
  return JSON.parse(JSON.stringify(openApiDocument())) as Copy & Parameters<typeof promisesOf>[0];
}

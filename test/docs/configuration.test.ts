/** The generated parts of docs/configuration.md, its Chinese version and .env.example. */
import { readFileSync } from 'node:fs';
import { relative } from 'node:path';
import { expect, it } from 'vitest';
import { generatedFiles } from '../../scripts/configuration-docs.ts';
import { documentedVariables } from '../../src/config/reference/index.ts';
import { VARIABLES } from '../../src/config/variables.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';

it.each(generatedFiles().map(([file, text]): [string, string, string] => [relative(PACKAGE_ROOT, file), file, text]))(
  '%s is what npm run configuration-docs writes',
  (_, file, text) => {
    expect(readFileSync(file, 'utf8')).toBe(text);
  },
);

it.each(['en', 'zh-TW'] as const)('every variable is in one table, in %s, in cells that do not break it', (lang) => {
  const documented = documentedVariables(lang).flatMap(({ variables }) => variables);
  expect(documented.map(({ name }) => name).toSorted()).toEqual(Object.keys(VARIABLES).toSorted());
  for (const variable of documented) expect(variable.default + variable.description).toMatch(/^[^|\n]+[.。]$/);
});

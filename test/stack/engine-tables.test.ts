/** The database that a new home starts with. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { definitionsIn, definitionsOf } from '../support/engine-tables.ts';
import { temporaryFolder } from '../support/resources.ts';

it('has what the pinned server makes itself, but for indexes of its list of workflows (else: npm run engine-tables)', async () => {
  const [file = ''] = (await readdir(DIST)).filter((name) => /^engine-.*\.db$/.test(name));
  const ours = definitionsIn(join(DIST, file));
  const its = await definitionsOf(inject('temporalCli'), await temporaryFolder());
  const missing = its.filter(({ name }) => !ours.some((each) => each.name === name));
  expect(new Set(missing.map(({ type, tbl_name }) => `${type} of ${tbl_name}`))).toEqual(
    new Set(['index of executions_visibility']),
  );
  expect(ours).toEqual(its.filter((each) => !missing.includes(each)));
});

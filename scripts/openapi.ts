/**
 * `npm run openapi`: writes the document of the API into docs/openapi.json, and its types into src/sdk. Run it after an operation or a
 * schema changes.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from '../src/api/document.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';
import { apiTypes } from './api-types.ts';

const document = JSON.stringify(openApiDocument(), null, 2);
writeFileSync(join(PACKAGE_ROOT, 'docs/openapi.json'), `${document}\n`);
writeFileSync(join(PACKAGE_ROOT, 'src/sdk/types.ts'), await apiTypes(JSON.parse(document) as object));

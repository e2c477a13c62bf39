/** `npm run openapi`: writes the document of the API into docs/openapi.json. Run it after an operation or a schema changes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openApiDocument } from '../src/api/document.ts';
import { PACKAGE_ROOT } from '../src/service/files.ts';

writeFileSync(join(PACKAGE_ROOT, 'docs/openapi.json'), `${JSON.stringify(openApiDocument(), null, 2)}\n`);

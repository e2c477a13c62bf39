/**
 * `npm run engine-tables`: writes src/stack/engine-tables.sql, the tables that the pinned Temporal server makes in a new database, without
 * those indexes of its list of workflows that no query of ours uses. Run it after the server's version has changed.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readConfig } from '../src/config/index.ts';
import { findTemporalCli, serverVersion } from '../src/stack/temporal-cli.ts';
import { definitionsOf } from '../test/support/engine-tables.ts';

const FILE = fileURLToPath(new URL('../src/stack/engine-tables.sql', import.meta.url));

/** The list of workflows. */
const LIST = 'executions_visibility';

/** Its indexes for what the queries of src/temporal, src/notify and the Web UI name. */
const USED = ['default_idx', 'by_workflow_id', 'by_workflow_type', 'by_status', 'by_temporal_namespace_division'];

const { TEMPORAL_CLI_PATH: path, KIMI_CACHE: cache } = readConfig();
/** The one row that a new database has before its server starts: the server counts changes of its namespaces there. */
const FIRST_ROW = 'INSERT INTO namespace_metadata (partition_id, notification_version) VALUES (54321, 1)';

const temporalCli = await findTemporalCli({
  path,
  cache,
  onStep: (step) => console.error(`getting a server (${step})`),
});
const folder = await mkdtemp(join(tmpdir(), 'engine-tables-'));
const definitions = await definitionsOf(temporalCli, folder);
await rm(folder, { recursive: true });

const kept = definitions.filter(
  ({ type, tbl_name, name }) => type !== 'index' || tbl_name !== LIST || USED.includes(name),
);
const header = `-- Made by npm run engine-tables: the tables of Temporal server ${serverVersion(temporalCli)} (MIT, Temporal Technologies Inc.), without
-- ${definitions.length - kept.length} of the indexes of ${LIST}. docs/decisions/0001-embedded-server.md
`;
await writeFile(FILE, [header, ...[...kept.map(({ sql }) => sql), FIRST_ROW].map((sql) => `${sql};\n`)].join('\n'));

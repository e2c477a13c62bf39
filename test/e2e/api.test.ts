/**
 * The HTTP API over TCP under schemathesis, from PyPI: what the served document allows, and what it does not, makes no operation fail.
 * `npm run e2e:api` installs it into the cache folder.
 */
import { execFile } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, expect, it } from 'vitest';
import { cleanHome, cli, up } from '../support/cli.ts';
import { temporaryFolder } from '../support/resources.ts';
import { install } from './providers/python-server.ts';

const VERSION = '4.32.5';

/** How long it sends requests, in seconds. */
const SECONDS = process.env['FUZZ_SECONDS'] || '60';

const CHECKS =
  'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,ignored_auth';

let bin: string;
beforeAll(async () => {
  bin = await install(`schemathesis-${VERSION}`, [`schemathesis==${VERSION}`]);
}, 600_000);

it('no operation fails, whatever it is sent', { timeout: 600_000 }, async () => {
  const unlimited = {
    KIMI_API_REQUESTS_PER_MINUTE: '0',
    KIMI_MAX_TASKS_PER_MINUTE: '0',
    KIMI_MAX_CONCURRENT_TASKS: '0',
  };
  const env = await cleanHome({ KIMI_API_PORT: '0', ...unlimited });
  const { state } = await up(env, '--simulate');
  const { stdout: token } = await cli(['token', 'create', 'fuzz', '--scope', 'admin'], env);
  const { stdout } = await cli(['dispatch', '--json', 'x [[simulate: delay=0]]'], env);
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  await cli(['wait', task_id], env);
  const folder = await temporaryFolder();
  // The token stays out of the arguments, which every process can read.
  const settings = `[parameters]\n"path.task_id" = "${task_id}"\n[auth.openapi.token]\nbearer = "\${TOKEN}"\n`;
  await writeFile(join(folder, 'schemathesis.toml'), settings);
  const document = `${state.http_api_url}/v1/openapi.json`;
  await writeFile(
    join(folder, 'openapi.json'),
    await (await fetch(document, { headers: { authorization: `Bearer ${token.trim()}` } })).text(),
  );
  const args = [
    '--url',
    String(state.http_api_url),
    '--checks',
    CHECKS,
    '--max-time',
    SECONDS,
    '--seed',
    '1',
    '--no-color',
  ];
  const fuzz = promisify(execFile)(join(bin, 'st'), ['run', 'openapi.json', ...args, '--request-timeout', '30'], {
    cwd: folder,
    env: { ...process.env, TOKEN: token.trim() },
    maxBuffer: 2 ** 26,
  });
  const report = await fuzz.then(
    (ended) => ended.stdout,
    (error: { stdout: string }) => error.stdout,
  );
  expect(report).toMatch(/(\d{3,}) generated, \1 passed/);
});

/** The source of the Temporal server. Downloads themselves are tested on fresh machines. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { findTemporalCli, NoTemporalCli, serverVersion } from '../../src/stack/temporal-cli.ts';
import { temporaryFolder } from '../support/resources.ts';

const CURRENT = 'temporal version 1.9.1 (Server 1.32.0, UI 2.54.1)';

/** A program that answers `--version`. */
async function program(path: string, version: string): Promise<string> {
  await writeFile(path, `#!/bin/sh\necho "${version}"\n`, { mode: 0o755 });
  return path;
}

function fetchNothing(step: string): never {
  throw new Error(`nothing was to be fetched (${step})`);
}

async function find(path: string | undefined, cache: string, PATH: string): Promise<string> {
  const before = process.env['PATH'];
  onTestFinished(() => void (process.env['PATH'] = before));
  process.env['PATH'] = PATH;
  return await findTemporalCli({ path, cache, onStep: fetchNothing });
}

it('TEMPORAL_CLI_PATH has precedence', async () => {
  expect(await find(inject('temporalCli'), await temporaryFolder(), '/bin:/usr/bin')).toBe(inject('temporalCli'));
});

it.each([
  ['does not exist', undefined, 'does not run'],
  ['is another program', 'hello', 'is not a Temporal CLI'],
  ['is too old', 'temporal version 1.0.0 (Server 1.24.2, UI 2.28.0)', '1.29 or newer is needed'],
])('TEMPORAL_CLI_PATH that %s is refused, without a fallback', async (_name, version, reason) => {
  const folder = await temporaryFolder();
  const path = join(folder, 'temporal');
  if (version !== undefined) await program(path, version);
  const error: unknown = await find(path, folder, '/bin:/usr/bin').catch((problem: unknown) => problem);
  expect(error).toBeInstanceOf(NoTemporalCli);
  const failed = error as NoTemporalCli;
  expect(failed.lines('en')).toEqual([expect.stringMatching(new RegExp(`^TEMPORAL_CLI_PATH: .*${reason}`))]);
  expect(failed.lines('zh-TW')).toEqual([expect.stringMatching(/^TEMPORAL_CLI_PATH：.*\p{sc=Han}/u)]);
});

it('the one on PATH comes first, then a downloaded one; one that is too old is skipped', async () => {
  const folder = await temporaryFolder();
  const bin = join(folder, 'bin');
  await mkdir(bin);
  const fetched = await program(join(folder, 'temporal-1.9.1'), CURRENT);
  const PATH = `${bin}:/bin:/usr/bin`;
  expect(await find(undefined, folder, PATH)).toBe(fetched);
  const installed = await program(join(bin, 'temporal'), CURRENT);
  expect(await find(undefined, folder, PATH)).toBe(installed);
  await program(installed, 'temporal version 1.0.0 (Server 1.24.2, UI 2.28.0)');
  expect(await find(undefined, folder, PATH)).toBe(fetched);
});

it('one that is fetched has the version of its server, as one that was fetched before', async () => {
  const SDK_DOWNLOAD = '../../src/stack/sdk-download.ts';
  vi.doMock(SDK_DOWNLOAD, () => ({
    downloadBySdk: async (folder: string) => await program(join(folder, 'temporal'), CURRENT),
  }));
  onTestFinished(() => vi.doUnmock(SDK_DOWNLOAD));
  const cache = await temporaryFolder();
  const steps: string[] = [];
  const path = process.env['PATH'];
  onTestFinished(() => void (process.env['PATH'] = path));
  process.env['PATH'] = '/bin:/usr/bin';
  const fetched = await findTemporalCli({ path: undefined, cache, onStep: (step) => steps.push(step) });
  expect([fetched, steps]).toEqual([join(cache, 'temporal-1.9.1'), ['sdk']]);
  expect(serverVersion(fetched)).toBe('1.32.0');
});

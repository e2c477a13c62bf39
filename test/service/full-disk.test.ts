/** A full or almost full disk: what `doctor` and the webhook's `/readyz` say. Real file systems, in memory. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, inject, it } from 'vitest';
import { DIST } from '../../src/service/files.ts';
import { cleanHome, launch } from '../support/cli.ts';
import { canMount, withDisk } from '../support/disk.ts';
import { SECRET, until } from '../support/resources.ts';

const FILL = 'head -c 999m /dev/zero >"$DISK/fill" 2>/dev/null';

/** Runs `doctor` with KIMI_HOME on its own disk. */
async function doctor(megabytes: number, before: string, lang = 'en') {
  const env = await cleanHome({ KIMI_LANG: lang });
  const home = join(env['HOME'] ?? '', 'kimi');
  await mkdir(home);
  const script = `{ ${before}; "${process.execPath}" "${join(DIST, 'kimi-dispatch.cjs')}" doctor; }`;
  const { ended } = launch(withDisk(home, megabytes, script), { ...env, KIMI_HOME: home }, 'unshare');
  return await ended;
}

describe.skipIf(!canMount)('with permission to mount', () => {
  it.each([
    [
      'en',
      /✗ cannot write to ~\/kimi, .*~\/kimi\/journal.*: the disk is full.*free some space.*KIMI_HOME, KIMI_JOURNAL_DIR/,
    ],
    ['zh-TW', /✗ 不能寫入 ~\/kimi、.*~\/kimi\/journal.*：磁碟已滿.*清出空間.*KIMI_HOME、KIMI_JOURNAL_DIR/],
  ])('doctor names the full disk, in %s', async (lang, said) => {
    const { code, stdout } = await doctor(200, `mkdir "$DISK/journal"; ${FILL}`, lang);
    expect(stdout).toMatch(said);
    expect(code).toBe(3);
  });

  it('doctor names the disk that has too little space', async () => {
    const { code, stdout } = await doctor(50, ':');
    expect(stdout).toMatch(/✗ the disk of ~\/kimi, .*has 52 MB left.*100 MB/);
    expect(code).toBe(3);
  });

  it('doctor shows the free space', async () => {
    expect((await doctor(200, ':')).stdout).toMatch(/✓ the disks are writable: at least \d+ MB free/);
  });

  it('the webhook is not ready while its journal has no space, although the engine is available', async () => {
    const env = await cleanHome({ WEBHOOK_SECRET: SECRET, TEMPORAL_ADDRESS: inject('engine') });
    const journal = join(env['HOME'] ?? '', 'journal');
    await mkdir(journal);
    const service = `"${process.execPath}" "${join(DIST, 'webhook.js')}" </dev/null &`;
    const script = `{ ${service} while read -r order; do eval "$order"; echo "did $order"; done; }`;
    const { child, said } = launch(withDisk(journal, 64, script), { ...env, KIMI_JOURNAL_DIR: journal }, 'unshare');
    await until(() => said.stdout.includes('"msg":"ready"'));
    const url = `http://127.0.0.1:${/"port":(\d+)/.exec(said.stdout)?.[1]}/readyz`;
    const readiness = async () => await (await fetch(url)).json();
    const order = async (command: string): Promise<void> => {
      child.stdin.write(`${command}\n`);
      await until(() => said.stdout.includes(`did ${command}`));
    };
    expect(await readiness()).toMatchObject({ status: 'ok', engine: true, journal: { entries: 0 } });
    await order(FILL);
    expect(await readiness()).toMatchObject({ status: 'not ready', engine: true, journal: { disk_full: true } });
    await order('rm "$DISK/fill"');
    expect(await readiness()).toMatchObject({ status: 'ok' });
  });
});

it.skipIf(canMount)('mounting is not possible here, so full disks were not tested', () => {
  expect(canMount).toBe(false);
});

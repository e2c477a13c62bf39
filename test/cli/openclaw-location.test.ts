/** Which configuration file of OpenClaw is meant: as `openclaw config file` of 2026.9.6 printed it for the same folders. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { locateOpenClaw } from '../../src/cli/openclaw/location.ts';
import { temporaryFolder } from '../support/resources.ts';

/** `~` of a value is left to OpenClaw; `HOME` stands for the test's home. */
const CASES: [profile: string | undefined, env: Record<string, string>, file: string][] = [
  [undefined, {}, 'HOME/.openclaw/openclaw.json'],
  [undefined, { OPENCLAW_STATE_DIR: '~/s' }, 'HOME/s/openclaw.json'],
  [undefined, { OPENCLAW_HOME: '~/other' }, 'HOME/other/.openclaw/openclaw.json'],
  [undefined, { OPENCLAW_PROFILE: 'rescue' }, 'HOME/.openclaw/openclaw.json'],
  [undefined, { OPENCLAW_CONFIG_PATH: '~/c.json' }, 'HOME/c.json'],
  [undefined, { HOME: 'HOME/former' }, 'HOME/former/.clawdbot/clawdbot.json'],
  ['rescue', {}, 'HOME/.openclaw-rescue/openclaw.json'],
  ['rescue', { OPENCLAW_STATE_DIR: 'HOME/s' }, 'HOME/s/openclaw.json'],
  ['rescue', { OPENCLAW_CONFIG_PATH: '~/c.json' }, 'HOME/c.json'],
  [
    'rescue',
    {
      OPENCLAW_PROFILE: 'ops',
      OPENCLAW_STATE_DIR: 'HOME/.openclaw-ops',
      OPENCLAW_CONFIG_PATH: 'HOME/.openclaw-ops/openclaw.json',
    },
    'HOME/.openclaw-rescue/openclaw.json',
  ],
  ['default', {}, 'HOME/.openclaw/openclaw.json'],
];

it.each(CASES)('profile %s with %j has %s', async (profile, env, file) => {
  const home = await temporaryFolder();
  for (const name of ['.openclaw/openclaw.json', 'former/.clawdbot/clawdbot.json']) {
    await mkdir(join(home, name, '..'), { recursive: true });
    await writeFile(join(home, name), '{}');
  }
  const given = Object.entries({ HOME: home, ...env }).map(([name, value]) => [name, value.replace(/^HOME/, home)]);
  expect(locateOpenClaw(profile, Object.fromEntries(given)).file).toBe(file.replace(/^HOME/, home));
});

it('reads the variables of OpenClaw’s own .env, which the environment overrides', async () => {
  const home = await temporaryFolder();
  await mkdir(join(home, 's'));
  await writeFile(join(home, 's/.env'), 'A=file\nB=file\n');
  const { env } = locateOpenClaw(undefined, { HOME: home, OPENCLAW_STATE_DIR: join(home, 's'), B: 'given' });
  expect(env).toMatchObject({ A: 'file', B: 'given' });
});

/**
 * The commands of README and quickstart, run as written, each page in one shell: every block of bash, and the output that
 * the page shows below it. Kimi is simulated; with a key, as Moonshot's API behind the relay.
 */
import { execFile } from 'node:child_process';
import { copyFile, cp, mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, it, onTestFinished } from 'vitest';
import { DIST, PACKAGE_ROOT } from '../../src/service/files.ts';
import { cleanHome, launch } from '../support/cli.ts';
import { launch as launchService } from '../support/service.ts';
import { temporaryFolder } from '../support/resources.ts';
import { textOf, tokensOf } from './pages.ts';

/** Commands that are not run here, and the test that runs them. */
const ELSEWHERE = new Map([
  ['npm cit', 'runs this test; .ci/run runs it'],
  ['npm ci && npm run build', 'was done before any test; .ci/run does both'],
  ['kimi-dispatch service install', 'asks, and needs systemd: test/autostart'],
  ['kimi-dispatch setup openclaw', 'asks, and needs OpenClaw: test/cli/setup.test.ts'],
  ['openclaw gateway restart', 'needs OpenClaw: npm run e2e:openclaw'],
  ['kimi-dispatch doctor --send-test', 'needs OpenClaw: npm run e2e:openclaw'],
]);

interface Block {
  commands: string;
  /** The output that the page shows; `…` matches any lines. */
  output: string[];
}

function blocksOf(page: string): Block[] {
  const code = tokensOf(page).filter(({ type }) => type === 'fence');
  return code.flatMap(({ info, content }, n) => {
    const next = code[n + 1];
    if (info !== 'bash') return [];
    const output = next?.info === 'text' ? next.content.trimEnd().split('\n') : [];
    return [{ commands: content.trimEnd(), output: output.filter((line) => line !== '…') }];
  });
}

/** An installed and built clone, with its own home. */
async function clone(): Promise<{ root: string; env: Record<string, string> }> {
  const root = await temporaryFolder();
  const env = await cleanHome();
  const longAgo = new Date(0);
  await mkdir(join(root, 'src'));
  await mkdir(join(root, 'node_modules'));
  await symlink(DIST, join(root, 'dist'));
  await cp(join(PACKAGE_ROOT, 'scripts'), join(root, 'scripts'), { recursive: true });
  for (const file of ['run-kimi.sh', 'package.json', 'package-lock.json']) {
    await copyFile(join(PACKAGE_ROOT, file), join(root, file));
    await utimes(join(root, file), longAgo, longAgo);
  }
  await utimes(join(root, 'src'), longAgo, longAgo);
  await writeFile(join(root, 'node_modules/.package-lock.json'), '');
  const prefix = join(env['HOME'] ?? '', 'npm');
  await mkdir(prefix);
  return { root, env: { ...env, npm_config_prefix: prefix, PATH: `${join(prefix, 'bin')}:${env['PATH']}` } };
}

/** Digits differ from run to run: ids, times, ports, counts. */
const withoutDigits = (line: string): string => line.replaceAll(/\d+/g, '0').trimEnd();

it.each(['README.md', 'docs/quickstart.md'])('%s', { timeout: 180_000 }, async (page) => {
  const { root, env } = await clone();
  const blocks = blocksOf(page);
  const simulator = await launchService('simulator', {
    KIMI_SIMULATOR_PORT: '0',
    WEBHOOK_SECRET: 'not-used-by-the-relay',
  });
  const { port } = await simulator.says('ready');
  const api = `http://127.0.0.1:${port}`;
  const key = [
    'KIMI_MODEL=kimi-k2.6',
    `KIMI_API_URL=${api}/v1`,
    'KIMI_CALLBACKS=relay',
    `OPENCLAW_WAKE_URL=${api}/hooks/wake`,
  ];
  const script = blocks.flatMap(({ commands }, n) => [
    ...(commands.includes('KIMI_API_KEY=') ? [`export ${key.join(' ')}`] : []),
    ...commands.split('\n').filter((line) => !ELSEWHERE.has(line)),
    `echo "end of block ${n}"`,
  ]);
  onTestFinished(
    async () => void (await promisify(execFile)(process.execPath, [join(DIST, 'kimi-dispatch.cjs'), 'down'], { env })),
  );
  const shell = launch(['-e', '-o', 'pipefail', '-c', `cd '${root}'\nexec 2>&1\n${script.join('\n')}`], env, 'bash');
  const { code, stdout, stderr } = await shell.ended;
  expect(code, `${stdout}\n${stderr}`).toBe(0);
  const printed = stdout.split(/end of block \d+\n/);
  for (const [n, { output }] of blocks.entries()) {
    const lines = (printed[n] ?? '').split('\n').map(withoutDigits);
    expect(lines, printed[n]).toEqual(expect.arrayContaining(output.map(withoutDigits)));
  }
});

/** The commands of a page, without the parts that differ between languages. */
const commandsOf = (page: string): string[] =>
  blocksOf(page).map(({ commands }) => commands.replaceAll(/"[^"]*"/g, '""').replaceAll('KIMI_LANG=en ', ''));

it('the README in Chinese has the same commands', () => {
  expect(commandsOf('README.zh-TW.md')).toEqual(commandsOf('README.md'));
});

it('each command that is skipped here exists on a page', () => {
  const commands = ['README.md', 'docs/quickstart.md'].flatMap((page) =>
    blocksOf(page).flatMap((block) => block.commands.split('\n')),
  );
  expect(commands).toEqual(expect.arrayContaining([...ELSEWHERE.keys()]));
});

it('docs/cli.md has every command', async () => {
  const files = await readdir(join(PACKAGE_ROOT, 'src/cli/commands'));
  const commands = files.map((file) => file.replace('.ts', ''));
  expect(commands).toContain('dispatch');
  const page = textOf('docs/cli.md');
  expect(commands.filter((command) => !new RegExp(`^\\|.*\`${command}\\b`, 'm').test(page))).toEqual([]);
});

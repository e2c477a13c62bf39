/** The definitions that `service install` writes, as systemd and a property-list parser read them. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { chmod, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  definitionFile,
  definitionText,
  environmentOf,
  originOf,
  serviceName,
  type Definition,
} from '../../src/autostart/definition.ts';
import { temporaryFolder, until } from '../support/resources.ts';
import { bootMachine, noSystemd } from '../support/systemd.ts';

/** With characters that are special in a shell, a unit file and XML. */
const AWKWARD = `a "b" 'c' 100% %h \${HOME} -- <e> & 家`;

async function awkward(): Promise<Definition> {
  const folder = join(await temporaryFolder(), AWKWARD);
  await mkdir(join(folder, 'logs'), { recursive: true });
  await symlink(process.execPath, join(folder, 'node'));
  const cli = join(folder, 'cli.mjs');
  await writeFile(cli, 'console.log(JSON.stringify({ argv: process.argv.slice(1), env: process.env }))');
  await chmod(cli, 0o755);
  return {
    name: 'kimi-dispatch-test',
    home: folder,
    program: [join(folder, 'node'), cli],
    environment: { KIMI_HOME: folder, PATH: '/usr/bin:/bin', KIMI_LIMITER: String.raw`${AWKWARD} \d` },
    log: join(folder, 'logs', 'up.log'),
    user: undefined,
  };
}

it.each(['linux', 'darwin'] as const)('a definition for %s names its owner', async (platform) => {
  const { home, program, ...rest } = await awkward();
  const text = definitionText({ home, program, ...rest }, platform);
  expect(originOf(text)).toEqual({ home, program });
  expect(originOf('[Service]\nExecStart=/bin/true\n')).toBeUndefined();
});

describe('the systemd unit', () => {
  it.skipIf(noSystemd() !== undefined)('is valid, for a user and for the system', async () => {
    const definition = await awkward();
    for (const user of [undefined, 'root']) {
      const folder = await temporaryFolder();
      const file = join(folder, 'kimi-dispatch-test.service');
      await writeFile(file, definitionText({ ...definition, user }, 'linux'));
      const scope = user === undefined ? ['--user'] : [];
      const env = { PATH: process.env['PATH'], HOME: folder, XDG_RUNTIME_DIR: folder };
      const said = execFileSync('systemd-analyze', [...scope, '--man=no', 'verify', file], {
        env,
        encoding: 'utf8',
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      expect(said).toBe('');
    }
  });

  it.skipIf(noSystemd() !== undefined)('starts the program with its exact arguments and environment', async () => {
    const definition = await awkward();
    const machine = await bootMachine({ HOME: await temporaryFolder(), PATH: process.env['PATH'] ?? '' });
    const unit = join(machine.env['HOME'] ?? '', '.config/systemd/user/kimi-dispatch-test.service');
    await writeFile(unit, definitionText(definition, 'linux'));
    machine.systemctl('daemon-reload');
    machine.systemctl('start', 'kimi-dispatch-test');
    await until(() => readFileSync(definition.log, 'utf8').endsWith('}\n'));
    const started = JSON.parse(readFileSync(definition.log, 'utf8')) as { argv: string[]; env: object };
    expect(started.argv).toEqual([definition.program[1], 'up']);
    expect(started.env).toMatchObject(definition.environment);
  });

  it('restarts only after a failure, and stops in order', async () => {
    const text = definitionText(await awkward(), 'linux');
    for (const line of ['Restart=on-failure', 'KillMode=mixed', 'TimeoutStopSec=90', 'WantedBy=default.target']) {
      expect(text.split('\n')).toContain(line);
    }
    expect(definitionText({ ...(await awkward()), user: 'kimi' }, 'linux')).toMatch(
      /^User=kimi$[^]*^WantedBy=multi-user\.target$/m,
    );
  });
});

it('the property list of launchd has the same program, environment and log', async () => {
  const definition = await awkward();
  const parse = 'import json,plistlib,sys; print(json.dumps(plistlib.loads(sys.stdin.buffer.read())))';
  for (const user of [undefined, 'kimi']) {
    const input = definitionText({ ...definition, user }, 'darwin');
    expect(JSON.parse(execFileSync('python3', ['-c', parse], { input, encoding: 'utf8' }))).toEqual({
      Label: 'kimi-dispatch-test',
      ProgramArguments: [...definition.program, 'up'],
      EnvironmentVariables: definition.environment,
      ...(user !== undefined && { UserName: user }),
      RunAtLoad: true,
      KeepAlive: { SuccessfulExit: false },
      ThrottleInterval: 5,
      ExitTimeOut: 90,
      Umask: 0o077,
      StandardOutPath: definition.log,
      StandardErrorPath: definition.log,
    });
  }
});

it('keeps the variables of the services, but no secret', () => {
  const { kept, secrets } = environmentOf({
    PATH: '/usr/bin',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_API_KEY: 'sk-secret',
    KIMI_API_KEY_FILE: '/run/secrets/kimi',
    MOONSHOT_API_KEY: 'sk-secret',
    WEBHOOK_SECRET: '',
    KIMI_PAYLOAD_KEYS: '2026-11:secret',
    TEMPORAL_API_KEY: 'secret',
    TEMPORAL_NAMESPACE: 'kimi',
    TEMPORAL_TLS_CLIENT_KEY_DATA: 'secret',
    HTTPS_PROXY: 'http://user:secret@proxy:3128',
    HTTP_PROXY: 'http://proxy:3128',
    SSH_AUTH_SOCK: '/tmp/x',
    EDITOR: 'vi',
  });
  expect(kept).toEqual({
    PATH: '/usr/bin',
    KIMI_MODEL: 'kimi-k2.6',
    KIMI_API_KEY_FILE: '/run/secrets/kimi',
    TEMPORAL_NAMESPACE: 'kimi',
    HTTP_PROXY: 'http://proxy:3128',
  });
  expect(secrets).toEqual(['HTTPS_PROXY', 'KIMI_API_KEY', 'KIMI_PAYLOAD_KEYS', 'MOONSHOT_API_KEY', 'TEMPORAL_API_KEY']);
});

it('each home has its own service', () => {
  expect(serviceName('/home/a/kimi', 'user')).toMatch(/^kimi-dispatch-[0-9a-f]{8}$/);
  expect(serviceName('/home/a/kimi', 'user')).not.toBe(serviceName('/home/b/kimi', 'user'));
  expect(definitionFile('kimi-dispatch', 'system', 'linux')).toBe('/etc/systemd/system/kimi-dispatch.service');
  expect(definitionFile('kimi-dispatch', 'user', 'darwin')).toMatch(/Library\/LaunchAgents\/kimi-dispatch\.plist$/);
});

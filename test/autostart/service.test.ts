/** `service install|uninstall|status` with a real systemd user manager, from a shell to a power cut and the boot after it. */
import { existsSync } from 'node:fs';
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createSimulator } from '../../src/simulator/app.ts';
import { runningStack } from '../../src/stack/state.ts';
import { cleanHome, cli, resultsOf } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { SECRET, serve, silent, until } from '../support/resources.ts';
import { bootMachine, noSystemd, type Machine } from '../support/systemd.ts';

const reason = noSystemd();
if (reason !== undefined) console.warn(`the tests of the service are skipped: ${reason}`);

/** With characters that must be escaped in a unit file. */
const AWKWARD = 'a "home" 100% $HOME 家';

/** A machine with a configured home, without running services. */
async function machineWith(variables: Record<string, string>, changes: Record<string, string> = {}) {
  const { HOME = '', ...env } = await cleanHome({ KIMI_LANG: 'en', ...changes });
  const home = join(HOME, AWKWARD, 'kimi');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const lines = Object.entries(variables).map(([name, value]) => `${name}=${value}\n`);
  await writeFile(join(home, '.env'), lines.join(''), { mode: 0o600 });
  const machine = await bootMachine({ HOME, KIMI_HOME: home, ...env });
  return { machine, home, ...machine };
}

async function unitOf({ env }: Machine): Promise<string> {
  const { stdout } = await inProcess(['service', 'status'], env);
  return (
    stdout
      .trim()
      .split('\n')
      .at(-1)
      ?.replace('~', env['HOME'] ?? '') ?? ''
  );
}

describe.skipIf(reason !== undefined)('the service', () => {
  it('is offered, installed, stopped, started, killed, and removed', { timeout: 120_000 }, async () => {
    const { env, home, machine } = await machineWith({ KIMI_API_KEY: 'sk-of-the-env-file' });
    expect(await inProcess(['service', 'status'], env)).toMatchObject({
      code: 5,
      stdout:
        'No service is installed, so nothing starts after a reboot; kimi-dispatch service install installs one.\n',
    });
    const asked = await cli(['service', 'install'], env);
    expect(asked).toMatchObject({ code: 2 });
    expect(asked.stdout).toContain('loginctl --no-ask-password enable-linger');
    expect(asked.stderr).toContain('nothing was changed');
    expect(existsSync(join(env['HOME'] ?? '', '.config/systemd/user'))).toBe(true);

    const installed = await cli(['service', 'install', '--yes'], env);
    expect(installed, installed.stderr + installed.stdout).toMatchObject({ code: 0 });
    expect(installed.stdout).toContain('It starts at boot.');
    const unit = await unitOf(machine);
    const text = await readFile(unit, 'utf8');
    expect(text).not.toContain('sk-of-the-env-file');
    expect((await stat(unit)).mode & 0o777).toBe(0o600);
    const first = await runningStack(home);
    expect(first?.pid).toBeGreaterThan(0);
    expect(await inProcess(['service', 'status'], env)).toMatchObject({ code: 0 });
    const doctor = await inProcess(['doctor'], env);
    expect(doctor.stdout).toMatch(
      /✓ Running as the service kimi-dispatch-\w{8} \(process \d+\)\.\n✓ It starts at boot\.\n/,
    );

    // Refused, since it already runs; in the background there is nothing to do.
    expect(await cli(['up'], env)).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('running as the service'),
    });
    expect(await cli(['up', '--detach'], env)).toMatchObject({ code: 0 });

    process.kill(first?.pid ?? 0, 'SIGKILL');
    await until(async () => {
      const now = await runningStack(home);
      return now !== undefined && now.pid !== first?.pid;
    });

    const down = await inProcess(['down'], env);
    expect(down).toMatchObject({ code: 0 });
    expect(down.stdout).toContain('The service starts again at the next boot');
    await until(() => machine.systemctl('show', '--property=ActiveState', '--value', unitName(unit)) === 'inactive');
    expect(await inProcess(['service', 'status'], env)).toMatchObject({
      code: 5,
      stdout: expect.stringContaining('not running'),
    });
    expect((await inProcess(['doctor'], env)).stdout).toContain('is installed, but not running');

    expect(await cli(['up', '--detach'], env)).toMatchObject({ code: 0 });
    expect((await runningStack(home))?.pid).toBe(
      Number(machine.systemctl('show', '--property=MainPID', '--value', unitName(unit))),
    );
    expect((await inProcess(['logs', 'up'], env)).stdout).toContain('Kimi Dispatch is ready');

    expect(await cli(['service', 'uninstall', '--yes'], env)).toMatchObject({ code: 0 });
    expect(existsSync(unit)).toBe(false);
    expect(await runningStack(home)).toBeUndefined();
  });

  it('says what prevents its start, and is not restarted after down', { timeout: 120_000 }, async () => {
    const port = await serve(createServer());
    const { env, machine } = await machineWith(
      { KIMI_API_KEY: 'sk-x', WEBHOOK_PORT: new URL(port).port },
      { WEBHOOK_PORT: '' },
    );
    const failed = await cli(['service', 'install', '--yes'], env);
    expect(failed).toMatchObject({ code: 3 });
    expect(failed.stderr).toMatch(/The service did not start: .*is taken/);
    expect((await inProcess(['service', 'status'], env)).stdout).toContain('cannot start and is retried');
    expect(await inProcess(['down'], env)).toMatchObject({ code: 0 });
    const unit = unitName(await unitOf(machine));
    expect(machine.systemctl('show', '--property=ActiveState', '--value', unit)).toBe('inactive');
  });

  it('replaces services that were started by hand', { timeout: 120_000 }, async () => {
    const { env, home } = await machineWith({ KIMI_API_KEY: 'sk-x' });
    expect(await cli(['up', '--detach'], env)).toMatchObject({ code: 0 });
    const before = await runningStack(home);
    expect(await cli(['service', 'install', '--yes'], env)).toMatchObject({ code: 0 });
    const after = await runningStack(home);
    expect(after?.pid).not.toBe(before?.pid);
    expect(await inProcess(['service', 'status'], env)).toMatchObject({ code: 0 });
  });

  it('is refused while a secret is only in the shell', { timeout: 120_000 }, async () => {
    const { env, home } = await machineWith({}, { KIMI_API_KEY: 'sk-of-the-shell' });
    const refused = await cli(['service', 'install', '--yes'], env);
    expect(refused).toMatchObject({ code: 3 });
    expect(refused.stderr).toMatch(/^KIMI_API_KEY is only in the environment of this shell.*\.env/);
    expect(refused.stdout + refused.stderr).not.toContain('sk-of-the-shell');
    await writeFile(join(home, '.env'), 'KIMI_API_KEY=sk-of-the-shell\n', { mode: 0o600 });
    expect(await cli(['service', 'install', '--yes'], env)).toMatchObject({ code: 0 });
  });

  it('after a power cut, a boot alone lets every task finish', { timeout: 180_000 }, async () => {
    const simulator = createSimulator({ secret: SECRET, delayMs: 50, log: silent });
    const kimi = await serve(simulator.app);
    const woken: string[] = [];
    let isGatewayUp = false;
    const gateway = await serve((request, response) => {
      response.statusCode = isGatewayUp ? 200 : 503;
      if (isGatewayUp) woken.push(String(request.headers['idempotency-key']));
      request.resume();
      response.end('{}');
    });
    const { env, home, machine } = await machineWith({
      KIMI_API_KEY: 'sk-test',
      KIMI_API_URL: `${kimi}/v1`,
      KIMI_CALLBACKS: 'relay',
      KIMI_MODEL: 'kimi-k2.6',
      KIMI_ON_INTERRUPT: 'retry',
      KIMI_MAX_CONCURRENT_TASKS: '1',
      OPENCLAW_WAKE_URL: `${gateway}/hooks/wake`,
    });
    expect(await cli(['service', 'install', '--yes'], env)).toMatchObject({ code: 0 });
    const dispatch = async (name: string, directives: string): Promise<string> => {
      const args = ['dispatch', `${name} [[simulate: mark=${name} ${directives}]]`, '-n', name, '--json'];
      const { stdout, stderr } = await inProcess(args, env);
      return (JSON.parse(stdout || `{"task_id":${JSON.stringify(stderr)}}`) as { task_id: string }).task_id;
    };
    const answered = await dispatch('answered', 'delay=0');
    await until(() => existsSync(join(resultsOf(env), `${answered}.json`)));
    const streaming = await dispatch('streaming', 'delay=0 chunks=20 size=2000 chunk-delay=300');
    await until(() => simulator.counts.completions.some(({ mark }) => mark === 'streaming'));
    const queued = await dispatch('queued', 'delay=0');
    expect((await inProcess(['list', '--status', 'queued'], env)).stdout).toContain(queued);

    const before = await runningStack(home);
    await machine.cutPower();
    expect([before, ...(before?.children ?? [])].filter((each) => each && existsSync(`/proc/${each.pid}/exe`))).toEqual(
      [],
    );
    isGatewayUp = true;
    await machine.boot();
    await until(async () => (await runningStack(home)) !== undefined);

    for (const id of [answered, streaming, queued]) {
      const watched = await inProcess(['watch', id], env);
      expect(watched, `${id}: ${watched.stderr}`).toMatchObject({ code: 0 });
      const result = JSON.parse(await readFile(join(resultsOf(env), `${id}.json`), 'utf8')) as object;
      expect(result).toMatchObject({ status: 'done' });
    }
    await until(() => new Set(woken).size === 3);
    expect(woken.toSorted()).toEqual([answered, streaming, queued].toSorted());
    // The interrupted stream was resumed; nothing else was sent twice.
    const sent = simulator.counts.completions.map(({ mark }) => mark);
    expect(sent.filter((mark) => mark === 'answered')).toHaveLength(1);
    expect(sent.filter((mark) => mark === 'queued')).toHaveLength(1);
    expect((await runningStack(home))?.pid).not.toBe(before?.pid);
  });
});

function unitName(file: string): string {
  return file.split('/').at(-1) ?? '';
}

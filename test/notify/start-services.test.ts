/** The plugin starts the services with the gateway, if configured. */
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import type { PluginApi } from 'openclaw/plugin-sdk/plugin-entry';
import { startServices } from '../../openclaw/plugin/src/start-services.ts';
import { temporaryFolder, until } from '../support/resources.ts';

/** A gateway, and programs that record their arguments. */
async function gatewayWith(pluginConfig: Record<string, unknown>, exits: { kimi?: number; scope?: number } = {}) {
  const folder = await temporaryFolder();
  const calls = join(folder, 'calls');
  await writeFile(calls, '');
  const program = async (name: string, exit: number, then = ''): Promise<string> => {
    const file = join(folder, name);
    const lines = ['#!/bin/sh', `echo "${name} $*" >>${calls}`, `echo "${name} says why" >&2`, then, `exit ${exit}`];
    await writeFile(file, `${lines.join('\n')}\n`, { mode: 0o755 });
    return file;
  };
  const command = await program('kimi', exits.kimi ?? 0);
  // As systemd-run: it becomes the program after the two hyphens.
  const scope = exits.scope === undefined ? 'while [ "$1" != -- ]; do shift; done; shift; exec "$@"' : '';
  await program('systemd-run', exits.scope ?? 0, scope);
  const PATH = process.env['PATH'];
  process.env['PATH'] = `${folder}${delimiter}${PATH}`;
  onTestFinished(() => void (process.env['PATH'] = PATH));
  const services: { id: string; start(): void | Promise<void>; stop?(): void | Promise<void> }[] = [];
  const warnings: string[] = [];
  const api = {
    pluginConfig: { command: [command], ...pluginConfig },
    logger: { info: () => {}, warn: (words: string) => warnings.push(words) },
    registerService: (service: (typeof services)[number]) => services.push(service),
  } as unknown as PluginApi;
  const called = async (): Promise<string[]> => (await readFile(calls, 'utf8')).split('\n').filter(Boolean);
  return { api, services, warnings, called };
}

it('does not start them if not configured', async () => {
  const { api, services } = await gatewayWith({});
  startServices(api, {});
  expect(services).toEqual([]);
});

it('starts them in the background, and never stops them', async () => {
  const { api, services, called, warnings } = await gatewayWith({ startServices: true });
  startServices(api, {});
  expect(services).toEqual([{ id: 'kimi-dispatch', start: expect.any(Function) }]);
  await services[0]?.start();
  await until(async () => (await called()).length > 0);
  expect(await called()).toEqual(['kimi up --detach']);
  expect(warnings).toEqual([]);
});

it('starts them outside the systemd unit of the gateway, if it runs in one', async () => {
  const { api, services, called } = await gatewayWith({ startServices: true });
  startServices(api, { INVOCATION_ID: 'x' });
  await services[0]?.start();
  await until(async () => (await called()).length > 1);
  const [scope, kimi] = await called();
  expect(scope).toMatch(/^systemd-run --user --scope --quiet --collect -- \/.*kimi up --detach$/);
  expect(kimi).toBe('kimi up --detach');
});

it('starts them without a scope if the user has no session', async () => {
  const { api, services, called } = await gatewayWith({ startServices: true }, { scope: 1 });
  startServices(api, { INVOCATION_ID: 'x' });
  await services[0]?.start();
  await until(async () => (await called()).length > 1);
  expect((await called()).at(-1)).toBe('kimi up --detach');
});

it('logs in the gateway why they did not start', async () => {
  const { api, services, warnings, called } = await gatewayWith({ startServices: true }, { kimi: 3 });
  startServices(api, { INVOCATION_ID: 'x' });
  await services[0]?.start();
  await until(() => warnings.length > 0);
  expect(warnings[0]).toContain('kimi says why');
  expect(await called()).toHaveLength(2);
});

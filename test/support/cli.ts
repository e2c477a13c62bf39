/** The built command line, as a user runs it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import type { ResultFile } from '../../src/shared/result.ts';
import { DIST } from '../../src/service/files.ts';
import type { StackState } from '../../src/stack/state.ts';
import { lifetime, temporaryFolder, until } from './resources.ts';

const CLI = join(DIST, 'kimi-dispatch.cjs');

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** A clean HOME with nothing of this machine's environment but PATH. */
export async function cleanHome(changes: Record<string, string> = {}): Promise<Record<string, string>> {
  const home = await temporaryFolder();
  return {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    TEMPORAL_CLI_PATH: inject('temporalCli'),
    KIMI_TEMPORAL_PORT: '0',
    KIMI_UI_PORT: '0',
    WEBHOOK_PORT: '0',
    KIMI_WORKER_PORT: '0',
    KIMI_RELAY_PORT: '0',
    ...changes,
  };
}

export function launch(args: string[], env: Record<string, string>, command = process.execPath) {
  const child = spawn(command, command === process.execPath ? [CLI, ...args] : args, { env, cwd: env['HOME'] });
  lifetime()(() => void child.kill('SIGKILL'));
  const said: Ended = { code: null, stdout: '', stderr: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said.stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (said.stderr += text));
  const ended = once(child, 'close').then(([code]): Ended => ({ ...said, code: code as number | null }));
  return { child, said, ended };
}

export async function cli(args: string[], env: Record<string, string>, input?: string): Promise<Ended> {
  const { child, ended } = launch(args, env);
  child.stdin.end(input);
  return await ended;
}

/** Runs a command in a terminal, which `script` provides, and answers its question. */
export async function onTerminal(args: string[], answer: string, env: Record<string, string>): Promise<Ended> {
  const { child, said, ended } = launch(
    ['-qec', [process.execPath, CLI, ...args].join(' '), '/dev/null'],
    env,
    'script',
  );
  await until(() => said.stdout.includes('(y/N)') || child.exitCode !== null);
  child.stdin.write(answer);
  return await ended;
}

export function resultsOf(env: Record<string, string>): string {
  return env['KIMI_RESULTS_DIR'] ?? join(env['HOME'] ?? '', '.openclaw/workspace/kimi-dispatch/results');
}

export async function latest(env: Record<string, string>): Promise<ResultFile> {
  return JSON.parse(await readFile(join(resultsOf(env), 'latest.json'), 'utf8')) as ResultFile;
}

/** Starts `up` and stops it at the end of its `lifetime`. */
export async function up(env: Record<string, string>, ...args: string[]) {
  const stack = launch(['up', ...args], env);
  await until(() => stack.said.stdout.includes('Ctrl-C') || stack.child.exitCode !== null);
  expect(stack.said.stdout, stack.said.stderr).toMatch(/Kimi Dispatch (?:就緒|is ready)/);
  const state = JSON.parse(
    await readFile(join(env['HOME'] ?? '', '.local/share/kimi-dispatch/stack.json'), 'utf8'),
  ) as StackState;
  const stop = async (): Promise<Ended> => {
    stack.child.kill('SIGINT');
    return await stack.ended;
  };
  lifetime()(async () => void (await stop()));
  return { ...stack, state, stop };
}

/** `--attach`, from the command line to the answer: with a running service, and by `run` alone. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import type { TaskFile } from '../../src/shared/task.ts';
import { cleanHome, cli, up } from '../support/cli.ts';
import { docx, pdf, xlsx } from '../support/documents.ts';
import { shared } from '../support/resources.ts';

const BIG5 = Buffer.from('a741a66ea540acc9', 'hex');

/** A home with files of every kind. */
async function homeWith(
  changes: Record<string, string> = {},
): Promise<{ env: Record<string, string>; attach: string[] }> {
  const env = await cleanHome({ KIMI_LANG: 'en', ...changes });
  const folder = join(env['HOME'] ?? '', 'files');
  await mkdir(folder);
  const files = {
    'report.pdf': pdf(['Quarterly figures']),
    '合約.docx': docx(['第一條']),
    '銷售.xlsx': xlsx('銷售', [['一月', 100]]),
    '筆記.txt': BIG5,
  };
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
  return { env, attach: Object.keys(files).flatMap((name) => ['--attach', join(folder, name)]) };
}

const relayed = shared(async () => {
  const home = await homeWith({ KIMI_CALLBACKS: 'relay' });
  await up(home.env, '--simulate');
  return home;
});

it('documents go to Moonshot’s API, and texts with them; nothing is left there; status shows names and sizes', async () => {
  const { env, attach } = relayed();
  const { stdout, stderr, code } = await cli(['dispatch', '--json', '-n', 'files', 'summary', ...attach], env);
  expect(code, stderr).toBe(0);
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  expect(await cli(['wait', task_id], env)).toMatchObject({ code: 0 });
  const result = await cli(['result', task_id], env);
  expect(result.stdout).toContain('Quarterly figures');
  const status = await cli(['status', task_id], env);
  expect(status.stdout).toMatch(
    /Files +report\.pdf \(\d+ B\), 合約\.docx \(\d+ B\), 銷售\.xlsx \([\d.]+ K?B\), 筆記\.txt \(8 B\)/,
  );
});

it('a task that is repeated has its files', async () => {
  const { env } = relayed();
  const { stdout, code } = await cli(['retry', 'files', '--json'], env);
  expect(code).toBe(0);
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  await cli(['wait', task_id], env);
  expect((await cli(['status', task_id, '--json'], env)).stdout).toContain('"report.pdf"');
});

it('a file that cannot be read is refused in a sentence, and nothing is started', async () => {
  const { env } = relayed();
  const { code, stderr, stdout } = await cli(['dispatch', 'x', '--attach', process.execPath], env);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^✗? ?.*node is (?:neither text|over)/);
});

it('run reads documents itself where Kimi takes none', async () => {
  const { env, attach } = await homeWith();
  const { stdout, stderr, code } = await cli(['run', '--simulate', '--json', 'first line', ...attach], env);
  expect(code, stderr).toBe(0);
  const { files, model } = JSON.parse(stdout) as { files?: TaskFile[]; model: string };
  expect(model).toBe(readConfig({}).KIMI_MODEL ?? 'kimi-k2.6');
  expect(files?.map(({ name, kind, encoding }) => [name, kind, encoding])).toEqual([
    ['report.pdf', 'text', undefined],
    ['合約.docx', 'text', undefined],
    ['銷售.xlsx', 'text', undefined],
    ['筆記.txt', 'text', 'Big5'],
  ]);
});

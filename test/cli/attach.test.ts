/** `--attach`, from the command line to the answer: with a running service, and by `run` alone. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import type { Counts, Upload } from '../../src/simulator/events.ts';
import type { TaskFile } from '../../src/shared/task.ts';
import { cleanHome, up } from '../support/cli.ts';
import { inProcess } from '../support/in-process.ts';
import { docx, pdf, scannedPdf, xlsx } from '../support/documents.ts';
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
  const { state } = await up(home.env, '--simulate');
  return { ...home, counts: `${state.simulator_url}/simulator/counts` };
});

/** @returns the newest request at Moonshot's API without the ids of tasks in it, and the uploads of its task. */
async function sentFor(task_id: string): Promise<{ messages: string; uploads: Upload[] }> {
  const { completions, uploads } = (await (await fetch(relayed().counts)).json()) as Counts;
  const messages = JSON.stringify(completions.at(-1)?.messages).replaceAll(/kimi-\d+-\d+/g, 'ID');
  return { messages, uploads: uploads.filter(({ filename }) => filename.startsWith(`${task_id}.`)) };
}

/** Runs a command that starts a task, and waits for its answer. @returns the task's id */
async function answered(...args: string[]): Promise<string> {
  const { env } = relayed();
  const { stdout, stderr } = await inProcess([...args, '--json'], env);
  expect(stdout, stderr).toContain('task_id');
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  expect(await inProcess(['wait', task_id], env)).toMatchObject({ code: 0 });
  return task_id;
}

it('documents go to Moonshot’s API, and texts with them; nothing is left there; status shows names and sizes', async () => {
  const { env, attach } = relayed();
  const { stdout, stderr, code } = await inProcess(['dispatch', '--json', '-n', 'files', 'summary', ...attach], env);
  expect(code, stderr).toBe(0);
  const { task_id } = JSON.parse(stdout) as { task_id: string };
  expect(await inProcess(['wait', task_id], env)).toMatchObject({ code: 0 });
  const result = await inProcess(['result', task_id], env);
  expect(result.stdout).toContain('Quarterly figures');
  const status = await inProcess(['status', task_id], env);
  expect(status.stdout).toMatch(
    /Files +report\.pdf \(\d+ B\), 合約\.docx \(\d+ B\), 銷售\.xlsx \([\d.]+ K?B\), 筆記\.txt \(8 B\)/,
  );
});

it('a task that is repeated has its files, as has one that continues it: Kimi reads them again, and is sent the same', async () => {
  const { env, attach } = relayed();
  const first = await answered('dispatch', '-n', 'asked', 'summary', ...attach);
  const asked = await sentFor(first);
  const again = await answered('retry', first);
  const repeated = await sentFor(again);
  expect(repeated.messages).toBe(asked.messages);
  expect((await inProcess(['status', again, '--json'], env)).stdout).toContain('"report.pdf"');

  const followUp = await answered('dispatch', '--continue', first, 'and more');
  const continued = await sentFor(followUp);
  expect(continued.messages).toContain('and more');
  const third = await answered('retry', followUp);
  const repeatedFollowUp = await sentFor(third);
  expect(repeatedFollowUp.messages).toBe(continued.messages);
  expect((await inProcess(['status', third, '--json'], env)).stdout).toContain(`"continues": "${first}"`);
  for (const { uploads } of [asked, repeated, continued, repeatedFollowUp])
    expect(uploads).toMatchObject(Array.from({ length: 3 }, () => ({ read: 1, deleted: true })));
});

it('a file that cannot be read is refused in a sentence, and nothing is started', async () => {
  const { env } = relayed();
  const { code, stderr, stdout } = await inProcess(['dispatch', 'x', '--attach', process.execPath], env);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(/^✗? ?.*node is (?:neither text|over)/);
});

it('run reads documents itself where Kimi takes none; scanned pages go as pictures to a model that takes them', async () => {
  const { env, attach } = await homeWith();
  const scan = join(env['HOME'] ?? '', '掃描.pdf');
  const form = '/ColorSpace /DeviceGray /BitsPerComponent 8';
  await writeFile(scan, scannedPdf([{ form, width: 2, height: 1, data: Buffer.from([0, 255]) }]));
  const asked = ['run', '--simulate', '--json', 'first line', ...attach, '--attach', scan];
  const refused = await inProcess([...asked, '-m', 'moonshot-v1-128k'], env);
  expect(refused).toMatchObject({ code: 2, stdout: '' });
  expect(refused.stderr).toMatch(/掃描\.pdf has scanned pages and no text.*-m kimi-k2\.6.*as pictures/s);
  const { stdout, stderr, code } = await inProcess(asked, env);
  expect(code, stderr).toBe(0);
  expect(stderr).toContain('筆記.txt is not UTF-8 and was read as Big5');
  const { files, model } = JSON.parse(stdout) as { files?: TaskFile[]; model: string };
  expect(model).toBe(readConfig({}).KIMI_MODEL ?? 'kimi-k2.6');
  expect(files?.map(({ name, kind, encoding }) => [name, kind, encoding])).toEqual([
    ['report.pdf', 'text', undefined],
    ['合約.docx', 'text', undefined],
    ['銷售.xlsx', 'text', undefined],
    ['筆記.txt', 'text', 'Big5'],
    ['掃描.pdf', 'pages', undefined],
  ]);
});

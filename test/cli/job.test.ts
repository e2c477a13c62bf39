/** The job for Kimi, as the command line reads it. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { CliError } from '../../src/cli/exit.ts';
import { keepFiles, readTask, type RequestOptions } from '../../src/cli/job.ts';
import { sayProblem } from '../../src/cli/problem-sentence.ts';
import { cliText } from '../../src/cli/text/index.ts';
import { readConfig } from '../../src/config/index.ts';
import { MAX_PROMPT_BYTES } from '../../src/shared/task.ts';
import { Problem } from '../../src/tasks/problem.ts';
import { keepFile } from '../../src/tasks/files.ts';
import { checkTask } from '../../src/tasks/request.ts';
import { textFor } from '../../src/text/index.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { failureOf } from '../support/answering.ts';
import { pdf } from '../support/documents.ts';
import { temporaryFolder } from '../support/resources.ts';

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNiAAAABgADNjd8qAAAAABJRU5ErkJggg==',
  'base64',
);
const ELSEWHERE = 'https://kimi.example.com/v1';
const MOONSHOT = 'https://api.moonshot.ai/v1';

async function read(options: RequestOptions = {}, apiUrl: string | undefined = MOONSHOT, env = {}) {
  const say = cliText('en');
  const task = await readTask({ prompt: '寫一個計算器' }, options, say);
  const { contents } = openPayloads(readConfig({ KIMI_HOME: await temporaryFolder() }));
  try {
    const files = await keepFiles(options, async (one) => await keepFile({ contents, relay: false, apiUrl }, one), say);
    const place = { config: readConfig(env), apiUrl, relay: false, simulated: false };
    const { lang: _lang, ...job } = checkTask(place, { ...task, ...files });
    return job;
  } catch (error) {
    throw error instanceof Problem ? sayProblem(error, cliText('en'), textFor('en')) : error;
  }
}

async function refusal(...args: Parameters<typeof read>): Promise<CliError> {
  return await failureOf(read(...args), CliError);
}

async function file(name: string, content: string | Buffer): Promise<string> {
  const path = join(await temporaryFolder(), name);
  await writeFile(path, content);
  return path;
}

async function fileOfWords(count: number): Promise<string> {
  return await file('system.md', 'a '.repeat(count));
}

describe('a job', () => {
  it('without options has only the prompt, for the default model of the host', async () => {
    expect(await read()).toStrictEqual({ prompt: '寫一個計算器', name: '計算器', model: 'kimi-k2.6' });
    expect(await read({}, ELSEWHERE)).toMatchObject({ model: 'moonshot-v1-128k' });
  });

  it('is for the model of the option, or else of KIMI_MODEL', async () => {
    expect(await read({ model: 'kimi-k3' }, MOONSHOT, { KIMI_MODEL: 'x' })).toMatchObject({ model: 'kimi-k3' });
    expect(await read({}, MOONSHOT, { KIMI_MODEL: 'kimi-k2.7-code' })).toMatchObject({ model: 'kimi-k2.7-code' });
  });

  it('has every option', async () => {
    const job = await read({
      model: 'kimi-k3',
      system: await file('system.md', '你是譯者'),
      temperature: 1,
      maxTokens: 5000,
      thinking: 'high',
      jsonSchema: await file('schema.json', '{"type":"object"}'),
    });
    expect(job.request).toStrictEqual({
      system: '你是譯者',
      temperature: 1,
      max_tokens: 5000,
      thinking: 'high',
      json_schema: { type: 'object' },
    });
  });

  it('is refused if it has more words than its model has room for tokens', async () => {
    expect(await refusal({ system: await fileOfWords(300_000) })).toMatchObject({
      exit: 2,
      message: expect.stringMatching(
        /at least 300001 tokens, and kimi-k2\.6 has room for 262143; shorten it, or use kimi-k3\)$/,
      ) as string,
    });
    expect(await refusal({ system: await fileOfWords(1_500_000) })).toMatchObject({
      message: expect.stringMatching(/; shorten it\)$/) as string,
    });
    // Kimi may count fewer tokens than there are letters, and models elsewhere are not known.
    expect(await read({ system: await fileOfWords(262_142) })).toMatchObject({ model: 'kimi-k2.6' });
    expect(await read({ system: await fileOfWords(300_000) }, ELSEWHERE)).toMatchObject({ model: 'moonshot-v1-128k' });
  });

  it('has its attached files beside the prompt, from which alone its name derives', async () => {
    const job = await read({
      attach: [await file('筆記.md', '# 筆記'), await file('a.png', PNG), await file('logo.svg', '<svg/>')],
    });
    expect(job).toStrictEqual({
      prompt: '寫一個計算器',
      name: '計算器',
      model: 'kimi-k2.6',
      files: [
        expect.objectContaining({ name: '筆記.md', bytes: 8, kind: 'text' }),
        expect.objectContaining({ name: 'a.png', bytes: PNG.length, kind: 'image' }),
        expect.objectContaining({ name: 'logo.svg', bytes: 6, kind: 'text' }),
      ],
    });
  });

  it.each([
    ['jpeg', 'ffd8ffe000104a464946'],
    ['gif', '474946383961ff'],
    ['webp', '52494646ffffffff574542505650'],
    ['bmp', '424dff00000000000000'],
  ])('may have a picture in %s', async (_type, hex) => {
    const job = await read({ attach: [await file('picture', Buffer.from(hex, 'hex'))] });
    expect(job.files).toMatchObject([{ kind: 'image' }]);
  });
});

describe('a job is refused', () => {
  it.each([
    ['a list', '[]'],
    ['null', 'null'],
    ['a word', 'schema'],
    ['nothing', ''],
    ['an object that describes no value', '{"title": "a form"}'],
    ['a package.json', '{"name": "x", "type": "module", "dependencies": {}}'],
  ])('whose schema is %s', async (_what, content) => {
    const error = await refusal({ jsonSchema: await file('schema.json', content) });
    expect(error).toMatchObject({ exit: 2, message: expect.stringContaining('no JSON Schema') });
  });

  it('whose system prompt is empty', async () => {
    const error = await refusal({ system: await file('system.md', ' \n') });
    expect(error).toMatchObject({ exit: 2, message: expect.stringMatching(/system\.md is empty\.$/) });
  });

  it('that has a picture for a text model', async () => {
    const error = await refusal({ attach: [await file('a.png', PNG)] }, ELSEWHERE);
    expect(error).toMatchObject({ exit: 2, message: expect.stringContaining('accepts no images') });
  });

  it('that is too long together with its attachments', async () => {
    const half = 'x'.repeat(MAX_PROMPT_BYTES / 2);
    const attach = [await file('a.txt', half)];
    await read({ attach });
    const both = { attach, system: await file('system.md', half) };
    expect(await refusal(both)).toMatchObject({ exit: 2, message: expect.stringContaining(`limit is 4194304`) });
  });

  it.each([
    ['a folder', async () => await temporaryFolder(), 'is a folder'],
    ['a device', async () => '/dev/zero', 'is a device or a pipe'],
    ['missing', async () => '/nowhere/a.pdf', 'Cannot read /nowhere/a.pdf'],
    ['empty', async () => await file('a.txt', ''), 'a.txt is empty'],
    ['a program', async () => '/bin/sh', 'sh is neither text'],
    ['an old document', async () => await file('a.xls', Buffer.from('d0cf11e0a1b11ae1', 'hex')), 'save it as DOCX'],
    ['a scan', async () => await file('a.pdf', pdf([''])), 'Attach the pages as pictures'],
  ])('whose attachment is %s', async (_what, path, sentence) => {
    const attach = [await file('good.txt', 'x'), await path()];
    const error = await refusal({ attach }, ELSEWHERE);
    expect(error).toMatchObject({ exit: 2, message: expect.stringContaining(sentence) });
  });

  it('whose model is retired at the host; elsewhere it is accepted', async () => {
    const retired = { model: 'moonshot-v1-8k' };
    expect((await refusal(retired)).message).toBe(
      'this model is retired, so nothing was sent; use its successor (moonshot-v1-8k was retired at Moonshot on 2026-08-31; use kimi-k2.6)',
    );
    expect(await refusal({}, MOONSHOT, { KIMI_MODEL: 'kimi-k2.5' })).toMatchObject({ exit: 2 });
    expect(await read(retired, ELSEWHERE)).toMatchObject(retired);
  });

  it('whose parameters the model would refuse, by the rules of the worker', async () => {
    expect((await refusal({ temperature: 0.3 })).message).toBe(
      'the model does not support this option, so nothing was sent (kimi-k2.6 accepts only temperature 1; leave --temperature out)',
    );
  });
});

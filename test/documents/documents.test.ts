/** Files that go with a prompt: what they are, and their text. */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { readConfig } from '../../src/config/index.ts';
import { MAX_FILE_BYTES, MAX_PROMPT_BYTES, type TaskFile } from '../../src/shared/task.ts';
import { checkFiles, keepFile } from '../../src/tasks/files.ts';
import { checkTask } from '../../src/tasks/request.ts';
import { requestFor } from '../../src/kimi/request.ts';
import { Problem } from '../../src/tasks/problem.ts';
import { openPayloads } from '../../src/temporal/payloads/converter.ts';
import { failureOf } from '../support/answering.ts';
import { docx, epub, odt, pdf, pptx, scannedPdf, xlsx, type Scan } from '../support/documents.ts';
import { temporaryFolder } from '../support/resources.ts';

const ELSEWHERE = { relay: false, apiUrl: 'https://kimi.example.com/v1' };
const MOONSHOT = { relay: true, apiUrl: 'https://api.moonshot.cn/v1' };

/** @returns the file as it is kept, and what is stored of it. */
async function keep(name: string, content: Buffer, place = ELSEWHERE) {
  const { contents } = openPayloads(readConfig({ KIMI_HOME: await temporaryFolder() }));
  const file = await keepFile({ contents, ...place }, { name, content });
  return { file, stored: await contents.get(file.claim) };
}

async function textOf(name: string, content: Buffer): Promise<string> {
  const { file, stored } = await keep(name, content);
  expect(file.kind).toBe('text');
  return stored.toString('utf8');
}

describe('a text', () => {
  it.each([
    [
      'Big5',
      '親愛的同學：本學期的期末報告請於十二月二十日前繳交。',
      'bfcbb752aabaa650bec7a147a5bbbec7b4c1aabab4c1a5bdb3f8a769bdd0a9f3a451a447a4eba447a451a4e9ab65c3baa5e6a143',
    ],
    ['Big5', '你好世界', 'a741a66ea540acc9'],
    [
      'Big5',
      'id,text\n1,你好世界\n2,天氣不錯\n3,再見\n',
      '69642c746578740a312ca741a66ea540acc90a322ca4d1aef0a4a3bff90a332ca641a8a30a',
    ],
    ['Big5', '陳美玲', 'b3afacfcacc2'],
    [
      'GB18030',
      'id,text\n1,你好世界\n2,天气不错\n3,再见\n',
      '69642c746578740a312cc4e3bac3cac0bde70a322cccecc6f8b2bbb4ed0a332cd4d9bcfb0a',
    ],
    ['GB18030', '東西很好', '967ccef7badcbac3'],
    ['Shift_JIS', '田中太郎', '9363928691be9859'],
    ['EUC-KR', '감사합니다', 'b0a8bbe7c7d5b4cfb4d9'],
    ['EUC-JP', 'ありがとう', 'a4a2a4eaa4aca4c8a4a6'],
    ['ISO-8859-1', 'Ärzte', 'c4727a7465'],
    ['windows-1252', 'Straße', '53747261df65'],
    [
      'GB18030',
      '亲爱的同学：本学期的期末报告请于十二月二十日前提交。',
      'c7d7b0aeb5c4cdacd1a7a3bab1bed1a7c6dab5c4c6dac4a9b1a8b8e6c7ebd3dacaaeb6fed4c2b6fecaaec8d5c7b0cce1bdbba1a3',
    ],
    ['Shift_JIS', '今日は天気がいいですね。', '8da193fa82cd93568b4382aa82a282a282c582b782cb8142'],
    [
      'EUC-KR',
      '안녕하세요. 내일 회의 자료를 준비해 주시기 바랍니다.',
      'bec8b3e7c7cfbcbcbfe42e20b3bbc0cf20c8b8c0c720c0dab7e1b8a620c1d8baf1c7d820c1d6bdc3b1e220b9d9b6f8b4cfb4d92e',
    ],
    [
      'windows-1252',
      'Le café était fermé à l’époque; ça a coûté 5 €, très cher.',
      '4c6520636166e920e974616974206665726de920e0206c92e9706f7175653b20e761206120636ffb74e9203520802c207472e87320636865722e',
    ],
    ['UTF-16LE', '你好', 'fffe604f7d59'],
    ['UTF-16BE', '你好', 'feff4f60597d'],
  ])('in %s is stored in UTF-8: %s', async (encoding, text, hex) => {
    const { file, stored } = await keep('報告.txt', Buffer.from(hex, 'hex'));
    expect(file).toMatchObject({ name: '報告.txt', kind: 'text', encoding, bytes: hex.length / 2 });
    expect(stored.toString('utf8')).toBe(text);
  });

  it('in UTF-8 has no other encoding, and loses its byte order mark', async () => {
    const { file, stored } = await keep('a.csv', Buffer.from('\uFEFF姓名,電話\n'));
    expect(file).not.toHaveProperty('encoding');
    expect(stored.toString('utf8')).toBe('姓名,電話\n');
  });
});

describe('the text of a document is read', () => {
  it.each([
    ['a PDF', pdf(['First page (1)', 'Second page']), 'First page (1)\n\nSecond page'],
    [
      'a Word document',
      docx(
        ['第一段 &amp; more', '第二段'],
        [
          ['品名', '價格'],
          ['蘋果', '30'],
        ],
      ),
      '第一段 & more\n第二段\n品名\t價格\n蘋果\t30',
    ],
    [
      'an Excel workbook',
      xlsx('銷售', [
        ['一月', 100],
        ['二月', 200.5],
      ]),
      '# 銷售\n一月\t\t100\n二月\t\t200.5',
    ],
    ['a PowerPoint presentation', pptx(['標題', '結論']), '# 1\n標題\n\n# 2\n結論'],
    ['a book, in the order of its chapters', epub(['開頭', '結尾']), '1\n開頭\n\n2\n結尾'],
    ['an OpenDocument text', odt(['一', '二']), '一\n二'],
  ])('of %s', async (_what, content, text) => {
    // The name does not count.
    expect(await textOf('file.bin', content)).toBe(text);
  });

  it('at Moonshot by Kimi: the file is stored as it is', async () => {
    const content = pdf(['page']);
    const { file, stored } = await keep('a.pdf', content, MOONSHOT);
    expect(file).toMatchObject({ kind: 'document', bytes: content.length, stored_bytes: content.length });
    expect(stored).toEqual(content);
    // Moonshot's list does not have it.
    expect(await keep('a.odt', odt(['一']), MOONSHOT)).toMatchObject({ file: { kind: 'text' } });
  });
});

/** @returns the stored pictures: their sizes, and the shades of the four corners, from 0 to 15. */
async function cornersOf(document: Buffer): Promise<object[]> {
  const { file, stored } = await keep('scan.pdf', document);
  expect(file).toMatchObject({ name: 'scan.pdf', kind: 'pages', bytes: document.length });
  return (JSON.parse(stored.toString()) as string[]).map((url) => {
    const [, base64 = ''] = url.split('data:image/png;base64,');
    const { width, height, depth, data } = decode(Buffer.from(base64, 'base64'));
    expect(depth).toBe(4);
    const shade = (x: number, y: number): number => (data[(y * width + x) >> 1]! >> (x % 2 ? 0 : 4)) & 15;
    const [right, bottom] = [width - 1, height - 1];
    return { width, height, corners: [shade(0, 0), shade(right, 0), shade(0, bottom), shade(right, bottom)] };
  });
}

describe('a scanned document', () => {
  /** 32 × 16 pixels, white, with a black square of 8 × 8 in the corner; JPEG and fax by ImageMagick. */
  const size = { width: 32, height: 16 };
  const rgb = Buffer.from(
    Array.from({ length: 512 }, (_, n) => Array<number>(3).fill(n % 32 < 8 && n < 256 ? 0 : 255)).flat(),
  );
  const SCANS: Record<string, Scan> = {
    RGB: { form: '/ColorSpace /DeviceRGB /BitsPerComponent 8', ...size, data: rgb },
    JPEG: {
      form: '/ColorSpace /DeviceGray /BitsPerComponent 8 /Filter /DCTDecode',
      ...size,
      data: Buffer.from(
        '/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDABALDA4MChAODQ4SERATGCgaGBYWGDEjJR0oOjM9PDkzODdASFxOQERXRTc4UG1RV19iZ2hnPk1xeXBkeFxlZ2P/wAALCAAQACABAREA/8QAFgABAQEAAAAAAAAAAAAAAAAAAAcI/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQAAPwCftAAAP//Z',
        'base64',
      ),
    },
    fax: {
      form: '/ColorSpace /DeviceGray /BitsPerComponent 1 /Filter /CCITTFaxDecode /DecodeParms << /K -1 /Columns 32 /Rows 16 /BlackIs1 false >>',
      ...size,
      data: Buffer.from('26a2fffffe3fe0020020', 'hex'),
    },
  };
  const [scan] = Object.values(SCANS) as [Scan];

  it.each(Object.entries(SCANS))('of %s goes as pictures of its pages', async (_, page) => {
    const white = { ...scan, data: Buffer.alloc(scan.data.length, 255) };
    expect(await cornersOf(scannedPdf([page, white]))).toEqual([
      { ...size, corners: [0, 15, 15, 15] },
      { ...size, corners: [15, 15, 15, 15] },
    ]);
  });

  it.each([
    [90, [15, 0, 15, 15]],
    [180, [15, 15, 15, 0]],
    [270, [15, 15, 0, 15]],
  ])('that is turned by %d° is turned back', async (rotate, corners) => {
    const turned = rotate === 180 ? size : { width: 16, height: 32 };
    expect(await cornersOf(scannedPdf([scan], rotate))).toEqual([{ ...turned, corners }]);
  });

  it('of many pixels is scaled down', async () => {
    const data = Buffer.alloc(4_801 * 3_000, 255);
    const large = { form: '/ColorSpace /DeviceGray /BitsPerComponent 8', width: 4_801, height: 3_000, data };
    expect(await cornersOf(scannedPdf([large]))).toEqual([{ width: 1_601, height: 1_000, corners: [15, 15, 15, 15] }]);
  });

  it.each([
    ['a page is more than a picture', scannedPdf([scan], 0, 'q 9 0 0 9 0 0 cm /I Do Q')],
    ['a page has a picture that cannot be decoded', scannedPdf([{ ...scan, form: '/Filter /JPXDecode' }])],
    ['it has more than 60 pages', scannedPdf(Array<Scan>(61).fill(scan))],
  ])('is refused with a way out, if %s', async (_, document) => {
    const { params } = await failureOf(keep('scan.pdf', document), Problem);
    expect(params).toEqual({ file: 'scan.pdf', why: 'no_text' });
  });

  it('is sent to a model that takes pictures; for another one it is refused before anything is sent', async () => {
    const { file, stored } = await keep('scan.pdf', scannedPdf([scan, scan]));
    const task = { prompt: 'sum', model: 'kimi-k2.6', files: [file] };
    const { messages } = requestFor(task, ELSEWHERE.apiUrl, new Map([[file.sha256, stored]]));
    expect(messages).toMatchObject([{ content: [{ type: 'image_url' }, { type: 'image_url' }, { text: 'sum' }] }]);
    const place = { config: readConfig({}), apiUrl: ELSEWHERE.apiUrl, relay: false, simulated: false };
    expect(checkTask(place, task)).toMatchObject({ model: 'kimi-k2.6' });
    const turn = { prompt: 'one', output: 'two', files: [file] };
    for (const other of [task, { prompt: 'more', conversation: [turn] }]) {
      const refused = failureOf((async () => checkTask(place, { ...other, model: 'other' }))(), Problem);
      expect((await refused).params).toEqual({ file: 'scan.pdf', why: 'scanned' });
    }
  });
});

/** @returns the archive, whose entries say that they have this size unpacked. */
function unpackedTo(size: number, archive: Buffer): Buffer {
  const said = Buffer.from(archive);
  const directory = Buffer.from('PK\x01\x02');
  for (let at = said.indexOf(directory); at >= 0; at = said.indexOf(directory, at + 4))
    said.writeUInt32LE(size, at + 24);
  return said;
}

describe('a file is refused', () => {
  const OLE = Buffer.from('d0cf11e0a1b11ae1', 'hex');

  it.each([
    ['empty', Buffer.alloc(0)],
    ['empty', Buffer.from(' \n\t')],
    ['unknown', Buffer.from('7f454c4600000000', 'hex')],
    ['unknown', Buffer.from('PK\x03\x04 an archive of something else')],
    ['old_format', OLE],
    ['no_text', pdf(['', ''])],
    ['blank', docx([''])],
    ['unpacked', unpackedTo(200_000_001, docx(['x']))],
    [
      'locked',
      pdf(
        ['x'],
        `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${'00'.repeat(32)}> /U <${'11'.repeat(32)}> >> /ID [<aa> <aa>]`,
      ),
    ],
    ['damaged', Buffer.from(docx(['x']).map((byte, at) => (at > 150 && at < 180 ? 0xff : byte)))],
    ['too_large', Buffer.alloc(MAX_FILE_BYTES + 1, 'x')],
    ['too_long', Buffer.alloc(MAX_PROMPT_BYTES + 1, 'x')],
  ])('as %s', async (why, content) => {
    const problem = await failureOf(keep('a.doc', content), Problem);
    expect(problem).toMatchObject({ code: 'unusable_file', params: { file: 'a.doc', why } });
  });

  it('with others that are too many or too large together', () => {
    const file: TaskFile = { name: 'a', bytes: 1, kind: 'image', stored_bytes: 11_000_000, sha256: '', claim: '' };
    expect(() => checkFiles([file])).not.toThrow();
    expect(() => checkFiles([file, file])).toThrow('files_too_large');
    expect(() => checkFiles(Array.from({ length: 10 }, () => ({ ...file, kind: 'document' })))).toThrow(
      'files_too_large',
    );
    expect(() => checkFiles(Array.from({ length: 51 }, () => ({ ...file, stored_bytes: 1 })))).toThrow(
      'too_many_files',
    );
  });
});

it('a file of an earlier question that is attached again counts as often as it is sent', async () => {
  const { file } = await keep('a.txt', Buffer.from('x'.repeat(2_500_000)));
  const turn = { prompt: 'one', output: 'two', files: [file] };
  const task = { prompt: 'more', model: 'kimi-k3', files: [file], conversation: [turn] };
  const place = { config: readConfig({}), relay: false, simulated: false };
  // At Moonshot once: at the head of the request.
  expect(checkTask({ ...place, apiUrl: MOONSHOT.apiUrl }, task)).toMatchObject({ prompt: 'more' });
  const refused = failureOf((async () => checkTask({ ...place, apiUrl: ELSEWHERE.apiUrl }, task))(), Problem);
  expect(await refused).toMatchObject({ code: 'too_long', params: { bytes: 5_000_010 } });
});

it('what is stored is encrypted where payloads are, and only its owner can read it', async () => {
  const KIMI_HOME = await temporaryFolder();
  const KIMI_PAYLOAD_KEYS = `k:${Buffer.alloc(32, 7).toString('base64')}`;
  const { contents, folder } = openPayloads(readConfig({ KIMI_HOME, KIMI_PAYLOAD_KEYS }));
  const { claim } = await keepFile({ contents, ...ELSEWHERE }, { name: 'a.txt', content: Buffer.from('機密的內容') });
  const [path = ''] = (await readdir(folder.path, { recursive: true })).filter((name) => name.includes('/'));
  expect((await readFile(join(folder.path, path))).includes('機密')).toBe(false);
  expect((await contents.get(claim)).toString()).toBe('機密的內容');
  const other = openPayloads(readConfig({ KIMI_HOME })).contents;
  await expect(other.get(claim)).rejects.toThrow('KIMI_PAYLOAD_KEYS');
  await expect(contents.get('folder/../../.env')).rejects.toThrow('is not the name of a payload');
});

/** Task names and task ids. */
import { describe, expect, it } from 'vitest';
import { TASK_ID } from '../../src/shared/task-id.ts';
import { newTaskId, taskIdOf } from '../../src/tasks/task-id.ts';
import { isTaskName, MAX_NAME_CHARS, nameFromPrompt } from '../../src/tasks/task-name.ts';

const FAMILY = '👨‍👩‍👧‍👦';
/** The presentation selector that turns `⚠` into a coloured `⚠️`; Unicode counts it as a combining mark. */
const VS16 = '\uFE0F';

describe('a name from a prompt', () => {
  it.each([
    ['寫一個 Python 計算器，包含測試', 'python-計算器'],
    ['請幫我寫一份報告', '報告'],
    ['麻煩你幫我設計一個登入頁面。要好看', '登入頁面'],
    ['请帮我写一个贪吃蛇游戏', '贪吃蛇游戏'],
    ['翻譯這篇文章', '翻譯這篇文章'],
    ['寫一篇三千字的文章，談台灣半導體產業的歷史', '台灣半導體產業的歷史'],
    ['寫一篇 3000 字左右的報告，主題是關於碳費', '碳費'],
    ['幫我寫一篇五百字的短文介紹日月潭', '日月潭'],
    ['寫一篇關於台灣原住民的文章', '台灣原住民的文章'],
    ['请写一篇两千字的论文，探讨人工智能的伦理', '人工智能的伦理'],
    ['寫一份報告，要好看', '報告'],
    ['三字經的由來', '三字經的由來'],
    ['寫一篇文章，談談淡水', '淡水'],
    ['介紹日月潭', '介紹日月潭'],
    ['分析這份財報，列出風險', '分析這份財報'],
    ['Write a 3000-word essay about chips', 'essay-about-chips'],
    ['Please write me a Python calculator, with tests', 'python-calculator'],
    ['Could you help me to create an essay about cats?', 'essay-about-cats'],
    ['I need some GREAT ideas!', 'great-ideas'],
    ['Summarise: the news', 'summarise'],
    ['ＡＢＣ　１２３', 'abc-123'],
    ['last', 'task-last'],
    ['12345', 'task-12345'],
    ['kimi-2 compared', 'task-kimi-2-compared'],
    ['snake_case and kebab-case', 'snake-case-and-kebab'],
  ])('%j is %j', (prompt, name) => {
    expect(nameFromPrompt(prompt)).toBe(name);
  });

  it('is deterministic', () => {
    const prompt = '寫一個 Python 計算器，包含測試';
    expect(new Set(Array.from({ length: 20 }, () => nameFromPrompt(prompt)))).toEqual(new Set(['python-計算器']));
  });

  it.each(['', ' \n\t', '😀🎉', FAMILY, '!!! ??? …', '。，、', '---', '../..', '\u0000\u0007', '\uD800'])(
    'of %j is “task”',
    (prompt) => {
      expect(nameFromPrompt(prompt)).toBe('task');
    },
  );

  it.each(['write', 'please', '幫我', '寫一個', 'a'])(
    'of %j alone, which is only a preamble, is no longer than it',
    (prompt) => {
      expect(nameFromPrompt(prompt).length).toBeGreaterThan(0);
      expect(nameFromPrompt(prompt).length).toBeLessThanOrEqual(prompt.length);
    },
  );

  it.each([
    ['many words', 'word '.repeat(10_000), 'word-word-word-word-word'.slice(0, 24)],
    ['one word', 'x'.repeat(4_000), 'x'.repeat(24)],
    ['Chinese without a stop', '字'.repeat(4_000), '字'.repeat(24)],
    ['characters of several code units', '𠮷'.repeat(1_000), '𠮷'.repeat(24)],
  ])('of a very long prompt (%s) is short', (_what, prompt, name) => {
    expect(nameFromPrompt(prompt)).toBe(name);
  });

  it('of a very long prompt without a stop takes no time', () => {
    const start = performance.now();
    expect(nameFromPrompt('字'.repeat(64_000))).toBe('字'.repeat(24));
    expect(performance.now() - start).toBeLessThan(500);
  });

  it.each([
    ['../../etc/passwd', 'etc-passwd'],
    ['C:\\Windows\\system32', 'c'],
    ['/etc/passwd', 'etc-passwd'],
    ['a\u0000b', 'a-b'],
    ['$(rm -rf ~) `id`', 'rm-rf-id'],
    ['<script>alert(1)</script>', 'script-alert-1-script'],
    ['\u202Egnp.exe', 'gnp-exe'],
    ['zero\u200Bwidth', 'zero-width'],
    ['x\uD800y', 'x-y'],
  ])('of %j contains nothing that could be a path or a command: %j', (prompt, name) => {
    expect(nameFromPrompt(prompt)).toBe(name);
  });

  it.each([
    ['emoji', ['😀 smile', `${FAMILY} family`, '👍🏽👍🏿', '🇹🇼 台灣', 'I ❤ you', '1\uFE0F\u20E3 first', '#\u20E3']],
    ['numbers and ligatures', ['①②③', '½ cup', 'Ⅷ', 'ﬁne', 'ﷺ', 'ＡＢＣ', '𝒳𝒴𝒵', 'ǅ', 'ẞ', 'İstanbul']],
    ['marks', ['e\u0301te\u0301', 'a\u0301\u0302\u0303', 'A\u030Angstrom', '\u0301', '. \u0301 .', '\u20E3\u20E3']],
    ['scripts', ['हिन्दी में लिखो', 'ไทยภาษา', '한국어 시', 'ᄒᆞᆫ글', '𠮷野家', 'ひらがな', '\u3164', '\u115F']],
    [
      'writing from right to left',
      ['مرحبا بالعالم', 'שלום עולם', 'می\u200Cخواهم', '\u200Fabc', '\u202Eabc\u202C', '\u2066x'],
    ],
    ['control characters', ['\u0000', '\u0007bell', '\u001B[31mred\u001B[0m', 'a\rb', 'a\u0085b', '\u007F', '\u009Bx']],
    [
      'invisible characters',
      ['\u2028', '\u00A0', '\uFEFFbom', '\u00ADsoft', '\u200B', '\u{E0001}', '\u{E0041}', 'a\u2060b'],
    ],
    ['no characters', ['\uD800', '\uDC00x', 'x\uD83D', '\uD83D\uD83D', '\uFFFD', '\uFFFF', '\u{10FFFF}', '\uE000']],
    ['paths', ['.', '..', '.env', '...hidden', '/', '\\', 'a/b', 'a\\b', '~/x', 'CON', 'aux.txt', 'file:///etc']],
    [
      'options and edges',
      ['-rf', '--help', '_x_', ' lead', 'trail ', 'a-', '-', '_', '"quoted"', '`x`', '$HOME', '%s'],
    ],
    ['length', ['a'.repeat(500), `a${'\u0301'.repeat(500)}`, '字'.repeat(500), 'a-'.repeat(500), '\u200D'.repeat(99)]],
  ])('of %s is a valid user-given name', (_what, prompts) => {
    const names = prompts.map((prompt) => nameFromPrompt(prompt));
    expect(names.filter((name) => !isTaskName(name) || /[\p{C}\p{Z}/\\]/u.test(name))).toEqual([]);
  });

  it.each([`⚠${VS16} hello`, `✍${VS16} 寫一首詩`, `#${VS16}\u20E3 title`, '\u0301abc', '\u093Cक'])(
    'of %j, where a mark comes before the first letter, is a valid user-given name',
    (prompt) => {
      expect(nameFromPrompt(prompt)).toSatisfy(isTaskName);
    },
  );
});

describe('a name given by the user', () => {
  it.each([
    ['one word', ['calculator', 'a', '計算器', 'été', 'e\u0301te\u0301', '𠮷', 'हिन्दी', 'العربية']],
    ['several words', ['python-計算器', 'My report 2', 'v1.2_final-3', 'a..b', 'a - b']],
    ['64 characters', ['x'.repeat(64), '字'.repeat(64), '𠮷'.repeat(64), 'e\u0301'.repeat(64)]],
  ])('may be %s', (_what, names) => {
    expect(names.filter((name) => !isTaskName(name))).toEqual([]);
  });

  it.each([
    ['empty', ['', ' ', '\n', '\u0000']],
    ['a path', ['/', '\\', 'a/b', 'a\\b', '/a', '../a', 'a/..', 'C:\\a', 'a%2Fb\\c']],
    ['led by a dot or another mark', ['.', '..', '.hidden', '-n', '--', '_a', ' a', '\u0301a', '\uFEFFa', '\na']],
    ['ended by a dot or another mark', ['a.', 'a-', 'a_', 'a ', 'a\n', 'a\r\n', 'a\u0000']],
    ['text with control characters', ['a\nb', 'a\u0000b', 'a\u0007b', 'a\u001B[31mb', 'a\u007Fb', 'a\u0085b', 'a\tb']],
    ['text with invisible characters', ['a\u2028b', 'a\u00A0b', 'a\u202Eb', 'a\u200Bb', 'a\u2066b', 'a\u00ADb']],
    ['text with half a character', ['\uD800', 'a\uD83Db', 'a\uDC00']],
    ['text with symbols', ['😀', 'a😀b', 'a:b', 'a*b', 'a?b', 'a"b', "a'b", 'a|b', 'a<b', 'a$b', 'a`b', 'a;b', 'a%b']],
    ['what names another task', ['last', '1', '12345', '2030', 'kimi-1', 'kimi-2.6', 'kimi-1707654321-12345']],
    ['over 64 characters', ['x'.repeat(65), '字'.repeat(65), 'e\u0301'.repeat(65), 'x'.repeat(4_000)]],
  ])('may not be %s', (_what, names) => {
    expect(names.filter((name) => isTaskName(name))).toEqual([]);
  });

  it('is measured in visible characters', () => {
    expect(MAX_NAME_CHARS).toBe(64);
    expect(isTaskName('e\u0301'.repeat(64))).toBe(true);
    expect(isTaskName('é'.repeat(65))).toBe(false);
  });

  it('may not have ten thousand marks on one letter', () => {
    expect(isTaskName(`a${'\u0301'.repeat(10_000)}`)).toBe(false);
  });
});

describe('a task id', () => {
  it('contains the unix seconds and a number', () => {
    const id = newTaskId(new Date(1_707_654_321_999));
    expect(id).toMatch(/^kimi-1707654321-\d{5}$/);
    expect(id).toMatch(TASK_ID);
  });

  it('has the current time by default', () => {
    const before = Math.floor(Date.now() / 1_000);
    const seconds = Number(newTaskId().split('-')[1]);
    expect(seconds).toBeGreaterThanOrEqual(before);
    expect(seconds).toBeLessThanOrEqual(Math.floor(Date.now() / 1_000));
  });

  it('is different each time', () => {
    const now = new Date();
    expect(new Set(Array.from({ length: 100 }, () => newTaskId(now))).size).toBeGreaterThan(90);
  });

  it('derived from a key is the same for the same key and second, and differs from random ones', () => {
    const at = new Date(1_707_654_321_999);
    expect(taskIdOf('a', at)).toMatch(/^kimi-1707654321-[1-9]\d{8}$/);
    expect(taskIdOf('a', at)).toMatch(TASK_ID);
    expect(taskIdOf('a', new Date(1_707_654_321_000))).toBe(taskIdOf('a', at));
    expect(taskIdOf('b', at)).not.toBe(taskIdOf('a', at));
  });
});

it('a name for a megabyte without a space takes no time', () => {
  expect(nameFromPrompt('讀'.repeat(300_000))).toHaveLength(24);
  expect(nameFromPrompt('please '.repeat(100_000))).toBe('please');
});

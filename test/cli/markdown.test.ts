/** Markdown as models write it, in a terminal; its limits; the code in it. */
import { stripVTControlCharacters } from 'node:util';
import { describe, expect, it } from 'vitest';
import { codeBlocks, renderMarkdown } from '../../src/cli/output/markdown.ts';
import { withoutControls } from '../../src/cli/output/terminal.ts';

const ANSWER = `# 計算器

說明 **粗體**、*斜體*、\`code\` 與 [文件](https://example.com/a)。

1. 第一
2. 第二
   - 內層 <https://example.com>

| 名稱 | 值 |
| --- | --- |
| 加 | \`+\` |
| subtract | - |

> 引用
> 第二行

\`\`\`python title="a.py"
def f(a):
    return a  # *不是斜體*
\`\`\`

- [x] 完成
- [ ] 未完成

---

最後一行`;

describe('an answer in a terminal', () => {
  const plain = stripVTControlCharacters(renderMarkdown(ANSWER));

  it('is formatted', () => {
    expect(plain).toBe(
      [
        '計算器',
        '',
        '說明 粗體、斜體、code 與 文件 (https://example.com/a)。',
        '',
        '1. 第一',
        '2. 第二',
        '   • 內層 https://example.com',
        '',
        '名稱      值',
        '加        +',
        'subtract  -',
        '',
        '│ 引用',
        '│ 第二行',
        '',
        '  def f(a):',
        '      return a  # *不是斜體*',
        '',
        '☑ 完成',
        '☐ 未完成',
        '',
        '────────────────────',
        '',
        '最後一行',
      ].join('\n'),
    );
  });

  it.each([
    ['moves the cursor', 'a\u001B[2Jb\u001B[1;1H', 'ab'],
    ['sets a title', 'a\u001B]0;title\u0007b', 'ab'],
    ['rings the bell, or moves the cursor back', 'a\u0007\b\rb', 'ab'],
    ['requests a response of the terminal', 'a\u009B6nb', 'ab'],
    ['hides in code', '`a\u001B[8mb`', 'ab'],
    ['is written as an entity', 'a&#13;&#27;[2J&#12;b', 'a\uFFFD[2Jb'],
  ])('%s: not more', (_, text, shown) => {
    expect(stripVTControlCharacters(renderMarkdown(text))).toBe(shown);
    // Our own colours.
    expect(renderMarkdown(text)).not.toMatch(/\p{Cc}(?!\[\d+m)/u);
  });

  it.each(['', '\n', '```', '```python\nx', '| a |\n| --- |', '<b>x</b>', '****', '![](x)', '[a]: b'])(
    'is accepted in any form: %j',
    (text) => {
      expect(typeof renderMarkdown(text)).toBe('string');
    },
  );

  it('has emphasis next to full-width punctuation, and the lines of a poem', () => {
    const shown = renderMarkdown('這是**「重點」**是\n*「詩」*的一行');
    expect(stripVTControlCharacters(shown)).toBe('這是「重點」是\n「詩」的一行');
    expect(stripVTControlCharacters(renderMarkdown('~~舊~~ [x](javascript:alert(1))'))).toBe(
      '舊 [x](javascript:alert(1))',
    );
  });

  it('has lists that are loose, count from their number, and hold code', () => {
    const text = '3. a\n\n4. b\n   ```\n   c\n   ```\n';
    expect(stripVTControlCharacters(renderMarkdown(text))).toBe('3. a\n\n4. b\n\n     c');
  });

  it('shows an address once, as it was written', () => {
    const text = '見 https://zh.example/台灣。[https://a.example](https://a.example) [甲](https://zh.example/台)';
    expect(stripVTControlCharacters(renderMarkdown(text))).toBe(
      '見 https://zh.example/台灣。https://a.example 甲 (https://zh.example/台)',
    );
  });

  it('keeps HTML as text', () => {
    expect(renderMarkdown('<script>alert(1)</script>')).toBe('<script>alert(1)</script>');
  });
});

describe('an answer whose shape is too expensive to parse', () => {
  const BYTES = 2 * 1024 * 1024;
  const nestedLists = Array.from({ length: 1400 }, (_, depth) => `${' '.repeat(2 * depth)}- x`).join('\n');
  const repeated = ['>', '> ', '1. ', '> - ', '- [ ] a\n', '[', '![', '[a](', '*', '*_', '`', '|', '<', '<!--', 'a@'];
  const shapes = [nestedLists, ...repeated.map((piece) => piece.repeat(BYTES / piece.length))];

  it.each(shapes.map((shape) => [shape.slice(0, 8), shape]))('is shown unformatted: %j', (_, text) => {
    expect(renderMarkdown(text, 1)).toBe(text);
    expect(codeBlocks(text, 1)).toBeUndefined();
  });

  it('is shown unformatted if it nests too deep', () => {
    const text = `${'>'.repeat(20_000)} x`;
    expect(renderMarkdown(text)).toBe(text);
  });

  it.each(['\u001B]', '\u009D', '\u009B', '\u001B[', '\u001BP', '\u001B'])('is cleaned in linear time: %j', (piece) => {
    expect(withoutControls(piece.repeat(BYTES))).not.toMatch(/\p{Cc}/u);
  });
});

describe('the code in an answer', () => {
  it('is found with its language, in lists and quotations too, unchanged', () => {
    const text = '```Python\na\n\n  b\n```\n\n> ```sh\n> c\n> ```\n\n- x\n\n  ```\n  d\n  ```\n\n~~~js\n```\n~~~\n';
    expect(codeBlocks(text)).toEqual([
      { lang: 'python', code: 'a\n\n  b' },
      { lang: 'sh', code: 'c' },
      { lang: '', code: 'd' },
      { lang: 'js', code: '```' },
    ]);
    expect(codeBlocks(ANSWER)).toHaveLength(1);
    expect(codeBlocks('none')).toEqual([]);
  });
});

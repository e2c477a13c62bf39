/** Answers are untrusted: what a model wrote becomes text, structure and links, and nothing else. */
import { parseDocument } from 'htmlparser2';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { rendererOf } from '../../src/report/markdown.ts';
import { reportText } from '../../src/report/text/index.ts';

const render = (markdown: string): string => rendererOf(reportText('en').reader)(markdown).source;

/** What the renderer may write; anything else would be of the text. */
const ALLOWED = new Set(
  'p br strong em s a ul ol li h3 h4 h5 h6 blockquote hr table thead tbody tr th td div pre code span small button'.split(
    ' ',
  ),
);
const ATTRIBUTES = new Set(
  'href title rel target class role aria-label tabindex start type data-copy data-done hidden'.split(' '),
);

type Node = ReturnType<typeof parseDocument>['children'][number];

function elementsIn(nodes: readonly Node[]): { name: string; attribs: Record<string, string> }[] {
  return nodes.flatMap((node) => {
    const inside = 'children' in node ? elementsIn(node.children) : [];
    return 'attribs' in node ? [{ name: node.name, attribs: node.attribs }, ...inside] : inside;
  });
}

/** @returns what the renderer must not write. */
function unsafeIn(markdown: string): string[] {
  return elementsIn(parseDocument(render(markdown)).children).flatMap(({ name, attribs }) => {
    const { href = 'https://' } = attribs;
    return [
      ...(ALLOWED.has(name) ? [] : [name]),
      ...Object.keys(attribs).filter((attribute) => !ATTRIBUTES.has(attribute)),
      ...(/^(?:https?:\/\/|mailto:)/i.test(href) ? [] : [href]),
    ];
  });
}

const levels = (markdown: string): number[] =>
  [...render(markdown).matchAll(/<h(\d)>/g)].map(([, level]) => Number(level));

describe('an answer', () => {
  it.each([
    ['<script>alert(1)</script>', '&lt;script&gt;'],
    ['<img src=x onerror=alert(1)>', '&lt;img'],
    ['a <b onclick=alert(1)>b</b>', '&lt;b onclick'],
    ['<pre><img src=x onerror=alert(1)></pre>', '&lt;img'],
    ['<style>*{display:none}</style>', '&lt;style&gt;'],
    ['[x](javascript:alert(1))', '[x]'],
    ['[x](JaVaScRiPt:alert(1))', '[x]'],
    ['[x](&#106;avascript:alert(1))', '[x]'],
    ['[x](data:text/html,<script>alert(1)</script>)', '[x]'],
    ['[x](vbscript:x)', '[x]'],
    ['[x](file:///etc/passwd)', '[x]'],
    ['[x](//attacker.example/)', '[x]'],
    ['[x](/tasks/kimi-1-1/cancel)', '[x]'],
    ['[x]: javascript:alert(1)\n\n[x]', '[x]'],
    ['<javascript:alert(1)>', '&lt;javascript'],
    ['```"><script>alert(1)</script>\nx\n```', '&quot;&gt;&lt;script'],
    ['| <script>x</script> |\n|:-:|\n| y |', '&lt;script&gt;'],
    ['[x](https://ok.example "\\" onmouseover=alert(1)")', 'https://ok.example'],
  ])('%s becomes text', (markdown, text) => {
    expect(render(markdown)).toContain(text);
    expect(unsafeIn(markdown)).toEqual([]);
  });

  it('loads no image: its server would learn who reads', () => {
    const shown = render(
      '看 ![圖表](https://tracker.example/a.png?who=me "x") 與 [![b](https://b.example/b.svg)](https://c.example)',
    );
    expect(shown).not.toContain('<img');
    expect(shown).toContain('Image (not loaded): 圖表 <small>https://tracker.example/a.png?who=me</small>');
    expect(unsafeIn(shown)).toEqual([]);
  });

  it('is safe however its parts are put together', () => {
    const parts = [
      '<',
      '>',
      '"',
      "'",
      '&',
      '`',
      '```\n',
      '[',
      ']',
      '(',
      ')',
      '!',
      '*',
      '\n',
      '\n\n',
      '|',
      '|-|\n',
      ' ',
      '# ',
      '- ',
      'x',
      '「',
      '。',
      '<script>',
      '<img src=x onerror=y>',
      'javascript:',
      'https://a.example',
      'data:',
      '&#58;',
      '\\',
      '\u0000',
      '\u202E',
      '\uD800',
    ];
    const text = fc.array(fc.constantFrom(...parts), { maxLength: 40 }).map((chosen) => chosen.join(''));
    const hasOnlyAllowed = fc.property(text, (markdown) => unsafeIn(markdown).length === 0);
    expect(fc.check(hasOnlyAllowed, { numRuns: 2_000 })).toMatchObject({ failed: false });
  });

  it('keeps emphasis next to full-width punctuation, and the lines of a poem', () => {
    expect(render('這是**「重點」**的說明。')).toBe('<p>這是<strong>「重點」</strong>的說明。</p>\n');
    expect(render('床前明月光\n疑是地上霜')).toBe('<p>床前明月光<br>\n疑是地上霜</p>\n');
  });

  it('leaves out nothing that nests deep', () => {
    expect(render(`${'> '.repeat(300)}x`)).toContain('<p>x</p>');
  });

  it('has a box for each task of a list', () => {
    expect(render('- [x] 完成\n- [ ] 未完成')).toBe('<ul>\n<li>☑ 完成</li>\n<li>☐ 未完成</li>\n</ul>\n');
  });

  it('links an address where it ends', () => {
    expect(render('見 https://a.example/b。然後')).toContain('>https://a.example/b</a>。然後');
    expect(render('a.example 不是連結')).not.toContain('<a');
    expect(render('https://a.example')).toContain('rel="noopener noreferrer nofollow" target="_blank"');
  });

  it('has its headings below those of the page, without skipping a level', () => {
    expect(levels('# a\n## b\n### c\n# d\n#### e\n## f')).toEqual([3, 4, 5, 3, 4, 4]);
    expect(levels('### a\n# b\n###### c')).toEqual([3, 3, 4]);
  });

  it('has code as it was written, a table that scrolls, and no style attribute, which the policy refuses', () => {
    expect(render('```ts\nif (a < b) {}\n```')).toMatch(/<span>ts<[\s\S]*<code>if \(a &lt; b\) \{\}\n<\/code><\/pre>/);
    const table = render('| a | b |\n|:--|--:|\n| 1 | 2 |');
    expect(table).toContain('<div class="scroll" role="group" aria-label="Table" tabindex="0"><table>');
    expect(table).toContain('<td class="right">2</td>');
    expect(table).toMatch(/<\/table><\/div>$/);
    expect(table).not.toContain('style=');
  });
});

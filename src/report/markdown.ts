/** Markdown, as models write it, as HTML that is safe to show. Loaded only by the thread that renders answers. */
import { markdownParser, type Token } from '../results/markdown.ts';
import { escapeHtml, html, trusted, type Html } from './html.ts';
import type { ReportText } from './text/index.ts';

/** The level of the page's heading above the answer. */
const PAGE_LEVEL = 2;

/** An image is named and not loaded: its server would learn who reads the answer, and when. */
export function rendererOf(words: ReportText['reader']): (markdown: string) => Html {
  const markdown = markdownParser();
  const { rules } = markdown.renderer;

  rules.image = (tokens, index) => {
    const { content = '' } = tokens[index] ?? {};
    const source = tokens[index]?.attrGet('src') ?? '';
    return html`<span class="picture">${words.image(content)} <small>${source}</small></span>`.source;
  };
  rules.link_open = (tokens, index, options, _env, self) => {
    tokens[index]?.attrSet('rel', 'noopener noreferrer nofollow');
    tokens[index]?.attrSet('target', '_blank');
    return self.renderToken(tokens, index, options);
  };
  rules.fence = (tokens, index) => codeOf(tokens[index], words);
  rules.code_block = (tokens, index) => codeOf(tokens[index], words);
  // No template: the formatter would close what it opens.
  rules.table_open = () =>
    '<div class="scroll" role="group" aria-label="' + escapeHtml(words.table) + '" tabindex="0"><table>';
  rules.table_close = () => '</table></div>';
  rules.th_open = (tokens, index) => cellOf('th', tokens[index]);
  rules.td_open = (tokens, index) => cellOf('td', tokens[index]);

  markdown.core.ruler.push('heading levels', ({ tokens }) => fitHeadings(tokens));
  return (text) => trusted(markdown.render(text));
}

/** A block of code, with the language that it says it is in. Its button is shown if the script of the page runs. */
function codeOf(token: Token | undefined, words: ReportText['reader']): string {
  const { content = '', info = '' } = token ?? {};
  const [language = ''] = info.trim().split(/\s/, 1);
  return html`<div class="code">
    <div>
      <span>${language}</span
      ><button type="button" data-copy data-done="${words.copied}" hidden>${words.copyCode}</button>
    </div>
    <pre tabindex="0" role="group" aria-label="${words.code(language)}"><code>${content}</code></pre>
  </div>`.source;
}

/** The policy of the page refuses the style attributes that columns are aligned with. */
function cellOf(tag: 'th' | 'td', token: Token | undefined): string {
  const [, side] = /text-align:(right|center)/.exec(token?.attrGet('style') ?? '') ?? [];
  return side === undefined ? `<${tag}>` : `<${tag} class="${side}">`;
}

/** Puts the headings of a text below that of the page, and lets none of them skip a level. */
function fitHeadings(tokens: Token[]): void {
  const above: number[] = [];
  for (const token of tokens) {
    if (token.type === 'heading_open') {
      const level = Number(token.tag.slice(1));
      while ((above.at(-1) ?? 0) >= level) above.pop();
      above.push(level);
    }
    if (token.type === 'heading_open' || token.type === 'heading_close') {
      token.tag = `h${Math.min(6, PAGE_LEVEL + above.length)}`;
    }
  }
}

/** A piece of HTML that is safe to show: made by {@link html}, or vouched for with {@link trusted}. */
export class Html {
  constructor(readonly source: string) {}

  toString(): string {
    return this.source;
  }
}

/** What may stand in a piece of HTML; `undefined` and `false` leave nothing. */
export type Part = Html | string | number | undefined | false | readonly Part[];

/**
 * HTML in which everything that was put in is text: whoever wants markup says {@link html} again. Attributes are quoted by
 * whoever writes them.
 */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((string, index) => string + render(parts[index])).join(''));
}

/** Takes a text for HTML. For what we or a library made, never for what came from elsewhere. */
export function trusted(source: string): Html {
  return new Html(source);
}

function render(part: Part): string {
  if (part === undefined || part === false) return '';
  if (part instanceof Html) return part.source;
  if (Array.isArray(part)) return part.map(render).join('');
  return escapeHtml(String(part));
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Besides markup, what HTML has no characters for, and half characters, become the sign of a lost one. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll(/\p{Cs}|[^\P{Cc}\t\n\r]/gu, '\uFFFD')
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

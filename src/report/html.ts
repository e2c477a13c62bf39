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

/** Where more is to be found about a task. */
export interface Links {
  /** Address of the Web UI's list of tasks, e.g. `http://127.0.0.1:8233/namespaces/default/workflows`. */
  webUi?: string | undefined;
  /** Folder of the result files; absent where the page goes over the network, and then tells no details either. */
  results?: string | undefined;
}

/** A part of a page that can be gone to. Plain strings: it travels between threads. */
export interface Section {
  id: string;
  heading: string;
  /** HTML. */
  source: string;
}

export function section(id: string, heading: string, body: Html): Section {
  const { source } = html`<section id="${id}" aria-labelledby="${id}-heading">
    <h2 id="${id}-heading">${heading}</h2>
    ${body}
  </section>`;
  return { id, heading, source };
}

export interface Table {
  /** What it is about, for who cannot see it. */
  label: string;
  columns: readonly string[];
  rows: readonly (readonly Part[])[];
  /** Columns of words; the others hold numbers, all but the first. */
  texts?: readonly number[];
  /** Folded up under these words. */
  fold?: string;
}

/** A table, which scrolls for itself where the page is narrower. */
export function table({ label, columns, rows, texts = [0], fold }: Table): Html {
  const kind = (index: number): Html => html`class="${texts.includes(index) ? 'words' : 'number'}"`;
  const body = html`<div class="scroll" role="group" aria-label="${label}" tabindex="0">
    <table>
      <thead>
        <tr>
          ${columns.map((column, index) => html`<th scope="col" ${kind(index)}>${column}</th>`)}
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) =>
            html`<tr>
              ${row.map((cell, index) =>
                index === 0 ? html`<th scope="row">${cell}</th>` : html`<td ${kind(index)}>${cell}</td>`,
              )}
            </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
  return fold === undefined
    ? body
    : html`<details>
        <summary>${fold}</summary>
        ${body}
      </details>`;
}

/** What the colours of a chart mean. */
export function legend(series: readonly { name: string; color: string }[]): Html {
  return html`<ul class="legend">
    ${series.map(({ name, color }) => html`<li><i class="${color}"></i>${name}</li>`)}
  </ul>`;
}

/** A task by its name, which leads to it in the Web UI. Whoever chose the name may have turned its direction. */
export function nameOf({ task_id, task_name }: { task_id: string; task_name: string }, { webUi }: Links): Html {
  const name = html`<bdi>${task_name || task_id}</bdi>`;
  return webUi === undefined
    ? html`<span title="${task_id}">${name}</span>`
    : html`<a href="${webUi}/${encodeURIComponent(task_id)}" title="${task_id}">${name}</a>`;
}

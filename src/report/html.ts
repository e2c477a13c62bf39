/** Safe HTML: made by {@link html}, or marked as safe with {@link trusted}. */
export class Html {
  constructor(readonly source: string) {}

  toString(): string {
    return this.source;
  }
}

/** A value interpolated into {@link html}; `undefined` and `false` render as nothing. */
export type Part = Html | string | number | undefined | false | readonly Part[];

/**
 * Template tag that escapes every interpolated value except nested {@link Html}. The template must quote attribute values.
 */
export function html(strings: TemplateStringsArray, ...parts: Part[]): Html {
  return new Html(strings.map((string, index) => string + render(parts[index])).join(''));
}

/** Marks a string as safe HTML. Only for constants and library output, never for data. */
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

/** Escapes markup; replaces control characters and lone surrogates by U+FFFD. */
export function escapeHtml(text: string): string {
  return text
    .replaceAll(/\p{Cs}|[^\P{Cc}\t\n\r]/gu, '\uFFFD')
    .replaceAll(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** Bases of links to details of a task. */
export interface Links {
  /** Relative address of the pages of tasks (`tasks`); absent if the page is a file, or answers are not shown. */
  tasks?: string | undefined;
  /** Address of the Web UI's list of tasks, e.g. `http://127.0.0.1:8233/namespaces/default/workflows`. */
  webUi?: string | undefined;
  /** Folder of the result files; absent if the page is served over the network, which also hides error messages. */
  results?: string | undefined;
}

/** A section of the page with an anchor. Plain strings, because it is posted between threads. */
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
  /** Accessible name. */
  label: string;
  columns: readonly string[];
  rows: readonly (readonly Part[])[];
  /** Indexes of text columns; the others hold numbers. */
  texts?: readonly number[];
  /** Summary of the collapsed `<details>` around the table. */
  fold?: string;
}

/** A table that scrolls horizontally on a narrow page. */
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

/** Legend of a chart. */
export function legend(series: readonly { name: string; color: string }[]): Html {
  return html`<ul class="legend">
    ${series.map(({ name, color }) => html`<li><i class="${color}"></i>${name}</li>`)}
  </ul>`;
}

/** A task's name, linked to its page, or else to the Web UI. `<bdi>` isolates bidirectional control characters in it. */
export function nameOf({ task_id, task_name }: { task_id: string; task_name: string }, links: Links): Html {
  const name = html`<bdi>${task_name || task_id}</bdi>`;
  const base = links.tasks ?? links.webUi;
  return base === undefined
    ? html`<span title="${task_id}">${name}</span>`
    : html`<a href="${base}/${encodeURIComponent(task_id)}" title="${task_id}">${name}</a>`;
}

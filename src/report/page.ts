import { createHash } from 'node:crypto';
import type { Lang } from '../shared/task.ts';
import { minute } from './format.ts';
import { html, trusted } from './html.ts';
import { LIVE_SCRIPT } from './live-script.ts';
import type { Section } from './html-parts.ts';
import { STYLE } from './style.ts';
import { reportText } from './text/index.ts';

export interface Page {
  lang: Lang;
  /** The time that is told of, and when it was told. Milliseconds since 1970. */
  since: number;
  until: number;
  /** In their order. */
  sections: Section[];
  /** Whether it renews itself: served by the webhook. */
  live: boolean;
}

/** What the page may do, as a browser enforces it: nothing but its own style and script, whatever else got into it. */
export function contentPolicy(live: boolean): string {
  const script = live ? `script-src '${hashOf(LIVE_SCRIPT)}'; connect-src 'self'; ` : '';
  return `default-src 'none'; ${script}style-src '${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'`;
}

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}

/** One page that needs nothing else: no network, no other file, and no script but what makes it live. */
export function pageOf({ lang, since, until, sections, live }: Page): string {
  const say = reportText(lang);
  const made = say.made(new Date(until).toISOString().slice(0, 19).replace('T', ' '));
  // To the letter what the policy was told.
  const style = trusted(`<style>${STYLE}</style>`);
  const script = trusted(`<script>${LIVE_SCRIPT}</script>`);
  return html`<!doctype html>
    <html lang="${say.lang}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${contentPolicy(live)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${say.title}</title>
        ${style}
      </head>
      <body>
        <a class="skip" href="#main">${say.skip}</a>
        <header>
          <h1>${say.title}</h1>
          <p>${say.period(minute(since), minute(until))}</p>
          <p id="state" ${live && html`class="live" data-lost="${say.lost}"`}>${made}</p>
        </header>
        <nav aria-label="${say.contents}">
          <ul>
            ${sections.map(({ id, heading }) => html`<li><a href="#${id}">${heading}</a></li>`)}
          </ul>
        </nav>
        <main id="main" tabindex="-1">${sections.map(({ source }) => trusted(source))}</main>
        ${live && script}
      </body>
    </html> `.source;
}

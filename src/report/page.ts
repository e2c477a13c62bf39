import { createHash } from 'node:crypto';
import type { Lang } from '../shared/task.ts';
import { minute } from './format.ts';
import { html, trusted, type Html, type Section } from './html.ts';
import { reportText } from './text/index.ts';

export interface Page {
  lang: Lang;
  /** The period; `until` is also when the page was made. Milliseconds since 1970. */
  since: number;
  until: number;
  /** In the order of the page. */
  sections: Section[];
  /** Whether it refreshes itself: served by the webhook. */
  live: boolean;
}

/** A self-contained document. */
export interface Document {
  lang: Lang;
  title: string;
  header: Html;
  nav?: Html;
  sections: Section[];
  /** Whether it has the script: served by the webhook. */
  script: boolean;
}

/** The Content-Security-Policy: only the own style and script of the page. */
export function contentPolicy(withScript: boolean): string {
  const script = withScript ? `script-src '${hashOf(SCRIPT)}'; connect-src 'self'; ` : '';
  return `default-src 'none'; ${script}style-src '${hashOf(STYLE)}'; base-uri 'none'; form-action 'none'`;
}

function hashOf(source: string): string {
  return `sha256-${createHash('sha256').update(source).digest('base64')}`;
}

/** The report. */
export function pageOf({ lang, since, until, sections, live }: Page): string {
  const say = reportText(lang);
  return documentOf({
    lang,
    title: say.title,
    header: html`<h1>${say.title}</h1>
      <p>${say.period(minute(since), minute(until))}</p>
      ${stateLine(until, lang, live)}`,
    nav: html`<nav aria-label="${say.contents}">
      <ul>
        ${sections.map(({ id, heading }) => html`<li><a href="#${id}">${heading}</a></li>`)}
      </ul>
    </nav>`,
    sections,
    script: live,
  });
}

/** When the page was made. @param live whether the script refreshes the page */
export function stateLine(at: number, lang: Lang, live: boolean): Html {
  const say = reportText(lang);
  const made = say.made(new Date(at).toISOString().slice(0, 19).replace('T', ' '));
  return html`<p id="state" ${live && html`class="live" data-lost="${say.lost}"`}>${made}</p>`;
}

/** A page that needs no network and no other file. */
export function documentOf({ lang, title, header, nav, sections, script }: Document): string {
  const say = reportText(lang);
  return html`<!doctype html>
    <html lang="${say.lang}">
      <head>
        <meta charset="utf-8" />
        <meta http-equiv="Content-Security-Policy" content="${contentPolicy(script)}" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        ${STYLE_ELEMENT}
      </head>
      <body ${nav === undefined && html`class="task"`}>
        <a class="skip" href="#main">${say.skip}</a>
        <header>${header}</header>
        ${nav}
        <main id="main" tabindex="-1">${sections.map(({ source }) => trusted(source))}</main>
        ${script && SCRIPT_ELEMENT}
      </body>
    </html> `.source;
}

/** Light, dark (by the reader's system) and print. Contrast is at least 3:1 for drawings and 4.5:1 for text. */
const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f6f8fa; --card: #fff; --text: #1f2328; --muted: #59636e; --line: #d1d9e0; --link: #0550ae; --warn: #9a3412;
  --done: #0969da; --failed: #a8201a; --timed-out: #c77700; --cancelled: #7d8590;
  --prompt: #8250df; --completion: #0969da; --cost: #1a7f37; --box: #b6d4fb; --target: #d9480f;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0d1117; --card: #161b22; --text: #e6edf3; --muted: #9da7b1; --line: #30363d; --link: #79b8ff; --warn: #ffa657;
    --done: #58a6ff; --failed: #ff6a5e; --timed-out: #f2c14e; --cancelled: #8b949e;
    --prompt: #bc8cff; --completion: #58a6ff; --cost: #3fb950; --box: #1f3f66; --target: #ff9b50;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--page); color: var(--text);
  font: 16px/1.6 system-ui, -apple-system, "Segoe UI", "PingFang TC", "Microsoft JhengHei", "Noto Sans CJK TC", "Noto Sans TC", sans-serif;
}
header, main, nav { max-width: 1104px; margin: 0 auto; padding: 0 16px; }
.task > header, .task > main { max-width: 776px; }
header { padding-top: 28px; }
h1 { margin: 0; font-size: 28px; line-height: 1.25; }
h2 { margin: 0 0 12px; font-size: 19px; }
h3 { margin: 20px 0 4px; font-size: 15px; }
p { margin: 8px 0; }
section > p:last-child, form > :last-child { margin-bottom: 0; }
a { color: var(--link); }
a:focus-visible, summary:focus-visible, button:focus-visible, textarea:focus-visible, pre:focus-visible, .scroll:focus-visible { outline: 3px solid var(--link); outline-offset: 2px; border-radius: 4px; }
.skip { position: absolute; left: -9999px; }
.skip:focus { left: 16px; top: 8px; background: var(--card); padding: 4px 12px; }
.quiet, header p, small { color: var(--muted); }
.quiet, small { font-size: 13px; }
.warn { color: var(--warn); }
nav ul { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 12px 0 0; padding: 0; list-style: none; font-size: 14px; }
section { margin: 16px 0; padding: 20px; background: var(--card); border: 1px solid var(--line); border-radius: 10px; }
figure { margin: 0; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px sans-serif; font-family: inherit; }
.narrow { display: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(170px, 1fr)); gap: 12px; margin: 0; }
.tile { padding: 12px 14px; border: 1px solid var(--line); border-radius: 8px; }
.tile dt { color: var(--muted); font-size: 13px; }
.tile dd { margin: 0; font-size: 24px; font-weight: 600; line-height: 1.3; overflow-wrap: anywhere; font-variant-numeric: tabular-nums; }
.tile small { display: block; font-weight: 400; line-height: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; margin: 0 0 4px; padding: 0; list-style: none; font-size: 13px; }
.legend i { display: inline-block; width: 12px; height: 12px; margin-right: 6px; border-radius: 2px; vertical-align: -1px; print-color-adjust: exact; }
i.done { background: var(--done); } i.failed { background: var(--failed); } i.timed-out { background: var(--timed-out); }
i.cancelled { background: var(--cancelled); } i.prompt { background: var(--prompt); } i.completion { background: var(--completion); }
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--link); font-size: 14px; width: fit-content; }
.turn { margin: 8px 0 20px; padding-left: 16px; border-left: 2px solid var(--line); } .turn > * + .answer { margin-top: 16px; padding-top: 12px; border-top: 1px solid var(--line); } details:last-child > .turn { margin-bottom: 0; }
.files { margin: 4px 0 0; padding-left: 1.4em; overflow-wrap: anywhere; }
label { font-size: 14px; }
textarea { display: block; width: 100%; max-width: 44em; padding: 8px 12px; border: 1px solid var(--muted); border-radius: 8px; background: var(--page); color: var(--text); font: inherit; resize: vertical; }
.scroll { overflow-x: auto; margin-top: 8px; }
table { width: 100%; border-collapse: collapse; font-size: 14px; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 10px; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
thead th { color: var(--muted); font-weight: 500; font-size: 13px; white-space: nowrap; }
tbody th { font-weight: 500; min-width: 8em; overflow-wrap: anywhere; }
tbody tr:last-child > * { border-bottom: 0; }
td { overflow-wrap: anywhere; min-width: 4.5em; }
.number { text-align: right; white-space: nowrap; }
.words { min-width: 7.5em; }
td small { display: block; }
.actions { display: flex; flex-wrap: wrap; gap: 8px; margin: 16px 0; } h2 + .actions { margin-top: 0; }
button, .button {
  padding: 6px 14px; border: 1px solid var(--line); border-radius: 8px; background: var(--page); color: var(--text);
  font: inherit; font-size: 14px; line-height: 1.5; text-decoration: none; cursor: pointer;
}
button:hover, .button:hover { border-color: var(--link); } button:disabled { opacity: 0.6; cursor: default; }
[hidden] { display: none; }
pre.plain { margin: 0; font: inherit; line-height: 1.8; white-space: pre-wrap; overflow-wrap: anywhere; max-width: 44em; max-height: 24em; overflow-y: auto; }
.answer { max-width: 44em; line-height: 1.8; line-break: strict; text-autospace: normal; overflow-wrap: anywhere; }
.answer > :first-child { margin-top: 0; } .answer > :last-child { margin-bottom: 0; }
.answer p, .answer ul, .answer ol { margin: 0.8em 0; } .answer li > p { margin: 0.3em 0; }
.answer ul, .answer ol { padding-left: 1.6em; }
.answer :is(h3, h4, h5, h6) { margin: 1.6em 0 0.5em; line-height: 1.4; font-size: 17px; } .answer h3 { font-size: 21px; }
.answer blockquote { margin: 1em 0; padding-left: 1em; border-left: 4px solid var(--line); color: var(--muted); }
.answer hr { border: 0; border-top: 1px solid var(--line); margin: 1.6em 0; }
.answer .scroll { margin: 1em 0; } .answer th, .answer td { white-space: normal; overflow-wrap: normal; min-width: 6em; }
.answer .right { text-align: right; } .answer .center { text-align: center; }
code, pre { font: 14px/1.6 ui-monospace, "SF Mono", Menlo, Consolas, "Noto Sans Mono CJK TC", monospace; }
.answer :not(pre) > code { padding: 2px 5px; border-radius: 4px; background: var(--page); }
.code { margin: 1em 0; border: 1px solid var(--line); border-radius: 8px; background: var(--page); line-height: 1.6; }
.code > div { display: flex; justify-content: space-between; align-items: center; min-height: 36px; padding: 4px 6px 4px 14px; border-bottom: 1px solid var(--line); color: var(--muted); font-size: 13px; }
.code button { padding: 1px 10px; font-size: 13px; background: var(--card); }
.code pre { margin: 0; padding: 12px 14px; overflow-x: auto; overflow-wrap: normal; }
.picture { padding: 2px 6px; border: 1px dashed var(--line); border-radius: 4px; }
.live::before { content: ""; display: inline-block; width: 8px; height: 8px; margin-right: 8px; border-radius: 50%; background: var(--cost); }
.live.lost { color: var(--warn); } .live.lost::before { background: var(--warn); }
@media (max-width: 640px) {
  .wide { display: none; } .narrow { display: block; }
  section { padding: 14px 12px; } h1 { font-size: 23px; } .tile dd { font-size: 20px; }
  .tiles { grid-template-columns: repeat(auto-fit, minmax(130px, 1fr)); } .words { min-width: 5em; } tbody th { min-width: 6.5em; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --text: #000; --muted: #444; --line: #bbb; --link: #000; --warn: #000;
    --done: #0969da; --failed: #a8201a; --timed-out: #c77700; --cancelled: #7d8590;
    --prompt: #8250df; --completion: #0969da; --cost: #1a7f37; --box: #b6d4fb; --target: #d9480f;
  }
  body { font-size: 10px; } h1 { font-size: 20px; } h2 { font-size: 14px; } h3 { font-size: 11px; } .tile dd { font-size: 15px; }
  .quiet, small, thead th, .legend, .tile dt { font-size: 9px; } .tile { padding: 6px 8px; } nav, summary, form, .skip, button, .button { display: none; } .plain { max-height: none; } .code pre { white-space: pre-wrap; }
  .wide { display: block; } .narrow { display: none; }
  section { border: 0; padding: 0; } figure, tr, .tile { break-inside: avoid; } h2, h3 { break-after: avoid; }
  table { font-size: 9px; } th, td { padding: 2px 5px; } .scroll { overflow: visible; }
}
`;

/**
 * Runs in the browser. A live page is polled while it is not hidden, and the sections that changed are replaced; open `<details>`,
 * focus and scroll positions are kept. Buttons copy texts and cancel a task; a form continues its conversation. A clipboard exists only on
 * HTTPS and on this machine, so elsewhere the older command copies.
 */
const SCRIPT = `
const shown = new Map([...document.querySelectorAll('main > section')].map((section) => [section.id, section.outerHTML]));
const state = document.getElementById('state');
const focusable = 'a, button, summary, [tabindex]';
function say(words, lost) {
  // Screen readers announce a lost connection, not each refresh.
  if (lost) state.setAttribute('role', 'alert'); else state.removeAttribute('role');
  state.classList.toggle('lost', lost);
  if (state.textContent !== words) state.textContent = words;
}
function replace(old, fresh) {
  const open = [...old.querySelectorAll('details')].map((details) => details.open);
  fresh.querySelectorAll('details').forEach((details, index) => { details.open = open[index] ?? false; });
  const pressed = [...old.querySelectorAll('button')].map((button) => button.disabled);
  fresh.querySelectorAll('button').forEach((button, index) => {
    button.hidden = false;
    button.disabled = pressed[index] ?? false;
  });
  const focused = [...old.querySelectorAll(focusable)].indexOf(document.activeElement);
  const scrolled = [...old.querySelectorAll('.scroll')].map((region) => region.scrollLeft);
  old.replaceWith(fresh);
  fresh.querySelectorAll('.scroll').forEach((region, index) => { region.scrollLeft = scrolled[index] ?? 0; });
  if (focused >= 0) fresh.querySelectorAll(focusable)[focused]?.focus({ preventScroll: true });
}
const here = location.origin + location.pathname;
async function refresh() {
  const answer = await fetch(here, { cache: 'no-store', signal: AbortSignal.timeout(30000) });
  if (!answer.ok) throw new Error(String(answer.status));
  const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
  const sections = [...page.querySelectorAll('main > section')];
  if (sections.map(({ id }) => id).join() !== [...shown.keys()].join()) { location.reload(); return; }
  for (const fresh of sections) {
    const { id, outerHTML } = fresh;
    if (shown.get(id) !== outerHTML) replace(document.getElementById(id), document.adoptNode(fresh));
    shown.set(id, outerHTML);
  }
  say(page.getElementById('state').textContent, false);
}
async function watch() {
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    if (document.hidden) continue;
    await refresh().catch(() => say(state.dataset.lost, true));
  }
}
async function copy(text) {
  if (navigator.clipboard) return await navigator.clipboard.writeText(text);
  const area = document.createElement('textarea');
  area.value = text;
  document.body.append(area);
  area.select();
  document.execCommand('copy');
  area.remove();
}
async function press(button) {
  const { copy: source, done, confirm: question, failed } = button.dataset;
  if (source !== undefined) {
    await copy(source ? document.getElementById(source).value : button.closest('.code').querySelector('pre').textContent);
    const label = button.textContent;
    button.textContent = done;
    setTimeout(() => { button.textContent = label; }, 2000);
  } else if (question !== undefined && confirm(question)) {
    button.disabled = true;
    const answer = await post('/cancel');
    if (answer.task) location.reload(); else { button.disabled = false; alert(failed); }
  }
}
async function post(path, options) {
  const answer = await fetch(here + path, { method: 'POST', ...options }).catch(() => undefined);
  const body = await answer?.json().catch(() => undefined);
  return answer?.ok ? { task: body } : { code: body?.error?.code };
}
// A key for each question: sent again, it starts nothing. A UUID of version 7, which holds the time.
const keyOf = (() => {
  let sent = {};
  return (text) => {
    if (sent.text !== text) {
      const random = [...crypto.getRandomValues(new Uint8Array(10))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      const hex = Date.now().toString(16).padStart(12, '0') + '7' + random.slice(1, 4) + 'a' + random.slice(5);
      sent = { text, key: hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-') };
    }
    return sent.key;
  };
})();
async function send(form) {
  const { failed, problems } = form.dataset;
  const text = form.querySelector('textarea').value;
  const [button, why] = [form.querySelector('button'), form.querySelector('[role=alert]')];
  button.disabled = true;
  why.textContent = '';
  const { task, code } = await post('/continue', { body: text, headers: { 'Idempotency-Key': keyOf(text) } });
  if (task) location.assign(task.task_id);
  else why.textContent = JSON.parse(problems)[code] ?? failed;
  button.disabled = false;
}
document.querySelectorAll('button, form').forEach((element) => { element.hidden = false; });
document.addEventListener('click', ({ target }) => {
  const button = target.closest('button');
  if (button) void press(button);
});
document.addEventListener('submit', (event) => {
  event.preventDefault();
  void send(event.target);
});
if (state?.dataset.lost) void watch();
`;

/** Byte for byte what the hashes in the policy cover. */
const STYLE_ELEMENT = trusted(`<style>${STYLE}</style>`);
const SCRIPT_ELEMENT = trusted(`<script>${SCRIPT}</script>`);

/**
 * Asks for the page again and again, and puts in place what has changed; what is folded open stays so, and so does the
 * keyboard's place. Nothing is asked for while nobody looks. Runs in the browser, as it stands here.
 */
export const LIVE_SCRIPT = `
const shown = new Map([...document.querySelectorAll('main > section')].map((section) => [section.id, section.outerHTML]));
const state = document.getElementById('state');
const places = 'a, summary, [tabindex]';
function say(words, lost) {
  // Read aloud when it is lost, and not every two seconds.
  if (lost) state.setAttribute('role', 'alert'); else state.removeAttribute('role');
  state.classList.toggle('lost', lost);
  if (state.textContent !== words) state.textContent = words;
}
function replace(old, fresh) {
  const open = [...old.querySelectorAll('details')].map((details) => details.open);
  fresh.querySelectorAll('details').forEach((details, index) => { details.open = open[index] ?? false; });
  const place = [...old.querySelectorAll(places)].indexOf(document.activeElement);
  const scrolled = [...old.querySelectorAll('.scroll')].map((region) => region.scrollLeft);
  old.replaceWith(fresh);
  fresh.querySelectorAll('.scroll').forEach((region, index) => { region.scrollLeft = scrolled[index] ?? 0; });
  if (place >= 0) fresh.querySelectorAll(places)[place]?.focus({ preventScroll: true });
}
async function renew() {
  const answer = await fetch(location.origin + location.pathname, { cache: 'no-store', signal: AbortSignal.timeout(30000) });
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
    await renew().catch(() => say(state.dataset.lost, true));
  }
}
void watch();
`;

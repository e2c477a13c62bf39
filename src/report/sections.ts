import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { size } from '../shared/format.ts';
import type { Cost } from '../shared/result.ts';
import type { Lang } from '../shared/task.ts';
import { sentenceFor, textFor, type Text } from '../text/index.ts';
import { savingsOf, type Use } from '../results/usage.ts';
import { boxes, stackedBars } from './charts.ts';
import { OUTCOMES, durationOf, type Entry, type Failure, type Figures, type Latency } from './data.ts';
import { compact, count, elapsed, inSeconds, minute, price, share, spanLabel, spanName } from './format.ts';
import { html, legend, nameOf, section, table, type Html, type Links, type Part, type Section } from './html.ts';
import { reportText, type ReportText } from './text/index.ts';

/** What each section is rendered with. */
interface Context {
  say: ReportText;
  text: Text;
  lang: Lang;
  links: Links;
  n: (value: number) => string;
}

/** Renders the sections that are drawn from results. */
export function sectionsOf(figures: Figures, lang: Lang, links: Links): Section[] {
  const context: Context = {
    say: reportText(lang),
    text: textFor(lang),
    lang,
    links,
    n: (value) => count(value, lang),
  };
  const sections = [overview, latest, overTime, latency, usage, slowest, dearest, failures, polling];
  return sections.map((render) => render(figures, context));
}

/** One figure of the overview, with notes. */
function tile(label: string, value: Part, ...notes: (string | false)[]): Html {
  return html`<div class="tile">
    <dt>${label}</dt>
    <dd>${value}${notes.filter((note) => note !== false).map((note) => html`<small>${note}</small>`)}</dd>
  </div>`;
}

function overview({ tasks, outcomes, byModel, ...figures }: Figures, { say, lang, n }: Context): Section {
  const words = say.overview;
  const { total, damaged } = byModel;
  return section(
    'overview',
    words.heading,
    html`${tasks === 0 && html`<p>${say.none}</p>`}
      <dl class="tiles">
        ${tile(words.tasks, n(tasks), figures.unacknowledged > 0 && words.unacknowledged(n(figures.unacknowledged)))}
        ${tile(
          words.done,
          tasks === 0 ? '–' : share(outcomes.done / tasks, lang),
          figures.truncated > 0 && words.truncated(n(figures.truncated)),
          figures.late > 0 && words.late(n(figures.late)),
        )}
        ${tile(words.tokens, compact(total.tokens.total, lang))}
        ${tile(
          words.cost,
          total.cost.length > 0 ? total.cost.map(price).join(' + ') : total.answered > 0 ? words.noPrice : '–',
          total.cost.length > 0 && total.unpriced > 0 && words.unpriced(n(total.unpriced)),
        )}
      </dl>
      ${damaged > 0 && html`<p class="warn">${say.damaged(n(damaged))}</p>`}
      ${
        figures.simulated > 0 &&
        html`<p class="quiet">${figures.isSimulation ? say.simulation : say.simulated(n(figures.simulated))}</p>`
      }`,
  );
}

const OUTCOME_COLORS = { done: 'done', failed: 'failed', timed_out: 'timed-out', cancelled: 'cancelled' } as const;

function overTime({ overTime, span, tasks }: Figures, { say, text, n, lang }: Context): Section {
  const words = say.overTime;
  const series = OUTCOMES.map((outcome) => ({
    name: text.state[outcome],
    color: OUTCOME_COLORS[outcome],
    values: overTime.map(({ counts }) => counts[outcome]),
  }));
  const rows = overTime.map(({ key, counts }) => {
    const all = OUTCOMES.map((outcome) => counts[outcome]);
    return [spanName(key), ...[...all, all.reduce((a, b) => a + b, 0)].map(n)];
  });
  return section(
    'over-time',
    words.heading,
    tasks === 0
      ? html`<p>${say.none}</p>`
      : html`<figure>
          <figcaption>${legend(series)}</figcaption>
          ${stackedBars(
            overTime.map(({ key }) => spanLabel(key)),
            series,
            (value) => compact(value, lang),
          )}
          ${table({
            fold: say.table,
            label: words.heading,
            columns: [words.columns[span], ...series.map(({ name }) => name), words.total],
            rows,
          })}
        </figure>`,
  );
}

function latency({ latencies, untimed, tasks }: Figures, { say, n, lang }: Context): Section {
  const words = say.latency;
  const under = ({ target }: Latency): string => (target === undefined ? '' : words.under(elapsed(target)));
  const rows = latencies.map((step) => [
    words.steps[step.step],
    n(step.tasks),
    ...(['p50', 'p95', 'p99', 'max'] as const).map((name) => (step.times ? elapsed(step.times[name]) : '')),
    under(step),
    step.met === undefined ? '' : share(step.met, lang),
  ]);
  const drawn = latencies.map(({ step, times, target }) => ({
    label: words.steps[step],
    ...(times && { times: [times.p5, times.p25, times.p50, times.p75, times.p95] as const }),
    ...(target !== undefined && { target }),
  }));
  return section(
    'latency',
    words.heading,
    html`${
      latencies.some((step) => step.tasks > 0)
        ? html`<figure>
            ${boxes(drawn)}
            <figcaption class="quiet">${words.about}</figcaption>
            ${table({ label: words.heading, columns: words.columns, rows })}
          </figure>`
        : tasks === 0 && html`<p>${say.none}</p>`
    }
    ${untimed > 0 && tasks > 0 && html`<p class="quiet">${words.untimed(n(untimed))}</p>`}`,
  );
}

function usage({ byModel, byTime, span, overTime }: Figures, { say, n, lang }: Context): Section {
  const words = say.usage;
  const { total } = byModel;
  const hasFiles = total.files.count > 0;
  const columns = [...words.columns, ...(hasFiles ? [words.files] : [])];
  const row = (key: Part, { tasks, tokens, cost, unpriced, files }: Use): Part[] => [
    key,
    ...[tasks, tokens.prompt, tokens.cached, tokens.completion, tokens.reasoning, tokens.total].map(n),
    html`${cost.map(price).join(' + ')} ${unpriced > 0 && html`<small>${words.unpriced(n(unpriced))}</small>`}`,
    ...(hasFiles ? [files.count > 0 && html`${n(files.count)} <small>${size(files.bytes)}</small>`] : []),
  ];
  const spans = new Map(byTime.groups.map((group) => [group.key, group]));
  const labels = overTime.map(({ key }) => spanLabel(key));
  const values = (of: (use: Use) => number): number[] =>
    overTime.map(({ key }) => {
      const use = spans.get(key);
      return use ? of(use) : 0;
    });
  const tokens = [
    { name: words.prompt, color: 'prompt', values: values((use) => use.tokens.prompt) },
    { name: words.completion, color: 'completion', values: values((use) => use.tokens.completion) },
  ];
  const costIn = (currency: Cost['currency']): Html => {
    const amounts = values(({ cost }) => cost.find((sum) => sum.currency === currency)?.amount ?? 0);
    return html`<figure>
      <h3>${words.costOverTime(currency)}</h3>
      ${stackedBars(labels, [{ name: currency, color: 'cost', values: amounts }], (amount) =>
        price({ amount, currency }).replace(/\.00$/, ''),
      )}
    </figure>`;
  };
  return section(
    'usage',
    words.heading,
    total.tokens.total === 0
      ? html`<p>${say.none}</p>`
      : html`<figure>
            <h3>${words.tokensOverTime}</h3>
            <figcaption>${legend(tokens)}</figcaption>
            ${stackedBars(labels, tokens, (value) => compact(value, lang))}
          </figure>
          ${total.cost.map(({ currency }) => costIn(currency))}
          <h3>${words.byModel}</h3>
          ${table({
            label: words.byModel,
            columns: [words.model, ...columns],
            rows: [
              ...byModel.groups.map(({ key, ...use }) => row(html`<bdi>${key}</bdi>`, use)),
              row(words.total, total).map((cell) => html`<b>${cell}</b>`),
            ],
          })}
          ${notesOf(total, words, n)}
          ${table({
            fold: words.byTime[span],
            label: words.byTime[span],
            columns: [say.overTime.columns[span], ...columns],
            rows: byTime.groups.map(({ key, ...use }) => row(spanName(key), use)),
          })}`,
  );
}

function notesOf(total: Use, words: ReportText['usage'], n: Context['n']): Html {
  const savings = savingsOf(total);
  return html`${savings.length > 0 && html`<p>${words.batches(savings.map(price).join(' + '))}</p>`}
  ${total.fallbacks !== undefined && html`<p>${words.fallbacks(n(total.fallbacks))}</p>`}`;
}

function polling({ byModel: { total, polling_estimate } }: Figures, { say, n, lang }: Context): Section {
  const { tokens, cost, own_cost } = polling_estimate;
  const [polled, own] = [cost, own_cost].map((amount) => price({ amount, currency: 'CNY' })) as [string, string];
  const saved = share(tokens === 0 ? 0 : 1 - total.tokens.total / tokens, lang);
  return section(
    'polling',
    say.polling.heading,
    tokens === 0 ? html`<p>${say.none}</p>` : html`<p>${say.polling.sentence(n(tokens), polled, own, saved)}</p>`,
  );
}

function latest({ latest }: Figures, context: Context): Section {
  return section('latest', context.say.latest, ranked(latest, context.say.latest, context));
}

function slowest({ slowest }: Figures, context: Context): Section {
  return section('slowest', context.say.ranked.slowest, ranked(slowest, context.say.ranked.slowest, context));
}

function dearest({ dearest }: Figures, context: Context): Section {
  const words = context.say.ranked;
  const lists = dearest.map(
    ({ by, entries }) =>
      html`<h3>${words.by[by]}</h3>
        ${ranked(entries, words.by[by], context)}`,
  );
  return section('dearest', words.dearest, dearest.length > 0 ? html`${lists}` : html`<p>${words.none}</p>`);
}

function ranked(entries: Entry[], label: string, { say, text, n, links }: Context): Html {
  const words = say.ranked;
  if (entries.length === 0) return html`<p>${words.none}</p>`;
  const rows = entries.map((entry) => {
    const took = durationOf(entry);
    const { tokens = entry.map?.tokens, map } = entry;
    const cost = entry.cost ? [entry.cost] : (map?.cost ?? []);
    return [
      askedIn(entry, links),
      html`${text.state[entry.status]}${map && html` <small>${n(map.done)}/${n(map.rows)}</small>`}`,
      html`<bdi>${entry.model}</bdi>`,
      took === undefined ? '' : inSeconds(took),
      tokens?.total === undefined ? '' : n(tokens.total),
      cost.map(price).join(' + '),
      minute(entry.completed_at),
      fileOf(entry, links, words.file),
    ];
  });
  const columns = links.results === undefined ? words.columns.slice(0, -1) : words.columns;
  return table({ label, columns, rows: rows.map((row) => row.slice(0, columns.length)), texts: [0, 1, 2] });
}

/** The name, with the beginning of the question below it if it is known. */
function askedIn(entry: Entry, links: Links): Html {
  const { question } = entry;
  return html`${nameOf(entry, links)}${question !== undefined && html`<br /><small><bdi>${question}</bdi></small>`}`;
}

function fileOf({ task_id }: Entry, { results }: Links, words: string): Part {
  return (
    results !== undefined &&
    html`<a href="${pathToFileURL(join(results, `${task_id}.json`)).href}" title="${task_id}">${words}</a>`
  );
}

function failures({ failures }: Figures, context: Context): Section {
  const { say, n, links } = context;
  const words = say.failures;
  return section(
    'failures',
    words.heading,
    failures.length === 0
      ? html`<p>${words.none}</p>`
      : table({
          label: words.heading,
          columns: words.columns,
          rows: failures.map((failure) => [
            reasonOf(failure, context),
            n(failure.tasks),
            html`${askedIn(failure.last, links)} <small>${minute(failure.last.completed_at)}</small>`,
          ]),
          texts: [0, 2],
        }),
  );
}

/** The reason in the language of the page; below it, unless the page is served over the network, the error message if it is in that language. */
function reasonOf({ type, message, last }: Failure, { text, links }: Context): Html {
  const sentence = sentenceFor(type, text);
  const known = sentence ?? (type === 'timed_out' ? text.state.timed_out : undefined);
  const detail = links.results !== undefined && message !== '' && message;
  return html`${known ?? (detail || `${text.state[last.status]}: ${type}`)}${
    known !== undefined && text.quotesMessages && detail && html`<br /><small>${detail}</small>`
  }`;
}

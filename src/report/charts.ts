import { BarChart, BoxplotChart, ScatterChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import { init, use, type EChartsCoreOption } from 'echarts/core';
import { SVGRenderer } from 'echarts/renderers';
import { html, trusted, type Html } from './html.ts';

use([BarChart, BoxplotChart, ScatterChart, GridComponent, SVGRenderer]);

/** CSS variables of the page (page.ts), so that one drawing serves light, dark and print. */
const INK = 'var(--muted)';
const LINE = 'var(--line)';
const CARD = 'var(--card)';

/** Sizes in pixels. Each chart is rendered in both; CSS shows the one for the width of the page. */
const SIZES = { wide: { width: 1040, height: 260 }, narrow: { width: 340, height: 240 } } as const;

/** One layer of a stack. */
export interface Series {
  name: string;
  /** CSS variable of the page, e.g. `done`. */
  color: string;
  values: number[];
}

/**
 * Bars over time, one stack for each span.
 *
 * @param labels of the spans. Trusted strings only: ECharts does not escape them.
 */
export function stackedBars(labels: string[], series: Series[], format: (value: number) => string): Html {
  return draw(({ width }) => ({
    grid: { left: 58, right: 8, top: 12, bottom: 28 },
    xAxis: {
      type: 'category',
      data: labels,
      axisTick: { show: false },
      axisLine: { lineStyle: { color: LINE } },
      axisLabel: { color: INK, hideOverlap: true, interval: Math.ceil(labels.length / (width / 70)) - 1 },
    },
    yAxis: {
      type: 'value',
      minInterval: isWhole(series) ? 1 : undefined,
      splitNumber: 4,
      axisLabel: { color: INK, formatter: format },
      splitLine: { lineStyle: { color: LINE } },
    },
    series: series.map(({ color, values }) => ({
      type: 'bar',
      stack: 'all',
      // '-' draws no bar; 0 would draw a line.
      data: values.map((value) => (value === 0 ? '-' : value)),
      barMaxWidth: 36,
      itemStyle: { color: `var(--${color})`, borderColor: CARD, borderWidth: labels.length > 60 ? 0 : 0.5 },
    })),
  }));
}

function isWhole(series: Series[]): boolean {
  return series.every(({ values }) => values.every(Number.isInteger));
}

/** A row of a box plot. Milliseconds. */
export interface Box {
  label: string;
  /** The 5th, 25th, 50th, 75th and 95th percentile. */
  times?: readonly [number, number, number, number, number];
  target?: number;
}

/** Box plot of durations on a logarithmic axis, with the target as a mark. */
export function boxes(rows: Box[]): Html {
  // A logarithmic axis has no 0.
  const shown = rows.map((row) => ({ ...row, times: row.times?.map((time) => Math.max(1, time)) }));
  const longest = Math.max(10_000, ...shown.flatMap(({ times }) => times ?? []));
  return draw(({ width }) => ({
    grid: { left: width > 500 ? 150 : 104, right: 22, top: 8, bottom: 28 },
    xAxis: {
      type: 'log',
      min: 1,
      max: 10 ** Math.ceil(Math.log10(longest)),
      axisLabel: {
        color: INK,
        // A narrow chart has room for every other label.
        formatter: (ms: number) =>
          width < 500 && Math.log10(ms) % 2 === 1 ? '' : ms < 1_000 ? `${ms} ms` : `${ms / 1_000} s`,
      },
      splitLine: { lineStyle: { color: LINE } },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: shown.map(({ label }) => label),
      axisTick: { show: false },
      axisLine: { lineStyle: { color: LINE } },
      axisLabel: { color: INK, width: width > 500 ? 136 : 92, overflow: 'break' },
    },
    series: [
      {
        type: 'boxplot',
        data: shown.map(({ times }) => times ?? []),
        boxWidth: [10, 18],
        itemStyle: { color: 'var(--box)', borderColor: 'var(--done)', borderWidth: 1.5 },
      },
      {
        type: 'scatter',
        symbol: 'rect',
        symbolSize: [3, 28],
        data: shown.flatMap(({ target }, index) => (target === undefined ? [] : [[target, index]])),
        itemStyle: { color: 'var(--target)' },
      },
    ],
  }));
}

function draw(optionFor: (size: { width: number; height: number }) => EChartsCoreOption): Html {
  return html`${Object.entries(SIZES).map(
    ([name, size]) => html`<div class="${name}">${trusted(svgOf(optionFor(size), size))}</div>`,
  )}`;
}

/** Attributes for ECharts' own script, and inline styles, which the page's policy forbids. */
const NOT_NEEDED = / (?:style|class|pointer-events|ecmeta_\w+|xmlns:xlink|version|baseProfile)="[^"]*"/g;

/** @returns the chart as SVG without ECharts' own attributes and styles. */
export function svgOf(option: EChartsCoreOption, size: { width: number; height: number }): string {
  const chart = init(null, null, { renderer: 'svg', ssr: true, ...size });
  try {
    chart.setOption({ animation: false, textStyle: { fontFamily: 'sans-serif', fontSize: 12 }, ...option });
    return chart
      .renderToSVGString()
      .replace(/<style[^>]*>.*?<\/style>/s, '')
      .replace(/<rect [^>]*fill="none"[^>]*><\/rect>/, '')
      .replaceAll(NOT_NEEDED, '')
      .replace('<svg ', '<svg aria-hidden="true" focusable="false" ');
  } finally {
    chart.dispose();
  }
}

/** `npm run bench -- chart FILE.json FILE.svg`: the figures of `npm run bench -- compare` as an SVG. */
import { readFile, writeFile } from 'node:fs/promises';
import { svgOf } from '../src/report/charts.ts';
import type { Machine } from './machine.ts';
import { inShort, type Compared } from './stats.ts';

/** The JSON that `compare` writes. */
export interface Comparison {
  at: string;
  machine: Machine;
  systems: { name: string; guarantee: string }[];
  figures: Compared[];
}

/** Which figures are drawn. */
const PANELS = [
  /^callback sent → result on disk$/,
  /^CPU a task$/,
  /: whole tasks$/,
  /: accepted$/,
  /^first sent → every result on disk$/,
  /: restart → every result on disk$/,
];

/** Pixels. */
const SIZE = { width: 1040, panel: 190, title: 30, names: 168, gap: 40 };

const [INK, LINE, OURS, OTHERS] = ['#57606a', '#d0d7de', '#2f7d4f', '#9db4c8'];

/** @returns an SVG with one panel per figure and one bar per system */
export function drawComparison({ systems, figures }: Comparison): string {
  const names = systems.map(({ name }) => name);
  const panels = PANELS.flatMap((panel) => figures.find(({ name }) => panel.test(name)) ?? []);
  const rows = Math.ceil(panels.length / 2);
  const width = SIZE.width / 2 - SIZE.names - 2 * SIZE.gap;
  const grid = panels.map((_, i) => ({
    left: (i % 2) * (SIZE.width / 2) + SIZE.names,
    top: Math.floor(i / 2) * SIZE.panel + SIZE.title + 6,
    width,
    height: SIZE.panel - SIZE.title - 34,
  }));
  const svg = svgOf(
    {
      backgroundColor: '#ffffff',
      grid,
      xAxis: panels.map((figure, i) => ({
        gridIndex: i,
        type: 'value',
        splitNumber: 4,
        position: 'bottom',
        axisLabel: { color: INK, hideOverlap: true },
        splitLine: { lineStyle: { color: LINE } },
        name: `${figure.name} (${figure.unit})`,
        nameLocation: 'middle',
        nameGap: -(SIZE.panel - SIZE.title - 34) - 14,
        nameTextStyle: { color: INK, fontWeight: 'bold' },
      })),
      yAxis: panels.map((_, i) => ({
        gridIndex: i,
        type: 'category',
        inverse: true,
        data: names,
        axisTick: { show: false },
        axisLine: { lineStyle: { color: LINE } },
        axisLabel: { color: INK },
      })),
      series: panels.map((figure, i) => ({
        type: 'bar',
        xAxisIndex: i,
        yAxisIndex: i,
        barMaxWidth: 14,
        data: names.map((name, index) => ({
          value: figure.systems[name]?.median ?? '-',
          itemStyle: { color: index === 0 ? OURS : OTHERS },
          label: { show: true, position: 'right', color: INK, formatter: labelOf(figure, name) },
        })),
      })),
    },
    { width: SIZE.width, height: rows * SIZE.panel + 10 },
  );
  return `${svg.replace('<svg ', '<svg font-family="sans-serif" ')}\n`;
}

/** The median, and the 95th percentile if there are several samples. */
function labelOf({ systems }: Compared, name: string): string {
  const { n, median, p95 } = systems[name] ?? { n: 0, median: NaN, p95: NaN };
  return n >= 20 ? `${inShort(median)} (p95 ${inShort(p95)})` : inShort(median);
}

/** Draws a JSON file of an earlier run. */
export async function chart([from, to]: string[]): Promise<void> {
  if (from === undefined || to === undefined) throw new Error('npm run bench -- chart FILE.json FILE.svg');
  await writeFile(to, drawComparison(JSON.parse(await readFile(from, 'utf8')) as Comparison));
}

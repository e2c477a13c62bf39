/** `npm run bench -- chart FILE.json FILE.svg`: the figures of `npm run bench -- peers` as one picture. */
import { readFile, writeFile } from 'node:fs/promises';
import { svgOf } from '../src/report/charts.ts';
import type { Machine } from './machine.ts';
import { inShort, type Compared } from './stats.ts';

/** What the peers' JSON holds. */
export interface Comparison {
  at: string;
  machine: Machine;
  systems: { name: string; promise: string; version?: string | undefined }[];
  figures: Compared[];
}

/** What is drawn: figures whose name begins so, and how. On a scale where each line is ten times the one before, `log`. */
const PANELS = [
  { begins: 'callback sent → result on disk', title: 'callback → result on disk, idle (ms)', scale: 'value' },
  { begins: 'CPU a task', title: 'CPU a task (ms)', scale: 'value' },
  { begins: '300 tasks', title: 'whole tasks a second, 20 in flight', scale: 'value' },
  { begins: '1000 callbacks', title: 'callbacks accepted a second, 100 connections', scale: 'value' },
  { begins: 'first sent → every', title: '1000 callbacks → every result on disk (s)', scale: 'log' },
  { begins: 'kill -9 midway: restart', title: 'kill -9 midway: restart → every result (s)', scale: 'log' },
] as const;

/** Pixels. */
const SIZE = { width: 1040, panel: 190, title: 30, names: 150, gap: 24 };

const [INK, LINE, OURS, OTHERS] = ['#57606a', '#d0d7de', '#2f7d4f', '#9db4c8'];

/** @returns an SVG: a panel a figure, a bar a system (the median, with a line up to the 95th percentile). */
export function drawComparison({ systems, figures }: Comparison): string {
  const names = systems.map(({ name }) => name);
  const panels = PANELS.flatMap((panel) => {
    const figure = figures.find(({ name }) => name.startsWith(panel.begins));
    return figure ? [{ ...panel, figure }] : [];
  });
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
      xAxis: panels.map(({ title, scale }, i) => ({
        gridIndex: i,
        type: scale,
        position: 'bottom',
        axisLabel: { color: INK, hideOverlap: true },
        splitLine: { lineStyle: { color: LINE } },
        name: title,
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
      series: panels.map(({ figure }, i) => ({
        type: 'bar',
        xAxisIndex: i,
        yAxisIndex: i,
        barMaxWidth: 14,
        data: names.map((name, index) => ({
          value: figure.systems[name]?.median ?? '-',
          itemStyle: { color: index === 0 ? OURS : OTHERS },
          label: { show: true, position: 'right', color: INK, formatter: told(figure, name) },
        })),
      })),
    },
    { width: SIZE.width, height: rows * SIZE.panel + 10 },
  );
  return `${svg}\n`;
}

/** The median, and the 95th percentile where it is of many. */
function told({ systems }: Compared, name: string): string {
  const { n, median, p95 } = systems[name] ?? { n: 0, median: NaN, p95: NaN };
  return n >= 20 ? `${inShort(median)} (p95 ${inShort(p95)})` : inShort(median);
}

/** Draws from the JSON that was written before. */
export async function chart([from, to]: string[]): Promise<void> {
  if (from === undefined || to === undefined) throw new Error('npm run bench -- chart FILE.json FILE.svg');
  await writeFile(to, drawComparison(JSON.parse(await readFile(from, 'utf8')) as Comparison));
}

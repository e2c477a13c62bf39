import { LineChart } from 'echarts/charts';
import { use } from 'echarts/core';
import { svgOf } from '../../src/report/charts.ts';
import type { Sample } from './sample.ts';

use([LineChart]);

/** Pixels. */
const SIZE = { width: 1040, panel: 150, columns: 3, gap: 44, top: 28, bottom: 26 };

const [INK, LINE, OURS] = ['#57606a', '#d0d7de', '#2f7d4f'];

/** @returns an SVG of resident memory over time, one panel per process. A line ends where the process ended. */
export function drawMemory(samples: Sample[]): string {
  const [first] = samples;
  if (!first) return '';
  const names = [...new Set(samples.flatMap(({ processes }) => Object.keys(processes)))];
  const minutes = (at: number): number => (at - first.at) / 60_000;
  const width = SIZE.width / SIZE.columns;
  const grid = names.map((_, i) => ({
    left: (i % SIZE.columns) * width + SIZE.gap,
    top: Math.floor(i / SIZE.columns) * SIZE.panel + SIZE.top,
    width: width - SIZE.gap - 14,
    height: SIZE.panel - SIZE.top - SIZE.bottom,
  }));
  const svg = svgOf(
    {
      backgroundColor: '#ffffff',
      grid,
      xAxis: names.map((name, i) => ({
        gridIndex: i,
        type: 'value',
        max: Math.ceil(minutes(samples.at(-1)?.at ?? first.at)),
        axisLabel: { color: INK, hideOverlap: true },
        splitLine: { show: false },
        name: `${name}: MB over minutes`,
        nameLocation: 'middle',
        nameGap: -(SIZE.panel - SIZE.top - SIZE.bottom) - 14,
        nameTextStyle: { color: INK, fontWeight: 'bold' },
      })),
      yAxis: names.map((_, i) => ({
        gridIndex: i,
        type: 'value',
        min: 0,
        splitNumber: 3,
        axisLabel: { color: INK },
        splitLine: { lineStyle: { color: LINE } },
      })),
      series: names.map((name, i) => ({
        type: 'line',
        xAxisIndex: i,
        yAxisIndex: i,
        showSymbol: false,
        connectNulls: false,
        lineStyle: { color: OURS, width: 1.2 },
        data: livesOf(samples, name).map(({ at, memory }) => [minutes(at), memory]),
      })),
    },
    { width: SIZE.width, height: Math.ceil(names.length / SIZE.columns) * SIZE.panel },
  );
  return `${svg.replace('<svg ', '<svg font-family="sans-serif" ')}\n`;
}

/** @returns the memory of a process, in MB; `-` between two lives. */
function livesOf(samples: Sample[], name: string): { at: number; memory: number | '-' }[] {
  return samples.flatMap(({ at, processes }, index) => {
    const [now, before] = [processes[name], samples[index - 1]?.processes[name]];
    const isAnother = before !== undefined && now?.pid !== before.pid;
    const gap = isAnother || now === undefined ? [{ at, memory: '-' as const }] : [];
    return now === undefined ? gap : [...gap, { at, memory: Math.round(now.memory * 10) / 10 }];
  });
}

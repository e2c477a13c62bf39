import { init, use } from 'echarts/core';
import { BarChart, BoxplotChart, ScatterChart } from 'echarts/charts';
import { GridComponent } from 'echarts/components';
import { SVGRenderer } from 'echarts/renderers';
const t0 = performance.now();
use([BarChart, BoxplotChart, ScatterChart, GridComponent, SVGRenderer]);
const c = init(null, null, { renderer: 'svg', ssr: true, width: 1040, height: 260 });
c.setOption({
  animation: false,
  grid: { left: 50, right: 10, top: 10, bottom: 30 },
  textStyle: { fontFamily: 'inherit', color: 'var(--muted)' },
  xAxis: {
    type: 'category',
    data: ['a<b', '"]]>', 'c'],
    axisLabel: { color: 'var(--muted)' },
    axisLine: { lineStyle: { color: 'var(--line)' } },
  },
  yAxis: { type: 'value', splitLine: { lineStyle: { color: 'var(--line)' } } },
  series: [
    { type: 'bar', stack: 'x', data: [1, 2, 3], itemStyle: { color: 'var(--done)' } },
    {
      type: 'bar',
      stack: 'x',
      data: [1, 2, 3],
      itemStyle: { color: 'var(--failed)', borderColor: 'var(--card)', borderWidth: 1 },
    },
  ],
});
const s = c.renderToSVGString();
console.log(s.slice(0, 3500));
console.log(s.length, performance.now() - t0);
const c2 = init(null, null, { renderer: 'svg', ssr: true, width: 1040, height: 260 });
c2.setOption({
  animation: false,
  grid: { left: 50, right: 10, top: 10, bottom: 30 },
  yAxis: { type: 'category', data: ['a', 'b'] },
  xAxis: { type: 'log', min: 1, max: 1e5, splitLine: { show: true } },
  series: [
    {
      type: 'boxplot',
      layout: 'vertical',
      data: [
        [1, 10, 20, 100, 10000],
        [1, 10, 20, 100, 10000],
      ],
    },
    {
      type: 'scatter',
      symbol: 'rect',
      symbolSize: [3, 20],
      data: [
        [100, 0],
        [500, 1],
      ],
    },
  ],
});
const s2 = c2.renderToSVGString();
console.log(s2.length, s2.slice(0, 2500), performance.now() - t0);

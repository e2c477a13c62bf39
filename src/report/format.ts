import type { Cost } from '../shared/result.ts';
import type { Lang } from '../shared/task.ts';

/** @returns a whole number with separators, e.g. `45,000`. */
export function count(value: number, lang: Lang): string {
  return new Intl.NumberFormat(lang, { maximumFractionDigits: 0 }).format(value);
}

/** @returns an abbreviated number, e.g. `45K`, `4.5萬`. */
export function compact(value: number, lang: Lang): string {
  return new Intl.NumberFormat(lang, { notation: 'compact', maximumFractionDigits: 1 }).format(value);
}

/** @returns a share from 0 to 1 as a percentage, e.g. `99.7%`; never rounded up to 100 % or down to 0 %. */
export function share(value: number, lang: Lang): string {
  const tenths = Math.round(value * 1000);
  const rounded = tenths === 1000 && value < 1 ? 999 : tenths === 0 && value > 0 ? 1 : tenths;
  return new Intl.NumberFormat(lang, { style: 'percent', maximumFractionDigits: 1 }).format(rounded / 1000);
}

/** @returns an amount with two decimals, or up to four if it is below 1, e.g. `¥4,956.05`, `¥0.0364`. */
export function price({ amount, currency }: Pick<Cost, 'amount' | 'currency'>): string {
  return new Intl.NumberFormat('en', {
    style: 'currency',
    currency,
    currencyDisplay: 'narrowSymbol',
    minimumFractionDigits: 2,
    maximumFractionDigits: amount > 0 && amount < 1 ? 4 : 2,
  }).format(amount);
}

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
  ['s', 1_000],
] as const;

/** @returns a duration in its largest unit, e.g. `22 ms`, `1.4 s`, `3.5 min`. */
export function elapsed(ms: number): string {
  const [unit, size] = UNITS.find(([, size]) => ms >= size) ?? ['ms', 1];
  const value = ms / size;
  return `${unit === 'ms' || value >= 100 ? Math.round(value) : Number(value.toFixed(1))} ${unit}`;
}

/** @returns a duration with a resolution of one second. */
export function inSeconds(ms: number): string {
  return ms < 1_000 ? '< 1 s' : elapsed(Math.floor(ms / 1_000) * 1_000);
}

/** @returns a time in UTC to the minute, e.g. `2026-11-24 12:30`. */
export function minute(time: number | string): string {
  return new Date(time).toISOString().slice(0, 16).replace('T', ' ');
}

/** @returns a short label of a span: `14:00`, `11-24` or `2026-11`. */
export function spanLabel(key: string): string {
  if (key.length === 13) return `${key.slice(11)}:00`;
  return key.length === 10 ? key.slice(5) : key;
}

/** @returns the full label of a span, e.g. `2026-11-24 14:00`. */
export function spanName(key: string): string {
  return key.length === 13 ? `${key.replace('T', ' ')}:00` : key;
}

/** Parses `/metrics` as Prometheus does. */
import { request } from 'undici';

export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

/** One scrape. */
export class Exposition {
  constructor(readonly samples: readonly Sample[]) {}

  /** @returns the samples of a metric that have these labels, among others. */
  find(name: string, labels: Record<string, string> = {}): readonly Sample[] {
    return this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  }

  /** @returns their sum; `undefined` without samples. */
  sum(name: string, labels: Record<string, string> = {}): number | undefined {
    const found = this.find(name, labels);
    return found.length === 0 ? undefined : found.reduce((sum, { value }) => sum + value, 0);
  }
}

/** Scrapes a port of this machine. */
export async function scrape(port: number): Promise<Exposition> {
  const { statusCode, headers, body } = await request(`http://127.0.0.1:${port}/metrics`);
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`/metrics answered ${statusCode}`);
  if (!String(headers['content-type']).startsWith('text/plain; version=0.0.4')) {
    throw new Error(`/metrics is ${String(headers['content-type'])}`);
  }
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Exposition(lines.map(readSample));
}

function readSample(line: string): Sample {
  const { name, labels, value } = /^(?<name>[\w:]+)(?:\{(?<labels>.*)\})? (?<value>\S+)$/.exec(line)?.groups ?? {};
  if (name === undefined || value === undefined) throw new Error(`no sample: ${line}`);
  const pairs = [...(labels ?? '').matchAll(/(?<key>\w+)="(?<text>(?:[^"\\]|\\.)*)",?/g)];
  return {
    name,
    labels: Object.fromEntries(pairs.map(({ groups }) => [groups?.['key'], groups?.['text']])),
    value: value === '+Inf' ? Infinity : Number(value),
  };
}

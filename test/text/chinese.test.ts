/** No Chinese text contains an English clause, in any message of a command or service. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { zhTW as cli } from '../../src/cli/text/zh-TW/index.ts';
import { describeProblem, type ConfigProblem } from '../../src/config/problems.ts';
import { documentedVariables } from '../../src/config/reference/index.ts';
import { readRefusal, readStated } from '../../src/kimi/refusal.ts';
import { parametersFor, resolveModel } from '../../src/kimi/models.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import { zhTW as report } from '../../src/report/text/zh-TW.ts';
import { PACKAGE_ROOT } from '../../src/service/files.ts';
import { describeService, type ServiceProblem } from '../../src/service/problems.ts';
import type { ErrorDetail } from '../../src/shared/error-detail.ts';
import { sayDetail } from '../../src/text/error-details.ts';
import { sayCode } from '../../src/text/system-errors.ts';
import { sayCredentials } from '../../src/temporal/engine-unreachable.ts';
import { explain, textFor } from '../../src/text/index.ts';
import { zhTW as text } from '../../src/text/zh-TW.ts';

/** Names, commands and settings that are not translated. */
const NAMES = [
  /`[^`]*`/g,
  // A provider's own words are quoted.
  /「[^」]*」/g,
  /https?:\S+|s3:\S+/g,
  /(?:sudo|loginctl|systemctl|journalctl|launchctl|kimi-dispatch|openclaw|temporal|npm|python3|openssl|chmod|jq)(?: +[-\w.=<>/:]+)+/g,
  /\$\([^)]*\)/g,
  // Options, variables, paths and files.
  /--?[a-z][\w-]*|\b[A-Z][A-Z\d]*(?:_[A-Z\d]+)+(?:=\S+)?|[~./]*[\w-]*[/.][\w./-]+/g,
];

const CLAUSE = /\b[A-Za-z][a-z’']*(?: [a-z][a-z’']*){2,}\b/;

function clauseIn(sentence: string): string | undefined {
  const rest = NAMES.reduce((left, name) => left.replaceAll(name, '◦'), sentence);
  return CLAUSE.exec(rest)?.[0];
}

/** A substitute for every parameter of a text: a number, a text, a list, a function and an object of these. */
const ANY: unknown = new Proxy(() => ANY, {
  get: (_target, name) => {
    if (name === Symbol.toPrimitive) return () => '◦';
    if (name === 'join') return () => '◦';
    if (name === 'map' || name === 'flatMap') return () => ['◦'];
    if (name === 'toString') return () => '◦';
    if (name === Symbol.iterator) return () => ['◦'].values();
    return ANY;
  },
});

/** @returns every sentence of a table of texts, with its path */
function sentencesOf(table: unknown, path: string): [path: string, sentence: string][] {
  if (table === ANY) return [];
  if (typeof table === 'string') return [[path, table]];
  if (typeof table === 'function') {
    const write = table as (...parameters: unknown[]) => unknown;
    const written = [
      [ANY, ANY, ANY, ANY],
      ['◦', '◦', '◦', '◦'],
      [2, 2, 2, 2],
      [{}, {}, {}, {}],
      [['◦'], ['◦'], ['◦']],
    ].flatMap((all) => {
      try {
        return sentencesOf(write(...all), path);
      } catch {
        return [];
      }
    });
    return written;
  }
  if (typeof table !== 'object' || table === null) return [];
  return Object.entries(table).flatMap(([name, value]) => sentencesOf(value, `${path}.${name}`));
}

function clausesIn(sentences: [path: string, sentence: string][]): string[] {
  return sentences.flatMap(([path, sentence]) => {
    const clause = clauseIn(sentence);
    return clause === undefined ? [] : [`${path}: “${clause}” in ${sentence}`];
  });
}

describe('the test itself', () => {
  it.each([
    '模型不接受這個要求 (kimi-k2.6 accepts only temperature 1; leave --temperature out)',
    '無法使用位於 127.0.0.1:7233 的伺服器：it refuses our key or certificate; look at TEMPORAL_API_KEY',
    'worker: cannot write to the results folder: EACCES',
  ])('finds %j', (sentence) => {
    expect(clauseIn(sentence)).toBeDefined();
  });

  it('ignores commands, variables, paths and quoted text of a provider', () => {
    const sentence =
      '請在 ~/a b/.env 設定 KIMI_API_KEY=sk-…，再執行 kimi-dispatch up --detach；Kimi 回應 400：「the model is too busy now」';
    expect(clauseIn(sentence)).toBeUndefined();
  });
});

it.each([
  ['the command line', cli, 250],
  ['a task', text, 120],
  ['a report', report, 50],
] as const)('texts of %s', (name, table, most) => {
  const sentences = sentencesOf(table, name);
  expect(new Set(sentences.map(([path]) => path)).size).toBeGreaterThan(most);
  expect(clausesIn(sentences)).toEqual([]);
});

/** Sentences with a cause in parentheses. */
const withCause = (why: string): string[] => [
  cli.notUsable('x', why),
  cli.codeNotWritten('x', why),
  cli.report.notWritable('x', why),
  cli.report.notReadable('x', why),
  cli.notPrinted.started(why),
  cli.notPrinted.lost(why),
  cli.setup.unreadable('x', why),
  cli.doctor.resultsBad('x', why),
  cli.doctor.authoritiesBad('x', why),
  cli.usage.unreadable('x', why),
];

it('codes are words, and the words of a program are quoted', () => {
  for (const sentence of withCause('EACCES')) expect(sentence).toContain('（沒有權限）');
  for (const sentence of withCause('no such thing')) expect(sentence).toContain('（「no such thing」）');
  for (const sentence of [cli.unexpected('a bad day'), cli.usage.other('a bad day')]) {
    expect(sentence).toContain('「a bad day」');
  }
});

it('the documentation of variables', () => {
  const groups = documentedVariables('zh-TW').flatMap(({ variables }) => variables);
  expect(clausesIn(groups.map(({ name, description, default: value }) => [name, `${description} ${value}`]))).toEqual(
    [],
  );
});

/** @returns the members of an interface in a source file: every code that can occur. */
function codesIn(file: string, start: string): string[] {
  const source = readFileSync(join(PACKAGE_ROOT, 'src', file), 'utf8');
  const [body = ''] = source.slice(source.indexOf(start) + start.length).split('\n}\n');
  return [...body.matchAll(/^ {2}(\w+): /gm)].map(([, code]) => code ?? '');
}

/** Parameters that need a specific shape. */
const PARAMS: Record<string, object> = {
  no_webhook_secret: { program: 'relay' },
  ports: { ports: [{ host: '127.0.0.1', port: 9001, variable: 'WEBHOOK_PORT', code: 'EADDRINUSE' }] },
};

it('every problem of the configuration, a service and the engine’s connection', () => {
  const config = codesIn('config/problems.ts', 'interface Problems {').map((code): [string, string] => [
    code,
    describeProblem({ subject: 'KIMI_HOME', code, params: ANY } as ConfigProblem, 'zh-TW'),
  ]);
  expect(config.length).toBeGreaterThan(25);
  const service = codesIn('service/problems.ts', 'interface Problems {').map((code): [string, string] => [
    code,
    describeService({ code, params: PARAMS[code] ?? ANY } as ServiceProblem, 'zh-TW'),
  ]);
  expect(service.length).toBeGreaterThan(25);
  const engine = (['key_refused', 'no_tls', 'certificate_refused', 'certificate_untrusted'] as const).map(
    (code): [string, string] => [code, sayCredentials({ code, tls: 'CERT_UNTRUSTED' }, 'zh-TW')],
  );
  const all = [...config, ...service, ...engine];
  const foreign = all.filter(([, sentence]) => !/\p{sc=Han}/u.test(sentence)).map(([code]) => code);
  // They contain the sentence of a service, and the last line of another program.
  expect(foreign).toEqual(['child_failed', 'cli_download']);
  expect(clausesIn(all)).toEqual([]);
});

describe('an error of a task', () => {
  const zh = textFor('zh-TW');

  it('is described by its code', () => {
    const details = codesIn('shared/error-detail.ts', 'interface Details {').map((code): [string, string] => {
      const sentence = sayDetail(
        {
          ...(ANY as object),
          code,
          cause: 'ECONNREFUSED',
          efforts: ['low'],
          names: ['a.pdf'],
          tools: ['search'],
          why: 'private',
        } as ErrorDetail,
        'zh-TW',
      );
      return [code, sentence ?? 'no Chinese words for this'];
    });
    expect(details.length).toBeGreaterThan(14);
    expect(clausesIn(details)).toEqual([]);
    expect(
      clausesIn(
        Object.keys(text.reasons).map((type) => [type, explain({ type, message: 'a message in English' }, zh)]),
      ),
    ).toEqual([]);
  });

  /** Every refusal of the table of models. */
  const wanted = [
    ['kimi-k2.6', { temperature: 0.3 }],
    ['kimi-k2.6', { thinking: 'low' }],
    ['kimi-k2.7-code', { thinking: 'off' }],
    ['kimi-k2.7-code', { thinking: 'low' }],
    ['kimi-k3', { thinking: 'off' }],
    ['kimi-k3', { thinking: 'medium' }],
    ['kimi-k2.6', { max_tokens: 9_999_999 }],
    ['moonshot-v1-8k', { images: ['data:,'] }],
  ] as const;

  it.each(wanted)('%s %j is refused in Chinese', (model, request) => {
    const error = failureOf(() =>
      parametersFor(model, { ...request, ...('images' in request && { images: [...request.images] }) } as object),
    );
    expect(error.type).toBe('bad_parameter');
    const sentence = explain(error.taskError, zh);
    expect(sentence).toContain(model);
    expect(clausesIn([[model, sentence]])).toEqual([]);
  });

  it('names a retired model and its successor', () => {
    const error = failureOf(() => resolveModel('moonshot-v1-8k', 'https://api.moonshot.ai/v1'));
    const sentence = explain(error.taskError, zh);
    expect(sentence).toContain('moonshot-v1-8k');
    expect(sentence).toContain('kimi-k2.6');
    expect(clausesIn([['retired', sentence]])).toEqual([]);
  });

  it('quotes a provider’s message, and has nothing else in English', () => {
    const words = 'The engine is currently overloaded, please try again later';
    for (const error of [
      readRefusal(400, {}, { error: { type: 'some_error', message: words } }),
      readRefusal(404, {}, words),
      readStated({ type: 'some_error', message: words }, false),
    ]) {
      const sentence = explain(error.taskError, zh);
      expect(sentence).toContain(`「${words}」`);
      expect(clausesIn([[error.type, sentence]])).toEqual([]);
    }
  });
});

function failureOf(work: () => unknown): KimiError {
  try {
    work();
  } catch (error) {
    if (error instanceof KimiError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

it.each([
  'ENOSPC',
  'EACCES',
  'EPERM',
  'ENOENT',
  'EISDIR',
  'ENOTDIR',
  'EROFS',
  'EDQUOT',
  'EIO',
  'EADDRINUSE',
  'ECONNREFUSED',
  'ETIMEDOUT',
])('the system error %s is described in both languages', (code) => {
  expect(sayCode(code, 'zh-TW')).not.toContain(code);
  expect(sayCode(code, 'zh-TW')).toMatch(/\p{sc=Han}/u);
  expect(sayCode(code, 'en')).not.toContain(code);
});

it('the rows of a map, by what became of them', () => {
  const counts = { rows: 40, done: 21, failed: 1, timed_out: 0, cancelled: 18 };
  expect(text.rows(counts)).toBe('共 40 筆：完成 21、失敗 1、取消 18');
  expect(text.rows({ ...counts, done: 40, failed: 0, cancelled: 0 })).toBe('共 40 筆：完成 40');
});

it('a cancellation, whoever reports it', () => {
  const error = { type: 'cancelled', message: 'the task was cancelled, and the connection to Kimi was closed' };
  expect(explain(error, text)).toBe('任務已被取消');
  expect(explain(error, textFor('en'))).toBe(error.message);
  const map = { type: 'rows_failed', message: 'some rows have no answer' };
  expect(explain(map, textFor('en'))).toBe(textFor('en').reasons.rows_failed);
});

it('the words of a choice', () => {
  expect(cli.usage.choices('last, all, skip')).toBe('必須是 last、all、skip 其中之一');
});

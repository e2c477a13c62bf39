/** The model table: names, parameters, prices. Costs are computed by hand from Moonshot's prices. */
import { describe, expect, it } from 'vitest';
import { noopMetricMeter, type MetricMeter } from '@temporalio/common';
import { MockActivityEnvironment } from '@temporalio/testing';
import { createActivities, type Activities } from '../../src/activities/index.ts';
import type { TaskResult, Tokens } from '../../src/shared/result.ts';
import type { TaskFile, TaskRequest } from '../../src/shared/task.ts';
import { KimiError } from '../../src/kimi/errors.ts';
import {
  MODELS,
  RETIRED,
  costOf,
  currencyOf,
  modelOf,
  parametersFor,
  resolveModel,
  supportsPartialMode,
} from '../../src/kimi/models.ts';
import { mostTokens, requestFor } from '../../src/kimi/request.ts';
import { ResultStore } from '../../src/results/store.ts';
import { temporaryFolder } from '../support/resources.ts';

/** Runs the activity as a worker does, with heartbeats. */
async function persist(activities: Activities, result: TaskResult): Promise<void> {
  await new MockActivityEnvironment().run(async () => await activities.persist(result));
}

const CN = 'https://api.moonshot.cn/v1';
const AI = 'https://api.moonshot.ai/v1';
const OTHER = 'https://kimi.example.com/v1';

function refusalOf(work: () => unknown): Pick<KimiError, 'kind' | 'type' | 'message'> {
  try {
    work();
  } catch (error) {
    if (error instanceof KimiError) return { kind: error.kind, type: error.type, message: error.message };
    throw error;
  }
  throw new Error('nothing was refused');
}

function fileOf(name: string, kind: TaskFile['kind']): TaskFile {
  return { name, kind, bytes: 9, stored_bytes: 9, sha256: name, claim: `local/2026-11-30/${name}` };
}

/** @returns a question with a picture, as it is sent. */
function asked(url: string, text: string): object {
  return {
    role: 'user',
    content: [
      { type: 'image_url', image_url: { url } },
      { type: 'text', text },
    ],
  };
}

describe('the table', () => {
  it.each(MODELS.map((model) => [model.id, model] as const))('of %s is complete', (_id, { context, prices }) => {
    expect([262_144, 1_048_576]).toContain(context);
    expect(Object.keys(prices)).toContain('USD');
    for (const { hit, miss, output, date } of Object.values(prices)) {
      expect(hit).toBeLessThan(miss);
      expect(miss).toBeLessThan(output);
      expect(date).toMatch(/^2026-\d\d-\d\d$/);
    }
  });

  it('names the default by price: no other model is cheaper, in any currency, for any kind of token', () => {
    const cheapest = modelOf(resolveModel(undefined, CN));
    for (const { prices } of MODELS) {
      for (const currency of ['CNY', 'USD'] as const) {
        const [mine, other] = [cheapest?.prices[currency], prices[currency]];
        if (!mine) throw new Error('the default has no price');
        if (!other) continue;
        expect(mine.hit).toBeLessThanOrEqual(other.hit);
        expect(mine.miss).toBeLessThanOrEqual(other.miss);
        expect(mine.output).toBeLessThanOrEqual(other.output);
      }
    }
  });

  it('names an existing successor', () => {
    expect(modelOf(RETIRED.successor)).toBeDefined();
    for (const id of RETIRED.models) expect(modelOf(id)).toBeUndefined();
  });
});

describe('the model of a task', () => {
  it.each([
    ['at api.moonshot.cn', CN, 'kimi-k2.6'],
    ['at api.moonshot.ai', AI, 'kimi-k2.6'],
    ['elsewhere', OTHER, 'moonshot-v1-128k'],
    ['at a host with a similar name', 'https://api.moonshot.cn.example.com/v1', 'moonshot-v1-128k'],
    ['where only the worker knows the host', undefined, 'kimi-k2.6'],
  ])('without a choice, %s', (_where, apiUrl, model) => {
    expect(resolveModel(undefined, apiUrl)).toBe(model);
  });

  it('without a choice, in a simulation, is the default at Moonshot, whatever the address', () => {
    for (const apiUrl of [CN, OTHER, 'http://127.0.0.1:7', undefined]) {
      expect(resolveModel(undefined, apiUrl, true)).toBe('kimi-k2.6');
    }
    expect(resolveModel('moonshot-v1-128k', OTHER, true)).toBe('moonshot-v1-128k');
  });

  it.each([...RETIRED.models, 'moonshot-v1-auto', 'moonshot-v1-8k-vision-preview'])(
    '%s is refused at Moonshot, naming its successor, and accepted elsewhere',
    (model) => {
      for (const apiUrl of [CN, AI, 'https://API.MOONSHOT.CN./v1']) {
        expect(refusalOf(() => resolveModel(model, apiUrl))).toEqual({
          kind: 'refused',
          type: 'retired_model',
          message: `${model} was retired at Moonshot on 2026-08-31; use kimi-k2.6`,
        });
      }
      expect(resolveModel(model, OTHER)).toBe(model);
      expect(resolveModel(model, undefined)).toBe(model);
    },
  );

  it.each(['kimi-k3', 'a-model-of-tomorrow', 'moonshot-v2'])('%s is accepted everywhere', (model) => {
    for (const apiUrl of [CN, AI, OTHER]) expect(resolveModel(model, apiUrl)).toBe(model);
  });
});

const F = { name: 'f', description: 'F', parameters: { type: 'object' }, strict: true };
const TOOL = { type: 'function', function: F };

describe('the request to a model', () => {
  it.each([
    // Only model, messages, temperature and max_tokens.
    ['moonshot-v1-8k', {}, { temperature: 0.3, max_tokens: 8000 }],
    ['moonshot-v1-128k', { temperature: 0.7 }, { temperature: 0.7, max_tokens: 8000 }],
    ['moonshot-v1-128k', { max_tokens: 100 }, { temperature: 0.3, max_tokens: 100 }],
    ['kimi-k2.5', {}, {}],
    ...MODELS.map(({ id }) => [id, {}, {}] as const),
    // Temperature: the only allowed value.
    ...MODELS.map(({ id }) => [id, { temperature: 1 }, { temperature: 1 }] as const),
    ['kimi-k2.6', { temperature: 0.6, thinking: 'off' }, { temperature: 0.6, thinking: { type: 'disabled' } }],
    // Thinking.
    ['kimi-k2.6', { thinking: 'on' }, { thinking: { type: 'enabled' } }],
    ['kimi-k2.6', { thinking: 'off' }, { thinking: { type: 'disabled' } }],
    ['kimi-k2.7-code', { thinking: 'on' }, {}],
    ['kimi-k2.7-code-highspeed', { thinking: 'on' }, {}],
    ['kimi-k3', { thinking: 'on' }, {}],
    ['kimi-k3', { thinking: 'low' }, { reasoning_effort: 'low' }],
    ['kimi-k3', { thinking: 'max' }, { reasoning_effort: 'max' }],
    ['kimi-k3.1-pro', { thinking: 'high' }, { reasoning_effort: 'high' }],
    // Length.
    ['kimi-k2.6', { max_tokens: 262_144 }, { max_completion_tokens: 262_144 }],
    ['kimi-k3', { max_tokens: 1_048_576 }, { max_completion_tokens: 1_048_576 }],
    // Functions, and which of them it has to ask for.
    ['kimi-k3', { functions: [F], function_choice: 'required' }, { tools: [TOOL], tool_choice: 'required' }],
    ['kimi-k2.7-code', { functions: [F], function_choice: 'none' }, { tools: [TOOL], tool_choice: 'none' }],
    [
      'kimi-k2.6',
      { functions: [F], function_choice: { name: 'f' }, thinking: 'off' },
      {
        tools: [TOOL],
        tool_choice: { type: 'function', function: { name: 'f' } },
        thinking: { type: 'disabled' },
      },
    ],
    // Unknown models: the user's values, under the most common names.
    ['a-model-of-tomorrow', { temperature: 0.2, max_tokens: 9 }, { temperature: 0.2, max_tokens: 9 }],
    ['a-model-of-tomorrow', { thinking: 'medium' }, { reasoning_effort: 'medium' }],
    ['a-model-of-tomorrow', { thinking: 'off' }, { thinking: { type: 'disabled' } }],
  ] as [string, TaskRequest, object][])('%s, asked for %j: %j', (model, wanted, parameters) => {
    expect(parametersFor(model, wanted)).toStrictEqual(parameters);
  });

  it.each([
    ['kimi-k3', { temperature: 0.3 }, 'kimi-k3 accepts only temperature 1; leave --temperature out'],
    ['kimi-k3.1-pro', { temperature: 0 }, 'kimi-k3.1-pro accepts only temperature 1; leave --temperature out'],
    ['kimi-k2.7-code', { temperature: 0.6 }, 'kimi-k2.7-code accepts only temperature 1; leave --temperature out'],
    ['kimi-k2.6', { temperature: 0.6 }, 'kimi-k2.6 accepts only temperature 1; leave --temperature out'],
    [
      'kimi-k2.6',
      { temperature: 1, thinking: 'off' },
      'kimi-k2.6 accepts only temperature 0.6; leave --temperature out',
    ],
    ['kimi-k2.6', { thinking: 'low' }, 'kimi-k2.6 has no thinking effort; use --thinking on or off'],
    ['kimi-k2.7-code', { thinking: 'off' }, 'kimi-k2.7-code always thinks; leave --thinking out'],
    ['kimi-k2.7-code', { thinking: 'max' }, 'kimi-k2.7-code has no thinking effort; leave --thinking out'],
    ['kimi-k3', { thinking: 'off' }, 'kimi-k3 always thinks; use --thinking low'],
    ['kimi-k3', { thinking: 'medium' }, 'kimi-k3 has no thinking effort medium; use low, high, max'],
    ['kimi-k2.6', { max_tokens: 262_145 }, 'kimi-k2.6 has room for 262144 tokens; lower --max-tokens'],
    ['kimi-k3', { max_tokens: 1_048_577 }, 'kimi-k3 has room for 1048576 tokens; lower --max-tokens'],
    [
      'kimi-k3',
      { functions: [F], function_choice: { name: 'f' } },
      'kimi-k3 cannot be made to call a function (f) while it thinks; let it choose',
    ],
    [
      'kimi-k2.6',
      { functions: [F], function_choice: 'required' },
      'kimi-k2.6 cannot be made to call a function (required) while it thinks; let it choose, or answer without thinking',
    ],
    [
      'moonshot-v1-128k',
      { images: ['data:image/png;base64,AA=='] },
      'moonshot-v1-128k accepts no images; use a model that does, e.g. kimi-k2.6',
    ],
  ] as [string, TaskRequest, string][])(
    '%s, asked for %j, is refused before it is sent: %s',
    (model, wanted, message) => {
      expect(refusalOf(() => parametersFor(model, wanted))).toEqual({
        kind: 'refused',
        type: 'bad_parameter',
        message,
      });
    },
  );

  it.each([
    ['kimi-k2.6', undefined, { reasoning_content: 'hm' }],
    ['kimi-k2.6', 'off', {}],
    ['another', undefined, {}],
  ])('of %s with thinking %s has the calls of functions with %o, and what they returned', (model, thinking, more) => {
    const functions = { functions: [F], function_results: [{ call_id: 'f:0', output: '20' }] };
    const calls = [{ id: 'f:0', name: 'f', arguments: '{}' }];
    const { messages } = requestFor(
      {
        model,
        prompt: '',
        conversation: [{ prompt: 'x', output: '', reasoning: 'hm', function_calls: calls }],
        request: { ...functions, ...(thinking !== undefined && { thinking }) },
      },
      AI,
    );
    const tool_calls = [{ id: 'f:0', type: 'function', function: { name: 'f', arguments: '{}' } }];
    expect(messages).toStrictEqual([
      { role: 'user', content: 'x' },
      { role: 'assistant', content: '', ...more, tool_calls },
      { role: 'tool', tool_call_id: 'f:0', content: '20' },
    ]);
  });

  it('is the same request for the command line and for the worker', () => {
    const task = { model: 'kimi-k3', prompt: '寫', request: { system: '簡答', thinking: 'low' } };
    expect(requestFor(task, AI)).toStrictEqual({
      model: 'kimi-k3',
      messages: [
        { role: 'system', content: '簡答' },
        { role: 'user', content: '寫' },
      ],
      reasoning_effort: 'low',
    });
    expect(requestFor(task, undefined)).toStrictEqual(requestFor(task, AI));
  });

  it('has its texts as system messages at Moonshot, and in the prompt elsewhere; its pictures beside the prompt', () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex');
    const files = [fileOf('a"b.csv', 'text'), fileOf('a.png', 'image'), fileOf('筆記.md', 'text')];
    const task = { model: 'kimi-k3', prompt: '比較', request: { system: '簡答' }, files };
    const contents = new Map([
      ['a"b.csv', Buffer.from('x,y')],
      ['a.png', png],
      ['筆記.md', Buffer.from('# 筆記')],
    ]);
    const texts = [
      '<attachment name="a\\"b.csv">\nx,y\n</attachment>',
      '<attachment name="筆記.md">\n# 筆記\n</attachment>',
    ];
    const picture = { type: 'image_url', image_url: { url: `data:image/png;base64,${png.toString('base64')}` } };
    expect(requestFor(task, AI, contents).messages).toStrictEqual([
      { role: 'system', content: texts[0] },
      { role: 'system', content: texts[1] },
      { role: 'system', content: '簡答' },
      { role: 'user', content: [picture, { type: 'text', text: '比較' }] },
    ]);
    expect(requestFor(task, 'https://kimi.example.com/v1', contents).messages).toStrictEqual([
      { role: 'system', content: '簡答' },
      { role: 'user', content: [picture, { type: 'text', text: ['比較', ...texts].join('\n\n') }] },
    ]);
  });

  it('of a conversation has each question with its pictures, each answer with its reasoning, and files once at the head', () => {
    const png = Buffer.from('89504e470d0a1a0a', 'hex');
    const [note, picture] = [fileOf('note.md', 'text'), fileOf('a.png', 'image')];
    const contents = new Map([
      ['note.md', Buffer.from('# note')],
      ['a.png', png],
    ]);
    const conversation = [
      { prompt: 'one', files: [note, picture], output: 'first', reasoning: 'thought' },
      { prompt: 'two', images: ['data:image/png;base64,AAAA'], output: 'second' },
    ];
    const task = { model: 'kimi-k3', prompt: 'three', request: { system: 'brief' }, files: [note], conversation };
    const url = `data:image/png;base64,${png.toString('base64')}`;
    const attached = '<attachment name="note.md">\n# note\n</attachment>';
    expect(requestFor(task, AI, contents).messages).toStrictEqual([
      { role: 'system', content: attached },
      { role: 'system', content: 'brief' },
      asked(url, 'one'),
      { role: 'assistant', content: 'first', reasoning_content: 'thought' },
      asked('data:image/png;base64,AAAA', 'two'),
      { role: 'assistant', content: 'second', reasoning_content: ' ' },
      { role: 'user', content: 'three' },
    ]);
    expect(requestFor({ ...task, model: 'other' }, 'https://kimi.example.com/v1', contents).messages).toStrictEqual([
      { role: 'system', content: 'brief' },
      asked(url, `one\n\n${attached}`),
      { role: 'assistant', content: 'first' },
      asked('data:image/png;base64,AAAA', 'two'),
      { role: 'assistant', content: 'second' },
      { role: 'user', content: `three\n\n${attached}` },
    ]);
    const plain = { model: 'kimi-k3', prompt: 'three' };
    const talked = requestFor({ ...plain, conversation }, AI);
    expect(mostTokens(talked)).toBeGreaterThan(mostTokens(requestFor(plain, AI)) + 'onefirstthoughttwosecond'.length);
  });

  it.each([
    ['kimi-k2.6', {}],
    ['kimi-k2.7-code', { reasoning_content: ' ' }],
    ['kimi-k3', { reasoning_content: ' ' }],
    ['a-model-of-tomorrow', {}],
  ])('to %s has an earlier answer without reasoning with %j', (model, reasoning) => {
    const conversation = [{ prompt: 'one', output: 'first' }];
    const { messages } = requestFor({ model, prompt: 'two', conversation }, AI);
    expect(messages[1]).toStrictEqual({ role: 'assistant', content: 'first', ...reasoning });
  });

  it('is estimated at no more tokens than bytes, pictures not counted', () => {
    const request = { images: ['data:image/png;base64,AAAA'], system: 'x' };
    const plain = mostTokens(requestFor({ model: 'kimi-k3', prompt: '寫一', request: { system: 'x' } }, AI));
    expect(plain).toBeGreaterThanOrEqual(7);
    expect(mostTokens(requestFor({ model: 'kimi-k3', prompt: '寫一', request }, AI))).toBeLessThan(plain + 50);
  });
});

describe('an interrupted answer', () => {
  it.each([
    ['kimi-k2.6', {}, true],
    ['kimi-k2.7-code-highspeed', {}, true],
    ['kimi-k3', {}, true],
    ['kimi-k3', { response_format: { type: 'json_schema' } }, false],
    ['kimi-k3', { tools: [] }, false],
    ['kimi-k3.1-pro', {}, false],
    ['a-model-of-tomorrow', {}, false],
    ['moonshot-v1-128k', {}, false],
  ])('of %s with %j can be resumed: %s', (model, body, can) => {
    expect(supportsPartialMode(model, body)).toBe(can);
  });
});

const cost = (amount: number, currency: string, price_date: string): object => ({ amount, currency, price_date });

describe('the cost', () => {
  /** The example of docs/http-api.md. */
  const PLAIN: Tokens = { prompt: 200, completion: 1300, total: 1500 };
  /** An answer captured from Kimi. */
  const CACHED: Tokens = { prompt: 93, completion: 54, total: 147, cached: 93, reasoning: 38 };

  it.each([
    // 200 × 6.50 + 1300 × 27 = 36,400 for a million.
    ['kimi-k2.6', CN, PLAIN, cost(0.0364, 'CNY', '2026-09-01')],
    // 200 × 0.95 + 1300 × 4 = 5,390.
    ['kimi-k2.6', AI, PLAIN, cost(0.00539, 'USD', '2026-09-29')],
    // 93 × 2 + 54 × 100 = 5,586: all of the prompt was cached, and reasoning is part of the answer.
    ['kimi-k3', CN, CACHED, cost(0.005586, 'CNY', '2026-09-01')],
    // 93 × 0.30 + 54 × 15 = 837.9.
    ['kimi-k3', AI, CACHED, cost(0.0008379, 'USD', '2026-09-29')],
    // 400,000 × 0.19 + 600,000 × 0.95 + 100,000 × 4 = 1,046,000.
    [
      'kimi-k2.7-code',
      AI,
      { prompt: 1e6, completion: 1e5, total: 11e5, cached: 4e5 },
      cost(1.046, 'USD', '2026-09-29'),
    ],
    // 1000 × 13 + 1000 × 54 = 67,000.
    ['kimi-k2.7-code-highspeed', CN, { prompt: 1e3, completion: 1e3, total: 2e3 }, cost(0.067, 'CNY', '2026-09-01')],
    // 1000 × 2 + 1000 × 10 = 12,000, and twice that at the higher speed.
    ['kimi-k3.1-pro', AI, { prompt: 1e3, completion: 1e3, total: 2e3 }, cost(0.012, 'USD', '2026-10-25')],
    ['kimi-k3.1-pro-highspeed', AI, { prompt: 1e3, completion: 1e3, total: 2e3 }, cost(0.024, 'USD', '2026-10-25')],
    // No more tokens can be cached than there are.
    ['kimi-k3', AI, { prompt: 10, completion: 0, total: 10, cached: 99 }, cost(0.000003, 'USD', '2026-09-29')],
    ['kimi-k3', AI, { prompt: 0, completion: 0, total: 0 }, cost(0, 'USD', '2026-09-29')],
  ])('of %s at %s for %j', (model, apiUrl, tokens, expected) => {
    expect(costOf(tokens, model, apiUrl)).toEqual(expected);
  });

  it.each([
    ['another host', 'kimi-k3', OTHER],
    ['an unknown model', 'a-model-of-tomorrow', CN],
    ['a retired model', 'moonshot-v1-128k', CN],
    ['an unknown price', 'kimi-k3.1-pro', CN],
  ])('is unknown for %s', (_what, model, apiUrl) => {
    expect(costOf(PLAIN, model, apiUrl)).toBeUndefined();
  });

  it.each([
    [CN, 'CNY'],
    ['https://API.Moonshot.AI:8443/v1', 'USD'],
    [OTHER, undefined],
    ['http://127.0.0.1:9021/v1', undefined],
    ['http://constructor/v1', undefined],
  ])('at %s is in %s', (apiUrl, currency) => {
    expect(currencyOf(apiUrl)).toBe(currency);
  });

  it('is saved with the result, by the model that answered', async () => {
    const results = new ResultStore(await temporaryFolder());
    const activities = createActivities({ apiUrl: AI, results, config: { KIMI_NOTIFY_ALLOW: [] } } as never);
    const result = { task_name: 'calculator', model: 'kimi-k3', created_at: '2026-02-17T15:30:00Z' };
    await persist(activities, { ...result, task_id: 'kimi-1-1', status: 'done', output: 'x', tokens: CACHED });
    expect(await results.read('kimi-1-1')).toMatchObject({
      tokens: CACHED,
      cost: { amount: 0.0008379, currency: 'USD', price_date: '2026-09-29' },
    });
    await persist(activities, {
      ...result,
      task_id: 'kimi-1-2',
      status: 'failed',
      error: { type: 'x', message: 'y' },
    });
    expect(await results.read('kimi-1-2')).not.toHaveProperty('cost');
  });

  it('is counted once, however often the answer is saved', async () => {
    const prices: number[] = [];
    const meter = Object.create(noopMetricMeter, {
      createHistogram: { value: () => ({ record: (price: number) => prices.push(price) }) },
    }) as MetricMeter;
    const activities = createActivities({
      apiUrl: AI,
      results: new ResultStore(await temporaryFolder()),
      config: { KIMI_NOTIFY_ALLOW: [] },
      meter,
    } as never);
    const answer = {
      task_id: 'kimi-1-1',
      task_name: 'calculator',
      model: 'kimi-k3',
      status: 'done',
      tokens: CACHED,
      created_at: '2026-02-17T15:30:00Z',
    } as const;
    await persist(activities, answer);
    await persist(activities, answer);
    await persist(activities, { ...answer, late: true });
    expect(prices).toEqual([0.0008379]);
  });
});

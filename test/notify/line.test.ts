/** Long answers in a channel that takes no files. The API of LINE is a stand-in: its address is not configurable. */
import { describe, expect, it } from 'vitest';
import { pushToLine, type Fetch } from '../../openclaw/plugin/src/line.ts';
import { partsOf, pieces } from '../../openclaw/plugin/src/parts.ts';

interface Push {
  to: string;
  messages: { type: string; text: string }[];
  key: string;
  authorization: string;
}

function line(...statuses: number[]): { pushes: Push[]; fetch: Fetch } {
  const pushes: Push[] = [];
  const fetch: Fetch = async (_url, { headers, body }) => {
    const { 'x-line-retry-key': key = '', authorization = '' } = headers as Record<string, string>;
    pushes.push({ ...(JSON.parse(body as string) as Pick<Push, 'to' | 'messages'>), key, authorization });
    const status = statuses.shift() ?? 200;
    if (status === 0) throw new Error('fetch failed', { cause: new Error('read ECONNRESET') });
    return new Response('{"message":"the reason"}', { status });
  };
  return { pushes, fetch };
}

const CODE = Array.from({ length: 1_000 }, (_, n) => `@dataclass\nclass A${n}: x = [[1,2]]`).join('\n\n');
const CONFIG = {
  channels: { line: { channelAccessToken: 'secret', accounts: { second: { channelAccessToken: 's2' } } } },
};
const CHAT = { to: 'Uab' };

describe('an answer of 30,000 characters in LINE', () => {
  it('is text, whole, in two requests', () => {
    const parts = partsOf('line', 'the heading', { name: 'a.md', content: CODE }, '(more)');
    const texts = parts.map((part) => ('texts' in part ? part.texts : []));
    expect(CODE.length).toBeGreaterThan(30_000);
    expect(texts.map(({ length }) => length)).toEqual([5, expect.any(Number)]);
    expect(texts.flat().every(({ length }) => length <= 5_000)).toBe(true);
    // Breaks are between paragraphs, and nothing is escaped: the code can be copied.
    expect(texts.flat().join('\n\n')).toBe(`the heading\n\n${CODE}`);
  });

  it('is a file where files can be attached', () => {
    expect(partsOf('slack', 'the heading', { name: 'a.md', content: CODE }, '(more)')).toMatchObject([
      { text: 'the heading' },
      { file: { content: CODE } },
    ]);
  });
});

it('an answer that is too long for two requests ends by saying where the rest is', () => {
  const parts = partsOf('line', 'x', { name: 'a.md', content: '字'.repeat(60_000) }, '(more)');
  const texts = parts.flatMap((part) => ('texts' in part ? part.texts : []));
  expect(texts).toEqual(['x', ...Array<string>(8).fill('字'.repeat(5_000)), '(more)']);
  expect(parts).toHaveLength(2);
});

it.each([
  ['a\n\nb\nc', 4, ['a\n\nb', 'c']],
  ['abcdef', 4, ['abcd', 'ef']],
  ['abc😀d', 4, ['abc', '😀d']],
  ['', 4, []],
])('%j in pieces of %i is %j', (text, chars, found) => {
  expect(pieces(text, chars)).toEqual(found);
});

describe('a push', () => {
  it('is one request with all texts; a repeated one has the same key', async () => {
    const { pushes, fetch } = line();
    expect(await pushToLine(fetch, CONFIG, CHAT, { texts: ['a', 'b'] }, 'k')).toEqual({ outcome: 'sent' });
    await pushToLine(fetch, CONFIG, { ...CHAT, account_id: 'second' }, { texts: ['a'] }, 'k');
    const messages = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    expect(pushes).toMatchObject([
      { to: 'Uab', messages, authorization: 'Bearer secret' },
      { authorization: 'Bearer s2' },
    ]);
    expect(pushes[0]?.key).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(pushes[1]?.key).toBe(pushes[0]?.key);
  });

  it.each([
    [409, { outcome: 'sent' }],
    [400, { outcome: 'refused', error: 'LINE answered 400: {"message":"the reason"}' }],
    [429, { outcome: 'failed', error: 'LINE answered 429: {"message":"the reason"}' }],
    [500, { outcome: 'failed', error: 'LINE answered 500: {"message":"the reason"}' }],
    [0, { outcome: 'failed', error: 'fetch failed: read ECONNRESET' }],
  ])('that LINE answers with %i has the outcome %j', async (status, delivery) => {
    expect(await pushToLine(line(status).fetch, CONFIG, CHAT, { texts: ['a'] }, 'k')).toEqual(delivery);
  });

  it('without a token is left to the gateway’s channel', async () => {
    expect(await pushToLine(line().fetch, {}, CHAT, { texts: ['a'] }, 'k')).toBeUndefined();
  });
});

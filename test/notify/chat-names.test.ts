/** The names that channels of openclaw@2026.9.6 use for one chat, and their normal form. */
import { describe, expect, it } from 'vitest';
import { chatOfAgent, chatOfMessage } from '../../openclaw/plugin/src/routes.ts';
import { isSameChat, readRoute, type Route } from '../../src/shared/chat.ts';

describe('one chat', () => {
  it.each([
    ['telegram', '4242', ['telegram:4242', 'telegram:direct:4242', '4242']],
    ['telegram', '-1001', ['telegram:group:-1001', '-1001']],
    ['slack', 'U0AB1', ['U0AB1', 'user:U0AB1', 'slack:U0AB1', 'slack:user:U0AB1', 'u0ab1']],
    ['slack', 'C0AB1', ['C0AB1', 'channel:C0AB1', 'slack:channel:C0AB1', 'c0ab1']],
    ['slack', 'team:T1:user:U1', ['team:T1:user:U1']],
    ['discord', 'user:11', ['discord:11', 'discord:user:11', 'user:11']],
    ['discord', 'channel:11', ['11', 'channel:11', 'discord:channel:11']],
    ['feishu', 'ou_1', ['ou_1', 'user:ou_1', 'open_id:ou_1', 'feishu:ou_1', 'lark:user:ou_1']],
    ['feishu', 'oc_1', ['oc_1', 'chat:oc_1', 'group:oc_1', 'feishu:chat:oc_1', 'oc_1:sender:ou_1']],
    ['line', 'Uab', ['Uab', 'line:Uab', 'line:user:Uab']],
    ['line', 'Cab', ['Cab', 'line:group:Cab', 'group:Cab']],
    ['line', 'Rab', ['Rab', 'line:room:Rab']],
    [
      'whatsapp',
      '+886912345678',
      ['+886912345678', '886912345678@s.whatsapp.net', 'whatsapp:886912345678:3@s.whatsapp.net'],
    ],
    ['whatsapp', '12036@g.us', ['12036@g.us', 'whatsapp:12036@g.us']],
    ['matrix', 'room:!a:b', ['room:!a:b', 'matrix:room:!a:b']],
  ])('in %s is %s, by all of its names', (channel, to, names) => {
    for (const name of names) expect(readRoute(JSON.stringify({ channel, to: name }))).toEqual({ channel, to });
  });

  it('is the same in another session, and its commands find what its messages started', () => {
    const started = chatOfMessage({ ctx: { OriginatingChannel: 'feishu', OriginatingTo: 'chat:oc_1' } }) as Route;
    const asked = chatOfAgent({ deliveryContext: { channel: 'feishu', to: 'oc_1' } }) as Route;
    expect(isSameChat(started, asked)).toBe(true);
  });
});

describe('a thread', () => {
  it.each([
    ['slack', { MessageThreadId: '17.01' }, '17.01'],
    ['slack', { TransportThreadId: '17.01', ChatType: 'direct' }, '17.01'],
    ['slack', { SessionKey: 'agent:main:slack:channel:c1:thread:17.01' }, '17.01'],
    ['feishu', { RootMessageId: 'om_1', ChatType: 'group' }, 'om_1'],
    ['feishu', { SessionKey: 'agent:main:feishu:group:oc_1:topic:om_2:sender:ou_1' }, 'om_2'],
    // A quotation.
    ['feishu', { RootMessageId: 'om_1', ChatType: 'direct' }, undefined],
    ['telegram', { RootMessageId: '1', SessionKey: 'agent:main:thread:17.01' }, undefined],
  ])('of %s in %j is %s', (channel, ctx, thread) => {
    const { thread_id } = chatOfMessage({ ctx: { OriginatingChannel: channel, OriginatingTo: 'x', ...ctx } }) as Route;
    expect(thread_id).toBe(thread);
  });
});

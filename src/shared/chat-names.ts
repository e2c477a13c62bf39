/** Names of chats. A channel has several for one chat, which its messages, commands and tools use differently. */

/** A chat in its normal form: all names of one chat have the same normal form, and the channel accepts it as a target. */
export interface ChatName {
  to: string;
  thread_id?: string;
}

/** Normal forms by channel, from a name without the channel's own name in front (`telegram:4242`). */
const NORMAL: Record<string, (name: string, hasChannel: boolean) => ChatName> = {
  // `group:-100`, `-100:topic:7`
  telegram: (name) => withTopic(name.replace(/^(?:group|direct):/, ''), /^(?<to>.+):topic:(?<thread>\d+)$/),
  // `discord:11` is a user in the gateway's configuration; `11` alone is a channel.
  discord: (name, hasChannel) => ({ to: name.replace(/^(?=\d+$)/, hasChannel ? 'user:' : 'channel:') }),
  // `user:U1`, `channel:C1`; keys of sessions are in lower case.
  slack: (name) => ({
    to: name
      .replace(/^(?:user|channel|group):(?=[CDGUW][A-Z0-9]*$)/i, '')
      .replace(/^[cdguw](?=.*\d)[a-z0-9]+$/, (id) => id.toUpperCase()),
  }),
  // `user:ou_1`, `chat:oc_1`; a conversation is `oc_1:topic:om_2`
  feishu: (name) =>
    withTopic(
      name.replace(/^(?:user|open_id|dm|chat|group|channel):/i, ''),
      /^(?<to>oc_[^:]+)(?::topic:(?<thread>[^:]+))?(?::sender:.+)?$/,
    ),
  // `group:C…`, `room:R…`, `user:U…`: the id itself says what it is.
  line: (name) => ({ to: name.replace(/^(?:user|group|room):/i, '') }),
  // A person is a number, with or without a device.
  whatsapp: (name) => ({ to: name.replace(/^\+?(\d+)(?::\d+)?@(?:s\.whatsapp\.net|c\.us)$/, '+$1') }),
};

/** Other names of channels. */
const ALIASES: Record<string, string> = { lark: 'feishu' };

/** @returns the chat in its normal form. Of other channels, only the channel's name in front is removed. */
export function chatTarget(channel: string, to: string): ChatName {
  const [, prefix = '', rest = ''] = /^([a-z]+):(.+)$/is.exec(to) ?? [];
  const named = prefix.toLowerCase();
  const hasChannel = (ALIASES[named] ?? named) === channel;
  const name = hasChannel ? rest : to;
  return NORMAL[channel]?.(name, hasChannel) ?? { to: name };
}

function withTopic(name: string, pattern: RegExp): ChatName {
  const { to = name, thread } = pattern.exec(name)?.groups ?? {};
  return { to, ...(thread !== undefined && { thread_id: thread }) };
}

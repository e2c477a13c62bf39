/**
 * The same chat under one name, however the gateway has it: `4242`, `telegram:4242`, `telegram:group:-100`, or with its topic,
 * `-100:topic:7`. Of other channels nothing but their own name in front is known to be spare: `channel:1` and `user:1` differ.
 */
export function chatTarget(channel: string, to: string): { to: string; thread_id?: string } {
  const bare = to.startsWith(`${channel}:`) ? to.slice(channel.length + 1) : to;
  if (channel !== 'telegram') return { to: bare };
  const [, chat = bare, thread_id] = /^(?:group:|direct:)?(.+?)(?::topic:(\d+))?$/.exec(bare) ?? [];
  return { to: chat, ...(thread_id !== undefined && { thread_id }) };
}

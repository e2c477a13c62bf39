/**
 * What each channel can do, as far as notifications depend on it (openclaw@2026.9.6; LINE and Feishu 2026.9.5). A channel that is not
 * listed here is a {@link COMMON} one. Names of chats: src/shared/chat-names.ts. Refusals: refusals.ts.
 */

export interface Channel {
  /** Finds the thread in the key of a session, where the message does not name it. */
  threadInSession?: RegExp;
  /** Whether a thread is named by its first message, also in the messages of a group. */
  threadsByRoot?: boolean;
  /** Ids of messages that the reply to a task quotes: in a chat of topics, that is the only way into its topic. */
  quotesMessage?: RegExp;
  /** Whether the gateway removes the bot's mention from a message. The mentions that are left are of others, and part of the text. */
  removesMention?: boolean;
  /** Whether `&`, `<` and `>` arrive as entities. */
  sendsEntities?: boolean;
  /** Whether a text with pictures or styles arrives with Markdown's special characters escaped. */
  escapesMarkdown?: boolean;
  /** What stands in the place of the text of a message that is a file, where that message is replied to; its kind is the first group. */
  quotedFile?: RegExp;
  /**
   * Where files cannot be attached: the answer is sent as text, in messages of `chars` UTF-16 units. A request has up to `messages` of
   * them; no more than `requests` requests are sent at a time.
   */
  textOnly?: { chars: number; messages: number; requests: number };
  /**
   * What a button does when it is pressed: it writes a command as the user would, or it calls the plugin. A quick reply is a button of the
   * newest message that writes a command. Absent if the gateway draws none, or nothing comes of a press.
   */
  buttons?: 'command' | 'callback' | 'quickReply';
  /** Whether the command of a button comes from the chat around the thread that it was pressed in. */
  pressesLoseThread?: boolean;
  /** Whether the gateway can edit messages. `byId`: an id is enough to find the message, and the chat has another name there. */
  edits?: 'inChat' | 'byId';
  /** Further syntax of this channel that must not be interpreted, even in code. */
  syntax?: RegExp;
}

/** The gateway's own pages (WebChat). A session takes the place of a chat. */
export const OWN_PAGES = 'webchat';

const COMMON: Channel = {};

const CHANNELS: Record<string, Channel> = {
  telegram: { buttons: 'command', edits: 'inChat' },
  discord: { buttons: 'command', edits: 'inChat' },
  slack: {
    buttons: 'callback',
    edits: 'inChat',
    threadInSession: /:thread:(\d+\.\d+)/,
    sendsEntities: true,
    // Mentions, and links with other words: the gateway passes them on from code, too.
    syntax: /<(?=[@#][A-Z0-9]|!(?:channel|here|everyone|subteam|date)\b|(?:https?|mailto|tel|slack):[^>\n]*\|)/gi,
  },
  feishu: {
    buttons: 'command',
    pressesLoseThread: true,
    edits: 'byId',
    threadInSession: /:topic:(om_[^:]+)/,
    threadsByRoot: true,
    // A press of a button has an id of its own, which cannot be quoted.
    quotesMessage: /^om_/,
    escapesMarkdown: true,
    quotedFile: /^\[(file|image|audio|media|video) message\]$/,
    syntax: /<(?=\/?at\b)/gi,
  },
  // https://developers.line.biz/en/reference/messaging-api/#send-push-message: a request counts once, with up to 5 messages of 5,000
  // characters. Two requests hold 50,000 characters; the free plan has 200 requests a month.
  line: { removesMention: true, buttons: 'quickReply', textOnly: { chars: 5_000, messages: 5, requests: 2 } },
  // The gateway's own pages. A page shows a long text in part, and loads the rest by itself.
  [OWN_PAGES]: { textOnly: { chars: Infinity, messages: 1, requests: Infinity } },
};

/** @returns what a channel can do. */
export function channelOf(channel: string): Channel {
  return CHANNELS[channel] ?? COMMON;
}

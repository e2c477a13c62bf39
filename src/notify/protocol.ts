/** Wake protocol of the worker and the gateway's plugin (openclaw/plugin). It is bundled into the plugin: no packages here. */
import type { Route } from '../shared/chat.ts';

/** Path of the plugin's wake route, at the gateway's address. */
export const PLUGIN_WAKE_PATH = '/kimi-dispatch/wake';

/** Largest wake, in bytes: an answer of up to 16 MiB, and the message. */
export const MAX_WAKE_BYTES = 17 * 1024 * 1024;

/** Body of a wake for the plugin, with all it needs to notify the user. */
export interface PluginWake {
  /** The notification in one line, as in every wake. */
  text: string;
  mode: 'now';
  task: { task_id: string; task_name: string; status: string };
  /** `deliver`: the plugin sends the message to the chat, without a model. `agent`: it wakes the chat's agent with it. */
  reply: 'deliver' | 'agent';
  /** Absent if no chat asked for the task: then the gateway's owner is notified. */
  route?: Route;
  /** The whole reply (docs/openclaw.md). */
  message: string;
  /** Prefix of a message that may have been shown already. */
  maybe_repeated: string;
  /** Last line of an answer that is too long for a channel that takes no files. */
  rest: string;
  /** Whether the answer reached the limit of tokens, so that Kimi can be asked for the rest of it. */
  is_cut?: true;
  /** The whole answer, in case the message contains only an excerpt. */
  file?: { name: string; content: string };
}

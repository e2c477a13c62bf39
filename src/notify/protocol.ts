/** What the worker and the gateway's plugin (openclaw/plugin) agree on. The plugin is bundled with it: no packages here. */
import type { Route } from '../shared/chat.ts';

/** Where the plugin is woken, at the gateway's address. */
export const PLUGIN_WAKE_PATH = '/kimi-dispatch/wake';

/** Longest wake, in bytes: an answer is as long as its callback may be (16 MiB), and the reply comes on top. */
export const MAX_WAKE_BYTES = 17 * 1024 * 1024;

/** The body of a wake, with what the plugin needs to tell the user by itself. */
export interface PluginWake {
  /** The news in one line, as every wake has it. */
  text: string;
  mode: 'now';
  task: { task_id: string; task_name: string; status: string };
  /** `deliver`: the plugin sends the message to the chat, past every model. `agent`: it wakes the chat's agent with it. */
  reply: 'deliver' | 'agent';
  /** Absent where no chat asked for the task: the gateway's owner is told. */
  route?: Route;
  /** The whole reply (contract section 5). */
  message: string;
  /** Stands before a message that may have been shown already. */
  maybe_repeated: string;
  /** The whole answer, for the case that the message does not hold it as it is. */
  file?: { name: string; content: string };
}

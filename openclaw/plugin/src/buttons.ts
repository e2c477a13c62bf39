/** Buttons under a message, where the channel has them. A button writes a command as the user would. */
import type { Presentation } from 'openclaw/plugin-sdk/plugin-entry';
import { channelOf } from './channels.ts';
import { asData } from './safe-text.ts';

/** What is said in a chat. */
export interface Reply {
  text: string;
  /** The task that was started. */
  task_id?: string;
}

/** @returns the message for the gateway: a task that was started can be cancelled with a button. */
export function messageOf(
  { text, task_id }: Reply,
  channel: string | undefined,
): { text: string; presentation?: Presentation } {
  const said = asData(text, channel);
  if (task_id === undefined || channel === undefined || !channelOf(channel).buttons) return { text: said };
  const cancel = { label: '取消 Cancel', action: { type: 'command' as const, command: `/kimi cancel ${task_id}` } };
  return { text: said, presentation: { blocks: [{ type: 'buttons', buttons: [cancel] }] } };
}
